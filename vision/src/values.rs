//! Views of a model's outputs as they lie in memory.

use ocellus_plan::{Axes, DeviceType, HostType, Port};

/// Numbers of an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// Float numbers.
    F32(&'a [f32]),
    /// Float numbers as the bytes of this machine, at any address.
    F32Bytes(&'a [u8]),
    /// Logical int8: the number is `(q - zero_point) * scale`.
    I8 {
        /// The bytes.
        bytes: &'a [u8],
        /// What one step is worth.
        scale: f32,
        /// The byte that stands for 0.
        zero_point: i32,
    },
}

impl<'a> Values<'a> {
    /// The numbers of an output port; `None` where it holds integers that are no numbers with a scale.
    pub fn of(port: &Port<'_>, bytes: &'a [u8]) -> Option<Self> {
        match (port.device, port.host) {
            (DeviceType::Quantized, _) => Some(Self::I8 { bytes, scale: port.scale, zero_point: port.zero_point }),
            (DeviceType::Same, HostType::F32) => Some(Self::F32Bytes(bytes)),
            _ => None,
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F32Bytes(v) => v.len() / 4,
            Self::I8 { bytes, .. } => bytes.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at this place; a place outside has none.
    pub fn get(&self, index: usize) -> Option<f32> {
        match self {
            Self::F32(v) => v.get(index).copied(),
            Self::F32Bytes(v) => {
                let four = v.get(index.checked_mul(4)?..)?.first_chunk::<4>()?;
                Some(f32::from_ne_bytes(*four))
            }
            Self::I8 { bytes, scale, zero_point } => {
                let q = i32::from(bytes.get(index)?.cast_signed());
                Some(q.wrapping_sub(*zero_point) as f32 * scale)
            }
        }
    }

    /// A number that compares as the number at this place does, for searches that need no value: the byte itself where
    /// the output is 8-bit.
    pub(crate) fn rank(&self, index: usize) -> Option<f32> {
        match self {
            Self::I8 { bytes, .. } => bytes.get(index).map(|b| f32::from(b.cast_signed())),
            _ => self.get(index),
        }
    }
}

/// An output as a map `[height, width]` of `channels` numbers, in either axis order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Map<'a> {
    /// The numbers.
    pub values: Values<'a>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Numbers per place.
    pub channels: usize,
    /// Whether the channels of a place lie together (`[H, W, C]`); else whole planes do (`[C, H, W]`).
    pub interleaved: bool,
    /// Index of the first number, for maps inside a batch.
    pub start: usize,
}

impl<'a> Map<'a> {
    /// Picture `index` of an output port `[N, C, H, W]` or `[C, H, W]`.
    pub fn of(port: &Port<'_>, bytes: &'a [u8], index: usize) -> Option<Self> {
        let (c, h, w) = match *port.shape() {
            [_, c, h, w] | [c, h, w] => (c as usize, h as usize, w as usize),
            _ => return None,
        };
        let start = index.checked_mul(c.checked_mul(h)?.checked_mul(w)?)?;
        let interleaved = port.axes == Axes::Nhwc;
        Some(Self { values: Values::of(port, bytes)?, height: h, width: w, channels: c, interleaved, start })
    }

    /// The map of one picture from numbers in the order `[C, H, W]`.
    pub fn planes(values: &'a [f32], [channels, height, width]: [usize; 3]) -> Self {
        Self { values: Values::F32(values), height, width, channels, interleaved: false, start: 0 }
    }

    /// The number of channel `c` at row `y`, column `x`.
    pub fn get(&self, y: usize, x: usize, c: usize) -> Option<f32> {
        self.values.get(self.place(y, x, c)?)
    }

    /// Index of a number; `None` outside the map.
    pub(crate) fn place(&self, y: usize, x: usize, c: usize) -> Option<usize> {
        if y >= self.height || x >= self.width || c >= self.channels {
            return None;
        }
        let pixel = y.wrapping_mul(self.width).wrapping_add(x);
        let inner = match self.interleaved {
            true => pixel.wrapping_mul(self.channels).wrapping_add(c),
            false => c.wrapping_mul(self.height.wrapping_mul(self.width)).wrapping_add(pixel),
        };
        self.start.checked_add(inner)
    }

    /// The channel with the greatest number at a place, of equal ones the first.
    pub fn arg_max(&self, y: usize, x: usize) -> Option<usize> {
        let mut best: Option<(f32, usize)> = None;
        for c in 0..self.channels {
            let v = self.values.rank(self.place(y, x, c)?)?;
            if best.is_none_or(|(b, _)| v > b) {
                best = Some((v, c));
            }
        }
        best.map(|(_, c)| c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_form() {
        let bytes = [1.5f32.to_ne_bytes(), (-2.0f32).to_ne_bytes()].concat();
        let values = Values::F32Bytes(&bytes);
        assert_eq!((values.len(), values.get(1), values.get(2)), (2, Some(-2.0), None));
        let q = Values::I8 { bytes: &[3, 0x80], scale: 0.5, zero_point: 1 };
        assert_eq!((q.get(0), q.get(1), q.get(2)), (Some(1.0), Some(-64.5), None));
        assert_eq!(q.rank(1), Some(-128.0));
    }

    #[test]
    fn maps_in_either_order() {
        let planes: std::vec::Vec<f32> = (0..12).map(|v| v as f32).collect();
        let map = Map::planes(&planes, [2, 2, 3]);
        assert_eq!((map.get(1, 2, 0), map.get(0, 1, 1), map.get(2, 0, 0)), (Some(5.0), Some(7.0), None));
        let mixed = Map { interleaved: true, ..map };
        assert_eq!((mixed.get(1, 2, 0), mixed.get(0, 1, 1)), (Some(10.0), Some(3.0)));
        assert_eq!(map.arg_max(0, 0), Some(1));
        let level = [1.0f32, 1.0];
        assert_eq!(Map::planes(&level, [2, 1, 1]).arg_max(0, 0), Some(0), "of equal ones the first");
    }
}

//! Inputs and outputs: their host side (ONNX type and axis order) and their device side (bytes in the arena).

/// The element type of a port as the ONNX model declares it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum HostType {
    /// IEEE single.
    F32 = 0,
    /// Signed byte.
    I8 = 1,
    /// Unsigned byte.
    U8 = 2,
    /// 32-bit integer.
    I32 = 3,
    /// 64-bit integer.
    I64 = 4,
    /// Truth value, one byte.
    Bool = 5,
}

impl HostType {
    /// The type of this number.
    pub const fn from_number(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::F32,
            1 => Self::I8,
            2 => Self::U8,
            3 => Self::I32,
            4 => Self::I64,
            5 => Self::Bool,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Its name: `f32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
        }
    }
}

/// How a port's bytes lie in the arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DeviceType {
    /// The host's own type.
    Same = 0,
    /// int8 with scale and zero point; a host f32 is quantized, a host u8 is shifted by 128.
    Quantized = 1,
}

/// The order of a port's axes in the arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Axes {
    /// As in the ONNX model.
    Plain = 0,
    /// NCHW in the model, NHWC in the arena.
    Nhwc = 1,
}

/// One input or output of a plan.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Port<'a> {
    /// Its name in the ONNX model.
    pub name: &'a str,
    /// Its type in the ONNX model.
    pub host: HostType,
    /// Its representation in the arena.
    pub device: DeviceType,
    /// Its axis order in the arena.
    pub axes: Axes,
    /// Its rank, at most 8.
    pub rank: u8,
    /// Its sizes in the model's axis order; the first `rank` count.
    pub sizes: [u32; 8],
    /// First byte in the arena.
    pub offset: u32,
    /// Bytes in the arena.
    pub len: u32,
    /// Scale, where it is quantized.
    pub scale: f32,
    /// Zero point of the logical int8, where it is quantized.
    pub zero_point: i32,
}

impl Port<'_> {
    /// The sizes in the model's axis order.
    pub fn shape(&self) -> &[u32] {
        self.sizes.get(..usize::from(self.rank)).unwrap_or(&[])
    }

    /// The number of elements, which [`Plan::parse`](crate::Plan::parse) has found to fit.
    pub fn elements(&self) -> usize {
        self.shape().iter().fold(1usize, |n, &d| n.saturating_mul(d as usize))
    }

    /// Bytes of an element in the arena.
    pub fn device_size(&self) -> usize {
        match self.device {
            DeviceType::Same => self.host.size(),
            DeviceType::Quantized => 1,
        }
    }
}

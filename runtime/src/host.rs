//! The host side of ports: ONNX types and axis order to device bytes and back.

use ocellus_kernels::{Pod, round, view, view_mut};
use ocellus_plan::{Axes, DeviceType, HostType, Port};

use crate::PortError;

/// Values for an input.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // one variant per `HostType`
pub enum Host<'a> {
    F32(&'a [f32]),
    I8(&'a [i8]),
    U8(&'a [u8]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    Bool(&'a [u8]),
}

/// Room for the values of an output.
#[derive(Debug)]
#[allow(missing_docs)] // one variant per `HostType`
pub enum HostMut<'a> {
    F32(&'a mut [f32]),
    I8(&'a mut [i8]),
    U8(&'a mut [u8]),
    I32(&'a mut [i32]),
    I64(&'a mut [i64]),
    Bool(&'a mut [u8]),
}

/// The order of a port's elements: index in the model for every index in the arena.
#[derive(Clone, Copy)]
struct Order {
    batch: usize,
    pixels: usize,
    channels: usize,
}

impl Order {
    fn of(port: &Port<'_>) -> Self {
        match (port.axes, port.shape()) {
            (Axes::Nhwc, &[n, c, h, w]) => {
                Self { batch: n as usize, pixels: (h as usize).saturating_mul(w as usize), channels: c as usize }
            }
            _ => Self { batch: 1, pixels: port.elements(), channels: 1 },
        }
    }

    /// Calls `f` with every pair (index in the arena, index in the model).
    fn each(self, mut f: impl FnMut(usize, usize)) {
        let Self { batch, pixels, channels } = self;
        let mut device = 0usize;
        for n in 0..batch {
            let base = n.wrapping_mul(pixels).wrapping_mul(channels);
            for p in 0..pixels {
                for c in 0..channels {
                    f(device, base.wrapping_add(c.wrapping_mul(pixels)).wrapping_add(p));
                    device = device.wrapping_add(1);
                }
            }
        }
    }
}

fn into<T: Copy, D: Pod>(
    port: &Port<'_>,
    x: &[T],
    bytes: &mut [u8],
    convert: impl Fn(T) -> D,
) -> Result<(), PortError> {
    let length = PortError::Length { expected: port.elements(), found: x.len() };
    let y = view_mut::<D>(bytes).filter(|y| y.len() == x.len() && x.len() == port.elements()).ok_or(length)?;
    Order::of(port).each(|device, host| {
        if let (Some(y), Some(&x)) = (y.get_mut(device), x.get(host)) {
            *y = convert(x);
        }
    });
    Ok(())
}

fn from<D: Pod, T>(port: &Port<'_>, bytes: &[u8], y: &mut [T], convert: impl Fn(D) -> T) -> Result<(), PortError> {
    let length = PortError::Length { expected: port.elements(), found: y.len() };
    let x = view::<D>(bytes).filter(|x| x.len() == y.len() && y.len() == port.elements()).ok_or(length)?;
    Order::of(port).each(|device, host| {
        if let (Some(&x), Some(y)) = (x.get(device), y.get_mut(host)) {
            *y = convert(x);
        }
    });
    Ok(())
}

/// Converts host values into the device bytes of a port.
pub(crate) fn put(port: &Port<'_>, values: Host<'_>, bytes: &mut [u8]) -> Result<(), PortError> {
    let (scale, zero) = (port.scale, port.zero_point);
    match (port.device, port.host, values) {
        (DeviceType::Quantized, HostType::F32, Host::F32(x)) => match x.iter().position(|x| x.is_nan()) {
            Some(place) => Err(PortError::NotANumber { place }),
            None => into(port, x, bytes, |x| round::quantize(x, scale, zero)),
        },
        (DeviceType::Quantized, HostType::U8, Host::U8(x)) => into(port, x, bytes, |x| (x ^ 0x80).cast_signed()),
        (DeviceType::Quantized, HostType::I8, Host::I8(x)) => into(port, x, bytes, |x| x),
        (DeviceType::Same, HostType::F32, Host::F32(x)) => into(port, x, bytes, |x| x),
        (DeviceType::Same, HostType::I8, Host::I8(x)) => into(port, x, bytes, |x| x),
        (DeviceType::Same, HostType::U8, Host::U8(x)) => into(port, x, bytes, |x| x),
        (DeviceType::Same, HostType::I32, Host::I32(x)) => into(port, x, bytes, |x| x),
        (DeviceType::Same, HostType::I64, Host::I64(x)) => into(port, x, bytes, |x| x),
        (DeviceType::Same, HostType::Bool, Host::Bool(x)) => into(port, x, bytes, |x| u8::from(x != 0)),
        (_, expected, values) => Err(PortError::Type { expected, found: values.host_type() }),
    }
}

/// Converts the device bytes of a port into host values.
pub(crate) fn get(port: &Port<'_>, bytes: &[u8], values: HostMut<'_>) -> Result<(), PortError> {
    let (scale, zero) = (port.scale, port.zero_point);
    let real = |q: i8| i32::from(q).wrapping_sub(zero) as f32 * scale;
    match (port.device, port.host, values) {
        (DeviceType::Quantized, HostType::F32, HostMut::F32(y)) => from(port, bytes, y, real),
        (DeviceType::Quantized, HostType::U8, HostMut::U8(y)) => from(port, bytes, y, |q: u8| q ^ 0x80),
        (DeviceType::Quantized, HostType::I8, HostMut::I8(y)) => from(port, bytes, y, |q: i8| q),
        (DeviceType::Same, HostType::F32, HostMut::F32(y)) => from(port, bytes, y, |v: f32| v),
        (DeviceType::Same, HostType::I8, HostMut::I8(y)) => from(port, bytes, y, |v: i8| v),
        (DeviceType::Same, HostType::U8, HostMut::U8(y)) => from(port, bytes, y, |v: u8| v),
        (DeviceType::Same, HostType::I32, HostMut::I32(y)) => from(port, bytes, y, |v: i32| v),
        (DeviceType::Same, HostType::I64, HostMut::I64(y)) => from(port, bytes, y, |v: i64| v),
        (DeviceType::Same, HostType::Bool, HostMut::Bool(y)) => from(port, bytes, y, |v: u8| v),
        (_, expected, values) => Err(PortError::Type { expected, found: values.host_type() }),
    }
}

impl Host<'_> {
    fn host_type(&self) -> HostType {
        match self {
            Self::F32(_) => HostType::F32,
            Self::I8(_) => HostType::I8,
            Self::U8(_) => HostType::U8,
            Self::I32(_) => HostType::I32,
            Self::I64(_) => HostType::I64,
            Self::Bool(_) => HostType::Bool,
        }
    }
}

impl HostMut<'_> {
    fn host_type(&self) -> HostType {
        match self {
            Self::F32(_) => HostType::F32,
            Self::I8(_) => HostType::I8,
            Self::U8(_) => HostType::U8,
            Self::I32(_) => HostType::I32,
            Self::I64(_) => HostType::I64,
            Self::Bool(_) => HostType::Bool,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// Batch 2, 3 channels, 2 rows, 2 columns: element `n c h w` of the model has the value of its place.
    const SHAPE: [u32; 4] = [2, 3, 2, 2];

    fn port(host: HostType, device: DeviceType, axes: Axes, shape: &[u32]) -> Port<'static> {
        let mut sizes = [0; 8];
        sizes[..shape.len()].copy_from_slice(shape);
        let (rank, scale, zero_point) = (shape.len() as u8, 0.5, -3);
        let mut port = Port { name: "x", host, device, axes, rank, sizes, offset: 0, len: 0, scale, zero_point };
        port.len = (port.elements() * port.device_size()) as u32;
        port
    }

    /// Where element `k` of the model lies in the arena.
    fn nhwc(k: usize) -> usize {
        let (n, c, h, w) = (k / 12, k / 4 % 3, k / 2 % 2, k % 2);
        ((n * 2 + h) * 2 + w) * 3 + c
    }

    #[test]
    fn u8_pictures_are_shifted_and_turned() {
        let port = port(HostType::U8, DeviceType::Quantized, Axes::Nhwc, &SHAPE);
        let x: Vec<u8> = (0..24).map(|k| (k * 11) as u8).collect();
        let (mut bytes, mut back) = ([0; 24], [0; 24]);
        put(&port, Host::U8(&x), &mut bytes).unwrap();
        for (k, &x) in x.iter().enumerate() {
            assert_eq!(i32::from(bytes[nhwc(k)].cast_signed()), i32::from(x) - 128);
        }
        get(&port, &bytes, HostMut::U8(&mut back)).unwrap();
        assert_eq!(back, *x);
    }

    #[test]
    fn i8_pictures_are_turned() {
        for device in [DeviceType::Quantized, DeviceType::Same] {
            let port = port(HostType::I8, device, Axes::Nhwc, &SHAPE);
            let x: Vec<i8> = (0..24).map(|k| (k * 10 - 120) as i8).collect();
            let (mut bytes, mut back) = ([0; 24], [0; 24]);
            put(&port, Host::I8(&x), &mut bytes).unwrap();
            for (k, &x) in x.iter().enumerate() {
                assert_eq!(bytes[nhwc(k)].cast_signed(), x);
            }
            get(&port, &bytes, HostMut::I8(&mut back)).unwrap();
            assert_eq!(back, *x);
        }
    }

    #[test]
    fn f32_pictures_are_quantized_and_turned() {
        let port = port(HostType::F32, DeviceType::Quantized, Axes::Nhwc, &SHAPE);
        let mut x: Vec<f32> = (0..24).map(|k| k as f32 * 0.5 - 4.0).collect();
        // Half a step goes to even, and what is too large has its place.
        (x[0], x[5], x[7]) = (0.25, 1e9, f32::NEG_INFINITY);
        let (mut bytes, mut back) = ([0; 24], [0.0; 24]);
        put(&port, Host::F32(&x), &mut bytes).unwrap();
        get(&port, &bytes, HostMut::F32(&mut back)).unwrap();
        for (k, &x) in x.iter().enumerate() {
            let (step, real) = match k {
                0 => (-3, 0.0),
                5 => (127, 65.0),
                7 => (-128, -62.5),
                _ => (k as i32 - 8 - 3, x),
            };
            assert_eq!((i32::from(bytes[nhwc(k)].cast_signed()), back[k]), (step, real), "{k}");
        }
    }

    #[test]
    fn what_is_no_number_has_no_int8() {
        let port = |device| port(HostType::F32, device, Axes::Nhwc, &SHAPE);
        let mut x = [0.5; 24];
        x[9] = f32::NAN;
        let mut bytes = Aligned([7; 200]);
        let found = put(&port(DeviceType::Quantized), Host::F32(&x), &mut bytes.0[..24]);
        assert_eq!((found, bytes.0[0]), (Err(PortError::NotANumber { place: 9 }), 7));
        put(&port(DeviceType::Same), Host::F32(&x), &mut bytes.0[..96]).unwrap();
    }

    #[repr(align(8))]
    struct Aligned([u8; 200]);

    #[test]
    fn wide_elements_keep_their_bytes() {
        let mut bytes = Aligned([0; 200]);
        let turned = port(HostType::F32, DeviceType::Same, Axes::Nhwc, &SHAPE);
        let x: Vec<f32> = (0..24).map(|k| k as f32 * 0.3).collect();
        let mut back = [0.0; 24];
        put(&turned, Host::F32(&x), &mut bytes.0[..96]).unwrap();
        for (k, x) in x.iter().enumerate() {
            assert_eq!(bytes.0[4 * nhwc(k)..][..4], x.to_le_bytes());
        }
        get(&turned, &bytes.0[..96], HostMut::F32(&mut back)).unwrap();
        assert_eq!(back, *x);

        let (x, mut back) = ([i64::MIN, -1, 7], [0; 3]);
        let plain = port(HostType::I64, DeviceType::Same, Axes::Plain, &[3]);
        put(&plain, Host::I64(&x), &mut bytes.0[..24]).unwrap();
        get(&plain, &bytes.0[..24], HostMut::I64(&mut back)).unwrap();
        assert_eq!(back, x);

        let (x, mut back) = ([i32::MIN, 9], [0; 2]);
        let plain = port(HostType::I32, DeviceType::Same, Axes::Plain, &[2, 1]);
        put(&plain, Host::I32(&x), &mut bytes.0[..8]).unwrap();
        get(&plain, &bytes.0[..8], HostMut::I32(&mut back)).unwrap();
        assert_eq!(back, x);
    }

    #[test]
    fn truth_values_are_zero_or_one() {
        let (port, mut bytes) = (port(HostType::Bool, DeviceType::Same, Axes::Plain, &[3]), [9; 3]);
        put(&port, Host::Bool(&[0, 1, 200]), &mut bytes).unwrap();
        assert_eq!(bytes, [0, 1, 1]);
    }

    #[test]
    fn a_scalar_has_one_element() {
        let (port, mut bytes) = (port(HostType::I8, DeviceType::Quantized, Axes::Plain, &[]), [0]);
        put(&port, Host::I8(&[-5]), &mut bytes).unwrap();
        assert_eq!(bytes[0].cast_signed(), -5);
    }

    #[test]
    fn other_types_and_lengths_are_named() {
        let port = port(HostType::U8, DeviceType::Quantized, Axes::Nhwc, &SHAPE);
        let (mut bytes, mut out) = ([7; 24], [0.0; 24]);
        let wrong = PortError::Type { expected: HostType::U8, found: HostType::F32 };
        assert_eq!(put(&port, Host::F32(&[0.0; 24]), &mut bytes), Err(wrong));
        assert_eq!(get(&port, &bytes, HostMut::F32(&mut out)), Err(wrong));
        let short = PortError::Length { expected: 24, found: 23 };
        assert_eq!(put(&port, Host::U8(&[0; 23]), &mut bytes), Err(short));
        assert_eq!(get(&port, &bytes, HostMut::U8(&mut [0; 23])), Err(short));
        assert_eq!(bytes, [7; 24]);
        assert_eq!(std::format!("{wrong}"), "the port holds u8, f32 was given");
        assert_eq!(std::format!("{short}"), "the port holds 24 elements, 23 were given");
    }
}

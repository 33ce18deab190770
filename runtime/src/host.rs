//! The host side of ports: ONNX types and axis order to device bytes and back.

use ocellus_kernels::{round, view, view_mut, Pod};
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

fn into<T: Copy, D: Pod>(port: &Port<'_>, x: &[T], bytes: &mut [u8], convert: impl Fn(T) -> D) -> Result<(), PortError> {
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
        (DeviceType::Quantized, HostType::F32, Host::F32(x)) => into(port, x, bytes, |x| round::quantize(x, scale, zero)),
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

use super::*;
use ocellus_plan::{Axes, DeviceType, PortSpec, Writer};

#[test]
fn ports_become_nested_arrays() {
    let port = |name: &str, host, device, axes, shape: &[u32], offset| PortSpec {
        name: name.to_owned(),
        host,
        device,
        axes,
        shape: shape.to_vec(),
        offset,
        len: shape.iter().product::<u32>() * if device == DeviceType::Same { 4 } else { 1 },
        scale: 0.5,
        zero_point: 3,
    };
    let writer = Writer {
        arena_bytes: 128,
        arena_align: 8,
        inputs: vec![port("pixels", HostType::F32, DeviceType::Quantized, Axes::Nhwc, &[1, 3, 4, 5], 0)],
        outputs: vec![
            port("scores:0", HostType::F32, DeviceType::Same, Axes::Plain, &[1, 10], 64),
            port("count", HostType::I32, DeviceType::Same, Axes::Plain, &[], 104),
        ],
        ..Writer::default()
    };
    let text = rust_source(&writer.finish(), "m.plan").unwrap();
    for line in [
        "pub static PLAN: &Aligned<[u8]> = &Aligned(*include_bytes!(\"m.plan\"));",
        "#[repr(C, align(8))]",
        "pub const ARENA_BYTES: usize = 128;",
        "/// `pixels`, f32 of shape [1, 3, 4, 5].\npub type Pixels = [[[[f32; 5]; 4]; 3]; 1];",
        "pub type Scores0 = [[f32; 10]; 1];",
        "pub type Count = i32;",
        "pub fn set_pixels(&mut self, values: &Pixels) -> Result<(), PortError> {",
        "let _ = self.0.output(1, HostMut::I32(flat_mut(values)));",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    assert!(rust_source(b"no plan", "m.plan").is_none());
}

//! Pictures through the whole preparation.

use std::vec;
use std::vec::Vec;

use super::*;
use crate::frame::Pixels;

fn rgb(width: u32, height: u32) -> Vec<u8> {
    (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn bytes(frame: &Frame<'_>, target: Target) -> Vec<u8> {
    let channels = target.color.channels();
    let mut out = vec![0u8; target.height as usize * target.width as usize * channels];
    prepare(frame, &target, &vec![IDENTITY; channels], &mut out).unwrap();
    out
}

#[test]
fn the_same_size_changes_nothing() {
    let pixels = rgb(7, 5);
    let frame = Frame::new(7, 5, 21, Pixels::Rgb(&pixels)).unwrap();
    for fit in [Fit::Stretch, Fit::Letterbox { fill: 9 }, Fit::Crop] {
        assert_eq!(bytes(&frame, Target { height: 5, width: 7, color: Color::Rgb, fit }), pixels);
    }
    let swapped = bytes(&frame, Target { height: 5, width: 7, color: Color::Bgr, fit: Fit::Stretch });
    assert_eq!((swapped[0], swapped[2]), (pixels[2], pixels[0]));
}

#[test]
fn getting_smaller_is_the_mean_of_the_area() {
    let grey: Vec<u8> = vec![0, 10, 20, 30, 40, 50];
    let frame = Frame::new(3, 2, 3, Pixels::Grey(&grey)).unwrap();
    let target = |height, width| Target { height, width, color: Color::Grey, fit: Fit::Stretch };
    assert_eq!(bytes(&frame, target(1, 1)), [25]);
    // Columns 0 and half of 1; half of 1 and 2: (0 * 2 + 10) / 3 = 3.3, (10 + 20 * 2) / 3 = 16.7, each 30 more below.
    assert_eq!(bytes(&frame, target(2, 2)), [3, 17, 33, 47]);
    assert_eq!(bytes(&frame, target(2, 6)), [0, 3, 8, 13, 18, 20, 30, 33, 38, 43, 48, 50]);
}

#[test]
fn letterbox_fills_what_is_free() {
    let white = [255u8; 12];
    let frame = Frame::new(4, 1, 12, Pixels::Rgb(&white)).unwrap();
    let target = Target { height: 4, width: 4, color: Color::Rgb, fit: Fit::Letterbox { fill: 114 } };
    let out = bytes(&frame, target);
    assert_eq!(out[..12], [114; 12]);
    assert_eq!(out[12..24], [255; 12]);
    assert_eq!(out[24..], [114; 24]);
}

#[test]
fn grey_of_grey_is_itself_and_sizes_are_exact_at_the_limits() {
    for v in 0..=255u8 {
        assert_eq!(luma(v, v, v), v);
    }
    let white = vec![255u8; 65_535];
    let frame = Frame::new(65_535, 1, 65_535, Pixels::Grey(&white)).unwrap();
    for width in [1, 2, 1000, 65_534, 65_535] {
        let target = Target { height: 1, width, color: Color::Grey, fit: Fit::Stretch };
        assert!(bytes(&frame, target).iter().all(|&v| v == 255), "{width}");
    }
}

#[test]
fn every_mean_is_within_half_a_step_of_the_exact_one() {
    let (w, h) = (37u32, 23u32);
    let pixels = rgb(w, h);
    let frame = Frame::new(w, h, w as usize * 3, Pixels::Rgb(&pixels)).unwrap();
    let (tw, th) = (10u32, 9u32);
    let out = bytes(&frame, Target { height: th, width: tw, color: Color::Rgb, fit: Fit::Stretch });
    for (i, &found) in out.iter().enumerate() {
        let (c, x, y) = (i % 3, i / 3 % tw as usize, i / 3 / tw as usize);
        let overlap = |at: usize, from: u32, to: u32, p: u32| {
            let (a, b) =
                (at as f64 * f64::from(from) / f64::from(to), (at + 1) as f64 * f64::from(from) / f64::from(to));
            (b.min(f64::from(p + 1)) - a.max(f64::from(p))).max(0.0)
        };
        let (mut sum, mut weight) = (0.0, 0.0);
        for (py, px) in (0..h).flat_map(|py| (0..w).map(move |px| (py, px))) {
            let k = overlap(x, w, tw, px) * overlap(y, h, th, py);
            sum += k * f64::from(pixels[(py * w + px) as usize * 3 + c]);
            weight += k;
        }
        assert!((f64::from(found) - sum / weight).abs() <= 0.5 + 1e-9, "{i}: {found} {}", sum / weight);
    }
}

#[test]
fn tables_and_outputs_are_checked() {
    let frame = Frame::new(1, 1, 1, Pixels::Grey(&[7])).unwrap();
    let target = Target { height: 1, width: 2, color: Color::Rgb, fit: Fit::Stretch };
    let mut out = [0u8; 6];
    assert_eq!(prepare(&frame, &target, &[IDENTITY], &mut out), Err(PrepareError::Tables { channels: 3, found: 1 }));
    let tables = [IDENTITY; 3];
    assert_eq!(prepare(&frame, &target, &tables, &mut out[..5]), Err(PrepareError::Output { needed: 6, found: 5 }));
    assert!(prepare(&frame, &target, &tables, &mut out).is_ok());
    assert_eq!(out, [7; 6]);
    let none = Target { width: 0, ..target };
    assert_eq!(prepare(&frame, &none, &tables, &mut []), Err(PrepareError::Sides { width: 0, height: 1 }));
    // Floats and int8 from one generator.
    let floats = [normalized(0.5, 0.25)];
    let grey = Target { height: 1, width: 1, color: Color::Grey, fit: Fit::Crop };
    let (mut f, mut q) = ([0f32], [0i8]);
    prepare(&frame, &grey, &floats, &mut f).unwrap();
    prepare(&frame, &grey, &[quantized(&floats[0], 0.02, 5)], &mut q).unwrap();
    assert_eq!(f32::from(q[0] - 5), (f[0] / 0.02).round_ties_even());
}

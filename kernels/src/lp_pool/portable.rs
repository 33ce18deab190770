//! The reference: one output at a time.

use super::Params;

pub(super) fn run(params: &Params, x: &[f32], y: &mut [f32]) {
    let g = &params.geometry;
    let mut outputs = y.iter_mut();
    for n in 0..g.batch {
        for row in 0..g.out_height {
            for column in 0..g.out_width {
                for channel in 0..g.channels {
                    let Some(y) = outputs.next() else { return };
                    *y = one(params, x, [n, row, column, channel]);
                }
            }
        }
    }
}

fn one(params: &Params, x: &[f32], place: [u32; 4]) -> f32 {
    let p = f64::from(params.p);
    let (mut sum, mut powers) = (0.0f32, 0.0f64);
    each(params, x, place, |x| match params.p {
        1 => sum += libm::fabsf(x),
        2 => sum += x * x,
        _ => powers += libm::pow(f64::from(libm::fabsf(x)), p),
    });
    match params.p {
        1 => sum,
        2 => libm::sqrtf(sum),
        _ => libm::pow(powers, 1.0 / p) as f32,
    }
}

fn each(params: &Params, x: &[f32], [n, row, column, channel]: [u32; 4], mut tap: impl FnMut(f32)) {
    let g = &params.geometry;
    let (rows, columns) = (g.rows(), g.columns());
    for kh in rows.taps(row) {
        let r = (n as usize).wrapping_mul(g.in_height as usize).wrapping_add(rows.position(row, kh));
        for kw in columns.taps(column) {
            let pixel = r.wrapping_mul(g.in_width as usize).wrapping_add(columns.position(column, kw));
            if let Some(&x) = x.get(pixel.wrapping_mul(g.channels as usize).wrapping_add(channel as usize)) {
                tap(x);
            }
        }
    }
}

//! Resampling along one axis: which input elements an output element is made of (ONNX Resize-19).

/// From the place of an output element to a place between input elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transformation {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfCropAndResize,
}

impl Transformation {
    /// The transformation of this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "half_pixel" => Self::HalfPixel,
            "half_pixel_symmetric" => Self::HalfPixelSymmetric,
            "pytorch_half_pixel" => Self::PytorchHalfPixel,
            "align_corners" => Self::AlignCorners,
            "asymmetric" => Self::Asymmetric,
            "tf_crop_and_resize" => Self::TfCropAndResize,
            _ => return Err(format!("coordinate_transformation_mode {name:?} is not known")),
        })
    }
}

/// Which of two neighbours is the nearest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

impl Rounding {
    /// The rounding of this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "round_prefer_floor" => Self::PreferFloor,
            "round_prefer_ceil" => Self::PreferCeil,
            "floor" => Self::Floor,
            "ceil" => Self::Ceil,
            _ => return Err(format!("nearest_mode {name:?} is not known")),
        })
    }
}

/// The weights of the neighbours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kernel {
    Nearest(Rounding),
    Linear,
    /// Cubic convolution with coefficient `a` (Keys 1981: -0.5; ONNX: -0.75 unless given).
    Cubic(f64),
}

/// How an axis is resampled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Method {
    /// The weights.
    pub kernel: Kernel,
    /// The places.
    pub transformation: Transformation,
    /// Whether the kernel grows with the stride of a reduction (linear and cubic).
    pub antialias: bool,
    /// Whether neighbours beyond the edge count nothing, instead of repeating the edge.
    pub exclude_outside: bool,
}

/// The sizes of one axis.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Line {
    /// Input elements.
    pub input: usize,
    /// Output elements.
    pub output: usize,
    /// Output elements for each input element, as it was asked for (before the output was rounded).
    pub scale: f64,
    /// Start and end of the region of interest, in parts of the axis.
    pub roi: (f64, f64),
}

/// For one output element the input elements and their weights, which sum to 1; empty where the output lies outside the
/// input and takes the extrapolation value.
pub(super) type Taps = Vec<(usize, f64)>;

impl Method {
    /// The taps of every output element. No output has taps where the input is empty.
    pub fn taps(&self, line: &Line) -> Vec<Taps> {
        let last = line.input as f64 - 1.0;
        let tap = |o: usize| {
            let x = self.place(line, o as f64);
            let outside = self.transformation == Transformation::TfCropAndResize && !(0.0..=last).contains(&x);
            if outside || line.input == 0 { Taps::new() } else { self.around(line, x) }
        };
        (0..line.output).map(tap).collect()
    }

    /// The place of output element `o` among the input elements.
    fn place(&self, line: &Line, o: f64) -> f64 {
        let (last, scale) = (line.input as f64 - 1.0, line.scale);
        let stretched = scale * line.input as f64;
        let half_pixel = (o + 0.5) / scale - 0.5;
        match self.transformation {
            Transformation::HalfPixel => half_pixel,
            Transformation::HalfPixelSymmetric => {
                line.input as f64 / 2.0 * (1.0 - line.output as f64 / stretched) + half_pixel
            }
            Transformation::PytorchHalfPixel if line.output <= 1 => 0.0,
            Transformation::PytorchHalfPixel => half_pixel,
            Transformation::AlignCorners if stretched == 1.0 => 0.0,
            Transformation::AlignCorners => o * last / (stretched - 1.0),
            Transformation::Asymmetric => o / scale,
            Transformation::TfCropAndResize => {
                let (start, end) = line.roi;
                let within =
                    if line.output <= 1 { 0.5 * (end - start) } else { o * (end - start) / (line.output as f64 - 1.0) };
                start * last + within * last
            }
        }
    }

    /// The taps around place `x`. The fraction lies in (0, 1]: an element at `x` itself is the right neighbour.
    fn around(&self, line: &Line, x: f64) -> Taps {
        let left = x.ceil() - 1.0;
        let weights = self.weights(x - left, line.scale);
        let first = left as i64 + 1 - weights.len() as i64 / 2;
        let places = (first..).zip(weights);
        let last = line.input as i64 - 1;
        let mut kept: Vec<(i64, f64)> = places.filter(|&(_, w)| w != 0.0).collect();
        let inside = |tap: &(i64, f64)| (0..=last).contains(&tap.0);
        // Where nothing would be left, the edge has to do.
        let excludes = self.exclude_outside && kept.iter().any(inside);
        kept.retain(|tap| !excludes || inside(tap));
        let sum = if excludes { kept.iter().map(|(_, w)| w).sum() } else { 1.0 };
        let mut taps = Taps::new();
        for (i, w) in kept {
            let i = i.clamp(0, last) as usize;
            match taps.last_mut() {
                Some((j, sum_here)) if *j == i => *sum_here += w / sum,
                _ => taps.push((i, w / sum)),
            }
        }
        taps
    }

    /// The weights of neighbours from left to right, of which half lie on each side of the place.
    fn weights(&self, fraction: f64, scale: f64) -> Vec<f64> {
        let scale = if self.antialias { scale.min(1.0) } else { 1.0 };
        match self.kernel {
            Kernel::Nearest(rounding) => {
                let right = match rounding {
                    _ if fraction == 1.0 => true,
                    Rounding::PreferFloor => fraction > 0.5,
                    Rounding::PreferCeil => fraction >= 0.5,
                    Rounding::Floor => false,
                    Rounding::Ceil => true,
                };
                vec![f64::from(u8::from(!right)), f64::from(u8::from(right))]
            }
            Kernel::Linear => spread(1.0, fraction, scale, |d| (1.0 - d).max(0.0)),
            Kernel::Cubic(a) => spread(2.0, fraction, scale, |d| cubic(a, d)),
        }
    }
}

/// The values of a kernel that reaches `radius` at distances shrunk by `scale`, normalized where it is stretched.
fn spread(radius: f64, fraction: f64, scale: f64, kernel: impl Fn(f64) -> f64) -> Vec<f64> {
    let start = (-radius / scale).floor() as i64 + 1;
    let weights: Vec<f64> = (start..2 - start).map(|i| kernel((scale * (i as f64 - fraction)).abs())).collect();
    let sum: f64 = if scale < 1.0 { weights.iter().sum() } else { 1.0 };
    weights.into_iter().map(|w| w / sum).collect()
}

/// The cubic convolution kernel at distance `d`.
fn cubic(a: f64, d: f64) -> f64 {
    if d <= 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(kernel: Kernel, transformation: Transformation) -> Method {
        Method { kernel, transformation, antialias: false, exclude_outside: false }
    }

    fn line(input: usize, output: usize) -> Line {
        Line { input, output, scale: output as f64 / input as f64, roi: (0.0, 1.0) }
    }

    const FLOOR: Kernel = Kernel::Nearest(Rounding::Floor);

    #[test]
    fn doubling_linearly() {
        let taps = method(Kernel::Linear, Transformation::HalfPixel).taps(&line(2, 4));
        assert_eq!(taps, [vec![(0, 1.0)], vec![(0, 0.75), (1, 0.25)], vec![(0, 0.25), (1, 0.75)], vec![(1, 1.0)]]);
        let taps = method(Kernel::Linear, Transformation::AlignCorners).taps(&line(2, 3));
        assert_eq!(taps, [vec![(0, 1.0)], vec![(0, 0.5), (1, 0.5)], vec![(1, 1.0)]]);
    }

    #[test]
    fn nearest_in_every_rounding() {
        // Places -0.125, 0.625, 1.375, 2.125.
        let chosen = |rounding| -> Vec<usize> {
            let line = Line { input: 3, output: 4, scale: 4.0 / 3.0, roi: (0.0, 1.0) };
            let taps = method(Kernel::Nearest(rounding), Transformation::HalfPixel).taps(&line);
            taps.iter().map(|t| t[0].0).collect()
        };
        assert_eq!(
            method(FLOOR, Transformation::Asymmetric).taps(&line(2, 4)).concat(),
            [(0, 1.0), (0, 1.0), (1, 1.0), (1, 1.0)]
        );
        assert_eq!(chosen(Rounding::Floor), [0, 0, 1, 2]);
        assert_eq!(chosen(Rounding::Ceil), [0, 1, 2, 2]);
        let line = Line { input: 4, output: 2, scale: 0.5, roi: (0.0, 1.0) };
        let at = |rounding| -> Vec<usize> {
            let taps = method(Kernel::Nearest(rounding), Transformation::HalfPixel).taps(&line);
            taps.iter().map(|t| t[0].0).collect()
        };
        assert_eq!((at(Rounding::PreferFloor), at(Rounding::PreferCeil)), (vec![0, 2], vec![1, 3]));
    }

    #[test]
    fn weights_sum_to_one_in_every_mode() {
        for kernel in [FLOOR, Kernel::Linear, Kernel::Cubic(-0.75), Kernel::Cubic(-0.5)] {
            for (antialias, exclude_outside) in [(false, false), (true, false), (false, true), (true, true)] {
                let method = Method { antialias, exclude_outside, ..method(kernel, Transformation::HalfPixel) };
                for (input, output) in [(5, 3), (5, 12), (7, 1), (1, 4), (9, 9)] {
                    for taps in method.taps(&line(input, output)) {
                        let sum: f64 = taps.iter().map(|t| t.1).sum();
                        assert!((sum - 1.0).abs() < 1e-12, "{method:?} {input} to {output}: {taps:?}");
                        assert!(taps.windows(2).all(|w| w[0].0 < w[1].0) && taps.iter().all(|t| t.0 < input));
                    }
                }
            }
        }
    }

    #[test]
    fn a_scale_of_one_changes_nothing() {
        for kernel in [FLOOR, Kernel::Linear, Kernel::Cubic(-0.75)] {
            for transformation in [Transformation::HalfPixel, Transformation::AlignCorners, Transformation::Asymmetric]
            {
                let taps = method(kernel, transformation).taps(&line(4, 4));
                assert_eq!(taps.concat(), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)], "{kernel:?} {transformation:?}");
            }
        }
    }

    #[test]
    fn a_crop_beyond_the_edge_has_no_taps() {
        let wide = Line { roi: (0.0, 2.0), ..line(3, 3) };
        let taps = method(Kernel::Linear, Transformation::TfCropAndResize).taps(&wide);
        assert_eq!(taps, [vec![(0, 1.0)], vec![(2, 1.0)], vec![]]);
    }

    #[test]
    fn antialiasing_averages_a_reduction() {
        let method = Method { antialias: true, ..method(Kernel::Linear, Transformation::HalfPixel) };
        let taps = method.taps(&line(4, 2));
        let expected = [(0, 3.0 / 7.0), (1, 3.0 / 7.0), (2, 1.0 / 7.0)];
        // Beyond the edge the first element counts again: 1/8 at place -1.
        assert_eq!(taps[0], [(0, 0.5), (1, 0.375), (2, 0.125)]);
        let excluded = Method { exclude_outside: true, ..method }.taps(&line(4, 2));
        assert!(excluded[0].iter().zip(expected).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-12));
    }
}

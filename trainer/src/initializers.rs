//! Initial values of parameters.

use ocellus_graph::Tensor;

use crate::random::Random;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initializer {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// All this value.
    Constant(f32),
    /// Normal, variance 2 / fan-in (He et al. 2015), for layers before a rectifier.
    HeNormal,
    /// Uniform, variance 2 / fan-in (He et al. 2015).
    HeUniform,
    /// Normal, variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010).
    GlorotNormal,
    /// Uniform, variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010).
    GlorotUniform,
    /// Normal, variance 1 / fan-in (LeCun et al. 1998).
    LeCunNormal,
    /// Uniform, variance 1 / fan-in (LeCun et al. 1998).
    LeCunUniform,
    /// Normal with this mean and standard deviation.
    Normal(f32, f32),
    /// Uniform between these two.
    Uniform(f32, f32),
    /// Bilinear interpolation of every channel by itself, of a transposed convolution's weight `[C, M, KH, KW]` (Long et
    /// al. 2015); a kernel of `2 * s` enlarges by a stride of `s`.
    Bilinear,
}

impl Initializer {
    /// The initial value of the parameter `name` under this seed: the same on every machine.
    ///
    /// `fans` are the fan-in and fan-out; see [`conv_fans`] and [`dense_fans`].
    pub fn make(self, seed: u64, name: &str, shape: &[usize], fans: (usize, usize)) -> Tensor {
        let mut random = Random::new(seed, name, 0);
        let count = shape.iter().product();
        let (fan_in, fan_out) = (fans.0.max(1) as f64, fans.1.max(1) as f64);
        let mut normal = |mean: f64, deviation: f64| -> Vec<f32> {
            (0..count).map(|_| (mean + deviation * random.normal()) as f32).collect()
        };
        let values = match self {
            Self::Zeros => vec![0.0; count],
            Self::Ones => vec![1.0; count],
            Self::Constant(value) => vec![value; count],
            Self::HeNormal => normal(0.0, libm::sqrt(2.0 / fan_in)),
            Self::GlorotNormal => normal(0.0, libm::sqrt(2.0 / (fan_in + fan_out))),
            Self::LeCunNormal => normal(0.0, libm::sqrt(1.0 / fan_in)),
            Self::Normal(mean, deviation) => normal(mean.into(), deviation.into()),
            Self::HeUniform => symmetric(&mut random, count, 2.0 / fan_in),
            Self::GlorotUniform => symmetric(&mut random, count, 2.0 / (fan_in + fan_out)),
            Self::LeCunUniform => symmetric(&mut random, count, 1.0 / fan_in),
            Self::Uniform(low, high) => uniform(&mut random, count, low.into(), high.into()),
            Self::Bilinear => bilinear(shape),
        };
        Tensor::of(shape, values)
    }
}

fn symmetric(random: &mut Random, count: usize, variance: f64) -> Vec<f32> {
    let bound = libm::sqrt(3.0 * variance);
    uniform(random, count, -bound, bound)
}

fn uniform(random: &mut Random, count: usize, low: f64, high: f64) -> Vec<f32> {
    (0..count).map(|_| (low + (high - low) * f64::from(random.uniform())) as f32).collect()
}

/// The weights with which a place takes part in its surroundings, where input and output channel are the same.
fn bilinear(shape: &[usize]) -> Vec<f32> {
    let &[inputs, outputs, height, width] = shape else { return vec![0.0; shape.iter().product()] };
    let share = |at: usize, size: usize| {
        let stride = size.div_ceil(2) as f32;
        1.0 - (at as f32 - (size as f32 - 1.0) / 2.0).abs() / stride
    };
    let mut values = vec![0.0; inputs * outputs * height * width];
    for channel in 0..inputs.min(outputs) {
        let first = (channel * outputs + channel) * height * width;
        for (place, value) in values[first..][..height * width].iter_mut().enumerate() {
            *value = share(place / width, height) * share(place % width, width);
        }
    }
    values
}

/// Fan-in and fan-out of a convolution's weight `[out, in / groups, kernel…]`.
pub fn conv_fans(weight: &[usize]) -> (usize, usize) {
    let field: usize = weight.iter().skip(2).product();
    (weight.get(1).copied().unwrap_or(1) * field, weight.first().copied().unwrap_or(1) * field)
}

/// Fan-in and fan-out of a dense layer's weight `[out, in]`.
pub fn dense_fans(weight: &[usize]) -> (usize, usize) {
    (weight.get(1).copied().unwrap_or(1), weight.first().copied().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_those_of_the_papers() {
        let shape = [64, 32, 3, 3];
        let fans = conv_fans(&shape);
        assert_eq!(fans, (288, 576));
        let cases = [
            (Initializer::HeNormal, 2.0 / 288.0),
            (Initializer::HeUniform, 2.0 / 288.0),
            (Initializer::GlorotNormal, 2.0 / 864.0),
            (Initializer::GlorotUniform, 2.0 / 864.0),
            (Initializer::LeCunNormal, 1.0 / 288.0),
            (Initializer::LeCunUniform, 1.0 / 288.0),
            (Initializer::Normal(0.0, 0.1), 0.01),
            (Initializer::Uniform(-0.3, 0.3), 0.03),
        ];
        for (initializer, expected) in cases {
            let values = initializer.make(1, "w", &shape, fans).to_f64();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
            assert!((variance / expected - 1.0).abs() < 0.05, "{initializer:?}: {variance} for {expected}");
            assert!(mean.abs() < 3.0 * libm::sqrt(expected / values.len() as f64) + 1e-4, "{initializer:?}: {mean}");
        }
        assert_eq!(Initializer::Ones.make(1, "w", &[2], (1, 1)), Tensor::vector(&[1.0f32, 1.0]));
    }

    #[test]
    fn bilinear_weights_are_those_of_interpolation() {
        let values = Initializer::Bilinear.make(1, "w", &[2, 2, 4, 4], (1, 1)).to_f64();
        let row = [0.25, 0.75, 0.75, 0.25];
        for (place, value) in values.iter().enumerate() {
            let (same, y, x) = (place / 16 % 3 == 0, place / 4 % 4, place % 4);
            assert_eq!(*value, if same { row[y] * row[x] } else { 0.0 }, "{place}");
        }
    }

    #[test]
    fn a_value_depends_on_seed_and_name() {
        let make = |seed, name| Initializer::HeNormal.make(seed, name, &[4], (4, 4));
        assert_eq!(make(1, "a"), make(1, "a"));
        assert_ne!(make(1, "a"), make(2, "a"));
        assert_ne!(make(1, "a"), make(1, "b"));
    }
}

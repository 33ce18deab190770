//! The reference. Compositions of exponentials are computed in f64 and rounded once; what libm has in f32 within one unit
//! in the last place is used as it is.

use super::{Function, Params};
use crate::round::bound;

/// `1 / (1 + exp(-x))`, rounded once.
fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + libm::exp(-f64::from(x)))) as f32
}

/// `tanh(x)`, rounded once.
fn tanh(x: f32) -> f32 {
    libm::tanh(f64::from(x)) as f32
}

fn hard_swish(x: f32) -> f32 {
    // x + 3 is exact where it cancels; dividing before the product keeps large x finite.
    x * (bound(x + 3.0, 0.0, 6.0) / 6.0)
}

fn hard_sigmoid(x: f32, alpha: f32, beta: f32) -> f32 {
    // The product is exact in f64, so that only its cancellation with beta is rounded.
    bound((f64::from(alpha) * f64::from(x) + f64::from(beta)) as f32, 0.0, 1.0)
}

/// `ln(1 + exp(x))`, with nothing lost on either side.
fn softplus(x: f64) -> f64 {
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + libm::log1p(libm::exp(-libm::fabs(x)))
}

fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    (0.5 * x * libm::erfc(-x * core::f64::consts::FRAC_1_SQRT_2)) as f32
}

fn gelu_tanh(x: f32) -> f32 {
    const ROOT: f64 = core::f64::consts::FRAC_2_SQRT_PI * core::f64::consts::FRAC_1_SQRT_2;
    let x = f64::from(x);
    let u = ROOT * (x + 0.044715 * x * x * x);
    (x / (1.0 + libm::exp(-2.0 * u))) as f32
}

fn mish(x: f32) -> f32 {
    let x = f64::from(x);
    (x * libm::tanh(softplus(x))) as f32
}

fn selu(x: f32, alpha: f32, beta: f32) -> f32 {
    let (x, alpha, beta) = (f64::from(x), f64::from(alpha), f64::from(beta));
    (if x < 0.0 { beta * alpha * libm::expm1(x) } else { beta * x }) as f32
}

fn silu(x: f32) -> f32 {
    let x = f64::from(x);
    (x / (1.0 + libm::exp(-x))) as f32
}

fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

fn compute(params: &Params, x: f32) -> f32 {
    let Params { function, alpha, beta } = *params;
    match function {
        Function::Relu => bound(x, 0.0, f32::INFINITY),
        Function::LeakyRelu => {
            if x < 0.0 {
                alpha * x
            } else {
                x
            }
        }
        Function::Clip => bound(x, alpha, beta),
        Function::Sigmoid => sigmoid(x),
        Function::Tanh => tanh(x),
        Function::HardSwish => hard_swish(x),
        Function::HardSigmoid => hard_sigmoid(x, alpha, beta),
        Function::Sqrt => libm::sqrtf(x),
        Function::Exp => libm::expf(x),
        Function::Log => libm::logf(x),
        Function::Abs => libm::fabsf(x),
        Function::Neg => -x,
        Function::Sign => sign(x),
        Function::Reciprocal => 1.0 / x,
        Function::Elu => {
            if x < 0.0 {
                (f64::from(alpha) * libm::expm1(f64::from(x))) as f32
            } else {
                x
            }
        }
        Function::Softplus => softplus(f64::from(x)) as f32,
        Function::Erf => libm::erff(x),
        Function::Floor => libm::floorf(x),
        Function::Ceil => libm::ceilf(x),
        Function::Round => libm::rintf(x),
        Function::Silu => silu(x),
        Function::Sin => libm::sin(f64::from(x)) as f32,
        Function::Cos => libm::cos(f64::from(x)) as f32,
        Function::Gelu => gelu(x),
        Function::GeluTanh => gelu_tanh(x),
        Function::Mish => mish(x),
        Function::Selu => selu(x, alpha, beta),
        Function::Softsign => (f64::from(x) / (1.0 + libm::fabs(f64::from(x)))) as f32,
        Function::Affine => (f64::from(alpha) * f64::from(x) + f64::from(beta)) as f32,
        Function::ThresholdedRelu => {
            if x < alpha {
                0.0
            } else {
                x
            }
        }
        Function::ScaledTanh => (f64::from(alpha) * libm::tanh(f64::from(beta) * f64::from(x))) as f32,
    }
}

pub(super) fn run(params: &Params, x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = compute(params, x);
    }
}

pub(super) fn run_in_place(params: &Params, y: &mut [f32]) {
    for y in y {
        *y = compute(params, *y);
    }
}

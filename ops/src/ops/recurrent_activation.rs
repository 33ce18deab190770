//! The activations that a recurrent node may name, with their alpha and beta.

use ocellus_graph::{Node, ValueId};
use ocellus_plan::args::{Activation as DeviceActivation, UnaryFunction};

use crate::{Builder, OpError};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Relu,
    Tanh,
    Sigmoid,
    Affine,
    LeakyRelu,
    ThresholdedRelu,
    ScaledTanh,
    HardSigmoid,
    Elu,
    Softsign,
    Softplus,
}

/// Name, the defaults of alpha and beta, and how many of the two the activation takes from the node's lists.
const KINDS: [(&str, Kind, f64, f64, usize); 11] = [
    ("Relu", Kind::Relu, 0.0, 0.0, 0),
    ("Tanh", Kind::Tanh, 0.0, 0.0, 0),
    ("Sigmoid", Kind::Sigmoid, 0.0, 0.0, 0),
    ("Affine", Kind::Affine, 1.0, 0.0, 2),
    ("LeakyRelu", Kind::LeakyRelu, 0.01, 0.0, 1),
    ("ThresholdedRelu", Kind::ThresholdedRelu, 1.0, 0.0, 1),
    ("ScaledTanh", Kind::ScaledTanh, 1.0, 1.0, 2),
    ("HardSigmoid", Kind::HardSigmoid, 0.2, 0.5, 2),
    ("Elu", Kind::Elu, 1.0, 0.0, 1),
    ("Softsign", Kind::Softsign, 0.0, 0.0, 0),
    ("Softplus", Kind::Softplus, 0.0, 0.0, 0),
];

/// One activation of a recurrent node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Activation {
    kind: Kind,
    alpha: f64,
    beta: f64,
}

impl Activation {
    /// The activations of a node with `directions` directions, `defaults` for each direction where it names none.
    /// Alphas and betas are handed out in order to the activations that take one.
    pub fn of_node(node: &Node, defaults: &[&str], directions: usize) -> Result<Vec<Vec<Self>>, OpError> {
        let named: Vec<String> = match node.attributes.strings("activations") {
            Some(names) => names.to_vec(),
            None => defaults.iter().cycle().take(defaults.len() * directions).map(|&n| n.to_owned()).collect(),
        };
        let expected = defaults.len() * directions;
        if named.len() != expected {
            return Err(OpError::at(node, format!("names {} activations; {expected} are expected", named.len())));
        }
        let list = |name| node.attributes.floats(name).unwrap_or_default().iter().copied().map(f64::from);
        let (mut alphas, mut betas) = (list("activation_alpha"), list("activation_beta"));
        let mut all = Vec::with_capacity(expected);
        for name in named {
            let found = KINDS.iter().find(|(n, ..)| n.eq_ignore_ascii_case(&name));
            let &(_, kind, alpha, beta, takes) =
                found.ok_or_else(|| OpError::at(node, format!("the activation {name:?} is not one of ONNX's")))?;
            let alpha = if takes > 0 { alphas.next().unwrap_or(alpha) } else { alpha };
            let beta = if takes > 1 { betas.next().unwrap_or(beta) } else { beta };
            all.push(Self { kind, alpha, beta });
        }
        Ok(all.chunks(defaults.len()).map(<[Self]>::to_vec).collect())
    }

    /// The value at `x`.
    pub fn apply(&self, x: f64) -> f64 {
        let Self { alpha, beta, .. } = *self;
        match self.kind {
            Kind::Relu => x.max(0.0),
            Kind::Tanh => libm::tanh(x),
            Kind::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Kind::Affine => alpha * x + beta,
            Kind::LeakyRelu => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Kind::ThresholdedRelu => {
                if x >= alpha {
                    x
                } else {
                    0.0
                }
            }
            Kind::ScaledTanh => alpha * libm::tanh(beta * x),
            Kind::HardSigmoid => (alpha * x + beta).clamp(0.0, 1.0),
            Kind::Elu => {
                if x < 0.0 {
                    alpha * libm::expm1(x)
                } else {
                    x
                }
            }
            Kind::Softsign => x / (1.0 + x.abs()),
            Kind::Softplus => x.max(0.0) + libm::log1p(libm::exp(-x.abs())),
        }
    }

    /// The activation on the device.
    pub fn device(&self) -> DeviceActivation {
        let function = match self.kind {
            Kind::Relu => UnaryFunction::Relu,
            Kind::Tanh => UnaryFunction::Tanh,
            Kind::Sigmoid => UnaryFunction::Sigmoid,
            Kind::Affine => UnaryFunction::Affine,
            Kind::LeakyRelu => UnaryFunction::LeakyRelu,
            Kind::ThresholdedRelu => UnaryFunction::ThresholdedRelu,
            Kind::ScaledTanh => UnaryFunction::ScaledTanh,
            Kind::HardSigmoid => UnaryFunction::HardSigmoid,
            Kind::Elu => UnaryFunction::Elu,
            Kind::Softsign => UnaryFunction::Softsign,
            Kind::Softplus => UnaryFunction::Softplus,
        };
        DeviceActivation { function: function as u32, alpha: self.alpha as f32, beta: self.beta as f32 }
    }

    /// Emits the activation.
    pub fn emit(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, OpError> {
        let (alpha, beta) = (self.alpha as f32, self.beta as f32);
        match self.kind {
            Kind::Relu => b.relu(x),
            Kind::Tanh => b.tanh(x),
            Kind::Sigmoid => b.sigmoid(x),
            Kind::LeakyRelu => b.leaky_relu(x, alpha),
            Kind::HardSigmoid => b.hard_sigmoid(x, alpha, beta),
            Kind::Elu => b.elu(x, alpha),
            Kind::Softplus => b.softplus(x),
            Kind::Affine => {
                let (alpha, beta) = (b.scalar_like(x, self.alpha)?, b.scalar_like(x, self.beta)?);
                let scaled = b.mul(x, alpha)?;
                b.add(scaled, beta)
            }
            Kind::ScaledTanh => {
                let (alpha, beta) = (b.scalar_like(x, self.alpha)?, b.scalar_like(x, self.beta)?);
                let scaled = b.mul(x, beta)?;
                let y = b.tanh(scaled)?;
                b.mul(y, alpha)
            }
            Kind::ThresholdedRelu => {
                let (alpha, zero) = (b.scalar_like(x, self.alpha)?, b.scalar_like(x, 0.0)?);
                let low = b.less(x, alpha)?;
                b.where_(low, zero, x)
            }
            Kind::Softsign => {
                let (size, one) = (b.abs(x)?, b.scalar_like(x, 1.0)?);
                let divisor = b.add(size, one)?;
                b.div(x, divisor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{Attributes, Tensor};

    use super::*;
    use crate::check;

    fn named(names: &[&str], alpha: &[f32], beta: &[f32]) -> Result<Vec<Vec<Activation>>, OpError> {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let attributes =
            Attributes::new().with("activations", names).with("activation_alpha", alpha).with("activation_beta", beta);
        Activation::of_node(&Node::new("RNN", [], []).with_attributes(attributes), &["Tanh"], 1)
    }

    #[test]
    fn values() {
        for (name, alpha, beta, x, expected) in [
            ("relu", 0.0, 0.0, -1.0, 0.0),
            ("Tanh", 0.0, 0.0, 0.5, 0.462_117_157_260_009_8),
            ("Sigmoid", 0.0, 0.0, 0.0, 0.5),
            ("Affine", 2.0, 1.0, 3.0, 7.0),
            ("LeakyRelu", 0.5, 0.0, -3.0, -1.5),
            ("ThresholdedRelu", 1.5, 0.0, 1.0, 0.0),
            ("ScaledTanh", 2.0, 0.5, 1.0, 0.924_234_314_520_019_6),
            ("HardSigmoid", 0.25, 0.5, 1.0, 0.75),
            ("Elu", 2.0, 0.0, -1.0, -1.264_241_117_657_115_3),
            ("Softsign", 0.0, 0.0, -3.0, -0.75),
            ("Softplus", 0.0, 0.0, 0.0, std::f64::consts::LN_2),
        ] {
            let activation = named(&[name], &[alpha], &[beta]).unwrap()[0][0];
            let found = activation.apply(x);
            assert!((found - expected).abs() < 1e-12, "{name}: {found}");
            let emitted = check::eval(|b, v| activation.emit(b, v[0]), &[Tensor::scalar(x)]).to_f64()[0];
            assert!((emitted - expected).abs() < 1e-6, "{name} emitted: {emitted}");
        }
    }

    #[test]
    fn parameters_go_to_those_that_take_them() {
        let names = ["Tanh", "Affine", "LeakyRelu"].map(str::to_owned).to_vec();
        let attributes = Attributes::new()
            .with("activations", names)
            .with("activation_alpha", vec![3f32, 0.125])
            .with("activation_beta", vec![4f32]);
        let node = Node::new("LSTM", [], []).with_attributes(attributes);
        let all = Activation::of_node(&node, &["Sigmoid", "Tanh", "Tanh"], 1).unwrap();
        assert_eq!((all[0][1].alpha, all[0][1].beta, all[0][2].alpha), (3.0, 4.0, 0.125));
    }

    #[test]
    fn unknown_names_and_wrong_counts_are_refused() {
        assert!(named(&["Swish"], &[], &[]).unwrap_err().to_string().contains("Swish"));
        assert!(named(&["Tanh", "Tanh"], &[], &[]).unwrap_err().to_string().contains("1 are expected"));
    }
}

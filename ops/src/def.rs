//! The record of an operator.

use ocellus_graph::{Node, Tensor, ValueId};

use crate::{EvalContext, FoldContext, GradContext, InferContext, LowerContext, OpError, UpgradeContext, ValueType};

/// Everything that the project knows of one ONNX operator.
#[derive(Clone, Copy)]
pub struct OpDef {
    /// ONNX name, such as `Conv`.
    pub name: &'static str,
    /// Domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Types of the outputs from those of the inputs: one entry for every output that the operator can have.
    pub infer: fn(&InferContext) -> Result<Vec<ValueType>, OpError>,
    /// The value of output 0 where it follows from the inputs' types alone (`Shape`, `Size`).
    pub static_value: Option<fn(&InferContext) -> Option<Tensor>>,
    /// ONNX's float meaning: floats are computed in f64 and rounded once to the output's type.
    pub eval: Option<fn(&EvalContext) -> Result<Vec<Tensor>, OpError>>,
    /// Emits the nodes of the gradient; one entry per input, `None` where no gradient flows.
    pub grad: Option<fn(&mut GradContext) -> Result<Vec<Option<ValueId>>, OpError>>,
    /// How the quantizer treats inputs and output.
    pub quant: Option<QuantRule>,
    /// Emits device operations.
    pub lower: Option<fn(&mut LowerContext) -> Result<(), OpError>>,
    /// Rewrites a node of an older (or newer) opset to opset 21.
    pub upgrade: Option<fn(&mut UpgradeContext) -> Result<(), OpError>>,
    /// What the compiler may do with this node instead of running it.
    pub fold: Fold,
    /// For operators that are linear in a weight: the new weight and bias (inputs 1 and 2) that have `y * scale +
    /// shift` per output channel built in. `None` where the weights are not constant.
    pub absorb: Option<fn(&FoldContext, &Affine) -> Option<(Tensor, Tensor)>>,
    /// For operators that make sums of a pixel's channels (axis 1): which.
    pub mixture: Option<fn(&FoldContext) -> Option<Mixture>>,
    /// As `absorb`, for such sums of the channels of `y`. `None` also where that takes as many products as both operators.
    pub absorb_mixture: Option<fn(&FoldContext, &Mixture) -> Option<(Tensor, Tensor)>>,
    /// For products of matrices: the operator that also adds a vector, its input 2, to every row.
    pub with_bias: Option<&'static str>,
    /// Whether this operator is one of the two between floats and integers.
    pub role: Role,
}

impl OpDef {
    /// An operator of ONNX's own domain with nothing but a shape rule.
    pub const fn new(name: &'static str, infer: fn(&InferContext) -> Result<Vec<ValueType>, OpError>) -> Self {
        Self {
            name,
            domain: "",
            infer,
            static_value: None,
            eval: None,
            grad: None,
            quant: None,
            lower: None,
            upgrade: None,
            fold: Fold::No,
            absorb: None,
            mixture: None,
            absorb_mixture: None,
            with_bias: None,
            role: Role::Compute,
        }
    }
}

/// Whether an operator computes, or passes between floats and integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Any other operator.
    Compute,
    /// Float to integer.
    Quantize,
    /// Integer to float.
    Dequantize,
}

/// What the compiler may do with a node at inference, other than run it by itself.
#[derive(Clone, Copy)]
pub enum Fold {
    /// Nothing.
    No,
    /// Output 0 is input 0 (`Identity`, `Dropout`).
    Identity,
    /// It clamps input 0 to `[low, high]`, and a producer may do so in its last step (`Relu`, `Clip`).
    Clamp(fn(&FoldContext) -> Option<(f32, f32)>),
    /// It is `x * scale + shift` per channel (axis 1) of input 0, and a linear producer may absorb it.
    Affine(fn(&FoldContext) -> Option<Affine>),
}

/// `y = x * scale + shift`, one pair per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Factor of each channel.
    pub scale: Vec<f64>,
    /// Summand of each channel.
    pub shift: Vec<f64>,
}

/// `y[o] = shift[o] + Σ factors[o, i] * x[i]` over the channels of each pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Channels of x.
    pub inputs: usize,
    /// One row for every channel of y.
    pub factors: Vec<f64>,
    /// Summand of each channel of y.
    pub shift: Vec<f64>,
}

/// How the quantizer treats a node.
#[derive(Clone, Copy)]
pub struct QuantRule {
    /// The role of every input, in order; inputs beyond the list stay float.
    pub inputs: fn(&Node) -> Vec<InputRole>,
    /// Where the scale of output 0 comes from.
    pub output: OutputScale,
}

/// What an input of a quantized node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputRole {
    /// An activation: 8 bits, one scale, calibrated.
    Activation,
    /// A constant weight: int8, zero point 0, one scale per index of `axis`.
    Weight {
        /// The output-channel axis.
        axis: usize,
    },
    /// A constant bias: int32, scale = input scale * weight scale, per channel.
    Bias,
    /// Not quantized (shapes, indices, axes).
    Other,
}

/// Where the scale of a quantized node's output comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum OutputScale {
    /// From calibration.
    Calibrated,
    /// The same as that of input 0: the node only moves or selects values.
    SameAsInput,
    /// Known from the operator's range, such as `[0, 1]` for a sigmoid.
    Range(f32, f32),
    /// The output is not quantized (indices).
    Float,
}

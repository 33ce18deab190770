//! What a rule may look at.

use ocellus_graph::{Attributes, DataType, Element, Graph, Node, Shape, Tensor, ValueId};

use crate::{Builder, OpError};

/// Element type and shape of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Element type.
    pub dtype: DataType,
    /// Shape, possibly with symbols.
    pub shape: Shape,
}

impl ValueType {
    /// A type.
    pub fn new(dtype: DataType, shape: Shape) -> Self {
        Self { dtype, shape }
    }

    /// A type of known sizes.
    pub fn fixed(dtype: DataType, shape: &[usize]) -> Self {
        Self { dtype, shape: Shape::fixed(shape) }
    }
}

/// Attribute look-ups with ONNX's defaults, shared by every context.
macro_rules! attribute_access {
    ($context:ident) => {
        impl $context<'_> {
            /// An integer attribute, or its default.
            pub fn int(&self, name: &str, default: i64) -> i64 {
                self.node.attributes.int(name).unwrap_or(default)
            }

            /// A float attribute, or its default.
            pub fn float(&self, name: &str, default: f32) -> f32 {
                self.node.attributes.float(name).unwrap_or(default)
            }

            /// A text attribute, or its default.
            pub fn string(&self, name: &str, default: &'static str) -> String {
                self.node.attributes.string(name).unwrap_or(default).to_owned()
            }

            /// A list of integers, where it is given.
            pub fn ints(&self, name: &str) -> Option<&[i64]> {
                self.node.attributes.ints(name)
            }

            /// An error at this node.
            pub fn error(&self, problem: impl Into<String>) -> OpError {
                OpError::at(&self.node, problem)
            }
        }
    };
}

/// The inputs' types, and their values where these are constants.
pub struct InferContext<'a> {
    /// The node.
    pub node: &'a Node,
    /// Types of the inputs; `None` where an optional input is left out.
    pub types: &'a [Option<ValueType>],
    /// Values of the inputs, where they are constants.
    pub constants: &'a [Option<Tensor>],
    /// The opset of the model (21 but in [`OpDef::upgrade`](crate::OpDef)).
    pub opset: i64,
}

attribute_access!(InferContext);

impl InferContext<'_> {
    /// The type of a required input.
    pub fn input(&self, index: usize) -> Result<&ValueType, OpError> {
        self.optional(index).ok_or_else(|| self.error(format!("input {index} is missing")))
    }

    /// The type of an optional input.
    pub fn optional(&self, index: usize) -> Option<&ValueType> {
        self.types.get(index)?.as_ref()
    }

    /// The value of an input, where it is a constant.
    pub fn constant(&self, index: usize) -> Option<&Tensor> {
        self.constants.get(index)?.as_ref()
    }

    /// The value of an input that has to be a constant for the shape to be known.
    pub fn required_constant(&self, index: usize) -> Result<&Tensor, OpError> {
        self.input(index)?;
        self.constant(index).ok_or_else(|| self.error(format!("input {index} has to be a constant")))
    }
}

/// The values of the inputs.
pub struct EvalContext<'a> {
    /// The node.
    pub node: &'a Node,
    /// The inputs; `None` where an optional input is left out.
    pub inputs: &'a [Option<&'a Tensor>],
}

attribute_access!(EvalContext);

impl EvalContext<'_> {
    /// A required input.
    pub fn input(&self, index: usize) -> Result<&Tensor, OpError> {
        self.optional(index).ok_or_else(|| self.error(format!("input {index} is missing")))
    }

    /// An optional input.
    pub fn optional(&self, index: usize) -> Option<&Tensor> {
        self.inputs.get(index).copied().flatten()
    }

    /// A required input as a slice of `T`.
    pub fn view<T: Element>(&self, index: usize) -> Result<&[T], OpError> {
        let tensor = self.input(index)?;
        tensor
            .view()
            .ok_or_else(|| self.error(format!("input {index} has to be {}, found {}", T::DTYPE, tensor.dtype())))
    }
}

/// A node whose gradient is wanted.
pub struct GradContext<'a> {
    /// Where the rule emits nodes; the forward graph is already in it.
    pub builder: &'a mut Builder,
    /// The forward node.
    pub node: Node,
    /// The gradient of every output; `None` where none flows.
    pub output_grads: Vec<Option<ValueId>>,
    /// Which inputs need a gradient.
    pub needs: Vec<bool>,
}

attribute_access!(GradContext);

impl GradContext<'_> {
    /// The gradient of output 0, which always flows when a rule with one output is asked.
    pub fn grad(&self) -> Result<ValueId, OpError> {
        self.output_grads.first().copied().flatten().ok_or_else(|| self.error("no gradient reaches output 0"))
    }

    /// A required input of the forward node.
    pub fn input(&self, index: usize) -> Result<ValueId, OpError> {
        self.node.input(index).ok_or_else(|| self.error(format!("input {index} is missing")))
    }

    /// Output `index` of the forward node; added to the node where it was not asked for before.
    pub fn output(&self, index: usize) -> Result<ValueId, OpError> {
        self.node.output(index).ok_or_else(|| self.error(format!("output {index} is not made")))
    }

    /// Whether input `index` needs a gradient.
    pub fn needs(&self, index: usize) -> bool {
        self.needs.get(index).copied().unwrap_or(false)
    }
}

/// A node of another opset, to be rewritten to opset 21.
pub struct UpgradeContext<'a> {
    /// The node, to be changed in place.
    pub node: Node,
    /// The opset that the model was written in.
    pub opset: i64,
    /// The graph, for types, constants, and new values and initializers. `node` is not in it meanwhile.
    pub graph: &'a mut Graph,
    /// Nodes to put before this one.
    pub before: Vec<Node>,
    /// Nodes to put after this one.
    pub after: Vec<Node>,
}

attribute_access!(UpgradeContext);

impl UpgradeContext<'_> {
    /// Moves a list attribute into the optional input `index` (as i64), where the attribute is given.
    pub fn attribute_to_input(&mut self, name: &str, index: usize) {
        if let Some(values) = self.node.attributes.ints(name).map(<[i64]>::to_vec) {
            self.node.attributes.remove(name);
            self.set_constant(index, name, Tensor::vector(&values));
        }
    }

    /// Makes input `index` a new constant.
    pub fn set_constant(&mut self, index: usize, stem: &str, tensor: Tensor) {
        let name = self.graph.fresh_name(&format!("{}_{stem}", self.node.name));
        let id = self.graph.add_initializer(&name, tensor);
        if self.node.inputs.len() <= index {
            self.node.inputs.resize(index + 1, None);
        }
        self.node.inputs[index] = Some(id);
    }

    /// The type of an input as far as it is known before the upgrade.
    pub fn input_shape(&self, index: usize) -> Option<&Shape> {
        self.graph.value(self.node.input(index)?).shape.as_ref()
    }

    /// The constant behind an input.
    pub fn constant(&self, index: usize) -> Option<&Tensor> {
        self.graph.initializers.get(&self.node.input(index)?)
    }

    /// Replaces the attributes.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        &mut self.node.attributes
    }
}

/// A node that the compiler would like to fold, with its constant inputs.
pub struct FoldContext<'a> {
    /// The node.
    pub node: &'a Node,
    /// Values of the inputs, where they are constants.
    pub constants: &'a [Option<Tensor>],
    /// Types of the inputs.
    pub types: &'a [Option<ValueType>],
}

attribute_access!(FoldContext);

impl FoldContext<'_> {
    /// The value of an input, where it is a constant.
    pub fn constant(&self, index: usize) -> Option<&Tensor> {
        self.constants.get(index)?.as_ref()
    }
}

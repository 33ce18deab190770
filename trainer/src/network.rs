//! How a network is described: once, for training and for inference.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use ocellus_graph::{DataType, Graph, Model, Tensor, ValueId};
use ocellus_ops::{Builder, OpError};

use crate::autograd::{ExpressionRule, GradientTable};
use crate::checkpoint::Store;
use crate::initializers::Initializer;
use crate::random::Random;

/// A network that can be built for training and for inference.
///
/// ```
/// use ocellus_graph::ValueId;
/// use ocellus_ops::OpError;
/// use ocellus_trainer::{Network, NetworkBuilder};
///
/// struct Perceptron;
///
/// impl Network for Perceptron {
///     fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
///         let x = net.flatten(x, 1)?;
///         let x = net.dense_layer("hidden", x, 64)?;
///         let x = net.relu(x)?;
///         let x = net.dropout_layer("dropout", x, 0.5)?;
///         net.dense_layer("scores", x, 10)
///     }
/// }
/// ```
pub trait Network {
    /// Appends the network to the graph: from pictures `[N, C, H, W]` to its answer, such as scores `[N, classes]`.
    ///
    /// # Errors
    /// Operators that refuse the shapes.
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError>;
}

impl<F: Fn(&mut NetworkBuilder, ValueId) -> Result<ValueId, OpError>> Network for F {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        self(net, x)
    }
}

/// A tensor that is learnt.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, such as `conv1.weight`.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// How it starts.
    pub initializer: Initializer,
    /// Fan-in and fan-out, for the initializer.
    pub fans: (usize, usize),
    /// Whether weight decay applies to it.
    pub decay: bool,
    /// Its value in the graph: an input in training, a constant at inference.
    pub value: ValueId,
}

/// A tensor that training carries along without a gradient, such as a running mean.
#[derive(Clone, Debug)]
pub struct RunningState {
    /// Its name, such as `bn1.mean`.
    pub name: String,
    /// What it starts with.
    pub initial: Tensor,
    /// Its value before the step.
    pub value: ValueId,
    /// Its value after the step.
    pub updated: ValueId,
}

/// Draws the value of a random input.
pub type Draw = Arc<dyn Fn(&mut Random) -> Tensor + Send + Sync>;

/// A random tensor that every training step is given: a mask, noise, the regions of a pooling.
#[derive(Clone)]
pub struct RandomInput {
    /// The input's name.
    pub name: String,
    /// The stream that it is drawn from; inputs that belong together share one.
    pub stream: String,
    /// Draws it from the front of the stream at this step.
    pub draw: Draw,
}

/// A [`Builder`] that also knows parameters, running state and random inputs. Layers are its methods.
pub struct NetworkBuilder<'a> {
    builder: Builder,
    /// Where the values of parameters and state come from; `None` while training.
    store: Option<&'a Store>,
    dtype: DataType,
    /// Whether layers round as 8 bits do.
    pub(crate) eight_bits: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) states: Vec<RunningState>,
    pub(crate) randoms: Vec<RandomInput>,
    pub(crate) gradients: GradientTable,
}

impl Deref for NetworkBuilder<'_> {
    type Target = Builder;
    fn deref(&self) -> &Builder {
        &self.builder
    }
}

impl DerefMut for NetworkBuilder<'_> {
    fn deref_mut(&mut self) -> &mut Builder {
        &mut self.builder
    }
}

impl<'a> NetworkBuilder<'a> {
    /// For training: parameters and state become inputs, dropout draws masks, normalisation uses the batch.
    pub fn training(name: &str) -> Self {
        Self {
            builder: Builder::new(name),
            store: None,
            dtype: DataType::F32,
            eight_bits: false,
            parameters: Vec::new(),
            states: Vec::new(),
            randoms: Vec::new(),
            gradients: GradientTable::new(),
        }
    }

    /// For inference with the values in `store`: they become constants, nothing is random, normalisation uses its
    /// running figures.
    pub fn inference(name: &str, store: &'a Store) -> Self {
        Self { store: Some(store), ..Self::training(name) }
    }

    /// The same with parameters of another float type; f64 is for checks.
    #[must_use]
    pub fn with_dtype(mut self, dtype: DataType) -> Self {
        self.dtype = dtype;
        self
    }

    /// Whether this is a training graph.
    pub fn is_training(&self) -> bool {
        self.store.is_none()
    }

    /// The element type of parameters.
    pub fn parameter_dtype(&self) -> DataType {
        self.dtype
    }

    /// A parameter of this name. The same name asked for again is the same parameter (tied weights). `decay` says
    /// whether weight decay applies: to weights, not to biases and normalisation.
    ///
    /// # Errors
    /// The same name with other sizes, or a store without it.
    pub fn parameter(
        &mut self,
        name: &str,
        shape: &[usize],
        initializer: Initializer,
        fans: (usize, usize),
        decay: bool,
    ) -> Result<ValueId, OpError> {
        if let Some(known) = self.parameters.iter().find(|p| p.name == name) {
            if known.shape != shape {
                let problem =
                    format!("parameter {name:?} was made with sizes {:?}, then asked with {shape:?}", known.shape);
                return Err(OpError::graph(&self.builder.graph().name, problem));
            }
            return Ok(known.value);
        }
        let value = self.held(name, shape)?;
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.parameters.push(Parameter { name, shape, initializer, fans, decay, value });
        Ok(value)
    }

    /// A tensor that training carries along: its value now. In training, [`NetworkBuilder::set_state`] has to follow.
    ///
    /// # Errors
    /// The same name twice, or a store without it.
    pub fn state(&mut self, name: &str, initial: Tensor) -> Result<ValueId, OpError> {
        if self.states.iter().any(|s| s.name == name) {
            return Err(OpError::graph(&self.builder.graph().name, format!("state {name:?} is made twice")));
        }
        let value = self.held(name, initial.shape())?;
        self.states.push(RunningState {
            name: name.to_owned(),
            initial: initial.cast(self.dtype),
            value,
            updated: value,
        });
        Ok(value)
    }

    /// The new value of a state after this step.
    pub fn set_state(&mut self, state: ValueId, updated: ValueId) {
        for known in self.states.iter_mut().filter(|s| s.value == state) {
            known.updated = updated;
        }
    }

    /// A random tensor that every step is given.
    pub fn random_input(&mut self, name: &str, stream: &str, dtype: DataType, shape: &[usize], draw: Draw) -> ValueId {
        let value = self.builder.input(name, dtype, shape);
        let name = self.builder.graph().value(value).name.clone();
        self.randoms.push(RandomInput { name, stream: stream.to_owned(), draw });
        value
    }

    /// A gradient given by hand for an expression of any number of nodes; see [`GradientTable::set_expression`].
    pub fn custom_gradient(&mut self, output: ValueId, inputs: &[ValueId], rule: ExpressionRule) {
        self.gradients.set_expression(output, inputs, rule);
    }

    /// No gradient flows back through this value.
    pub fn stop_gradient(&mut self, value: ValueId) {
        self.gradients.stop(value);
    }

    /// The rules that go before those of the operators, for more of them.
    pub fn gradient_table(&mut self) -> &mut GradientTable {
        &mut self.gradients
    }

    /// The model, with nothing in it that no output needs.
    pub fn finish(self) -> Model {
        self.builder.finish()
    }

    /// The parts of a training graph.
    pub(crate) fn into_parts(self) -> (Builder, Vec<Parameter>, Vec<RunningState>, Vec<RandomInput>, GradientTable) {
        (self.builder, self.parameters, self.states, self.randoms, self.gradients)
    }

    fn held(&mut self, name: &str, shape: &[usize]) -> Result<ValueId, OpError> {
        let graph = self.builder.graph().name.clone();
        let Some(store) = self.store else {
            if self.builder.graph().find(name).is_some() {
                return Err(OpError::graph(&graph, format!("the name {name:?} of a parameter or state is taken")));
            }
            return Ok(self.builder.input(name, self.dtype, shape));
        };
        let found = store.get(name).ok_or_else(|| OpError::graph(&graph, format!("the weights hold no {name:?}")))?;
        if found.shape() != shape {
            let problem = format!("{name:?} has to have sizes {shape:?}; in the weights it has {:?}", found.shape());
            return Err(OpError::graph(&graph, problem));
        }
        Ok(self.builder.constant(name, found.cast(self.dtype)))
    }
}

/// The inference graph of a network on a batch: input `input`, output `output`, parameters as constants.
///
/// # Errors
/// Operators that refuse the shapes, or a store that lacks a parameter.
pub fn inference_model(network: &dyn Network, name: &str, store: &Store, input: &[usize]) -> Result<Model, OpError> {
    let mut net = NetworkBuilder::inference(name, store);
    let x = net.input("input", DataType::F32, input);
    let y = network.build(&mut net, x)?;
    net.output(y, "output");
    let mut model = net.finish();
    name_nodes(&mut model.graph);
    Ok(model)
}

/// Names every node after the layer whose parameter it reads, or after its operator, so that messages and reports can
/// name it: `conv1`, `norm1`, `relu`, `relu_2`.
pub fn name_nodes(graph: &mut Graph) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for node in &mut graph.nodes {
        let read = node.inputs.iter().flatten().find(|v| graph.initializers.contains_key(v));
        let layer = read.and_then(|v| graph.values[v.index()].name.rsplit_once('.'));
        let stem = layer.map_or_else(|| node.op.to_lowercase(), |(layer, _)| layer.to_owned());
        let count = taken.entry(stem.clone()).or_insert(0);
        *count += 1;
        node.name = if *count == 1 { stem } else { format!("{stem}_{count}") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_tied_by_name_and_checked() {
        let mut net = NetworkBuilder::training("net");
        let w = net.parameter("w", &[2], Initializer::Ones, (1, 1), true).unwrap();
        assert_eq!(net.parameter("w", &[2], Initializer::Ones, (1, 1), true).unwrap(), w);
        assert!(net.parameter("w", &[3], Initializer::Ones, (1, 1), true).unwrap_err().to_string().contains("[3]"));
        net.state("s", Tensor::scalar(0f32)).unwrap();
        assert!(net.state("s", Tensor::scalar(0f32)).is_err());
        assert!(net.state("w", Tensor::scalar(0f32)).unwrap_err().to_string().contains("taken"));
        assert_eq!(net.graph().inputs.len(), 2);
    }

    #[test]
    fn nodes_are_named_after_their_layers() {
        let network = |net: &mut NetworkBuilder, x: ValueId| {
            let x = net.dense_layer("first", x, 2)?;
            let x = net.relu(x)?;
            let x = net.dense_layer("second", x, 2)?;
            net.relu(x)
        };
        let names = [("first.weight", 4), ("first.bias", 2), ("second.weight", 4), ("second.bias", 2)];
        let tensor = |(name, n): (&str, usize)| {
            let shape: &[usize] = if n == 4 { &[2, 2] } else { &[2] };
            (name.to_owned(), Tensor::full(DataType::F32, shape, 1.0))
        };
        let store: Store = names.map(tensor).into_iter().collect();
        let model = inference_model(&network, "net", &store, &[1, 2]).unwrap();
        let found: Vec<&str> = model.graph.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(found, ["first", "relu", "second", "relu_2"]);
    }

    #[test]
    fn inference_reads_the_store() {
        let mut store = Store::new();
        store.insert("w".to_owned(), Tensor::vector(&[1f32, 2.0]));
        let network = |net: &mut NetworkBuilder, x: ValueId| {
            let w = net.parameter("w", &[2], Initializer::Ones, (1, 1), true)?;
            net.mul(x, w)
        };
        let model = inference_model(&network, "net", &store, &[1, 2]).unwrap();
        let outputs = ocellus_ops::evaluate(&model, &[("input", Tensor::of(&[1, 2], vec![3f32, 4.0]))]).unwrap();
        assert_eq!(outputs["output"], Tensor::of(&[1, 2], vec![3f32, 8.0]));
        store.insert("w".to_owned(), Tensor::vector(&[1f32]));
        assert!(inference_model(&network, "net", &store, &[1, 2]).unwrap_err().to_string().contains("[1]"));
        assert!(inference_model(&network, "net", &Store::new(), &[1, 2]).unwrap_err().to_string().contains("hold no"));
    }
}

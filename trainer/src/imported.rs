//! A network that was read from an ONNX file, to be trained further.

use std::collections::HashMap;

use ocellus_graph::{Model, ValueId};
use ocellus_ops::OpError;

use crate::checkpoint::Store;
use crate::error::TrainError;
use crate::initializers::Initializer;
use crate::network::{Network, NetworkBuilder};

/// A model whose chosen constants learn; everything else stays as the file has it, normalisation with its running
/// figures among it.
pub struct ImportedNetwork {
    model: Model,
    learning: Vec<ValueId>,
}

impl ImportedNetwork {
    /// A model with one input and one output whose types are known (see [`infer`](ocellus_ops::infer())). `learns` chooses
    /// among the float constants by name.
    ///
    /// # Errors
    /// A model with several inputs or outputs, or no constant that is chosen.
    pub fn new(model: Model, learns: &dyn Fn(&str) -> bool) -> Result<Self, TrainError> {
        let graph = &model.graph;
        if graph.inputs.len() != 1 || graph.outputs.len() != 1 {
            let (inputs, outputs) = (graph.inputs.len(), graph.outputs.len());
            return Err(TrainError::Setting(format!(
                "model {:?} has {inputs} inputs and {outputs} outputs; one of each can be trained further",
                graph.name
            )));
        }
        let chosen =
            graph.initializers.iter().filter(|(id, t)| t.dtype().is_float() && learns(&graph.value(**id).name));
        let learning: Vec<ValueId> = chosen.map(|(&id, _)| id).collect();
        if learning.is_empty() {
            return Err(TrainError::Setting(format!("no float constant of model {:?} is chosen to learn", graph.name)));
        }
        Ok(Self { model, learning })
    }

    /// The values that the file has for what learns, to [start from](crate::Trainer::start_from).
    pub fn weights(&self) -> Store {
        let graph = &self.model.graph;
        self.learning.iter().map(|&id| (graph.value(id).name.clone(), graph.initializers[&id].clone())).collect()
    }
}

impl Network for ImportedNetwork {
    fn build(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let graph = &self.model.graph;
        let values = splice(&self.model, &self.learning, net, x)?;
        let output = graph.outputs[0];
        values.get(&output).copied().ok_or_else(|| {
            OpError::graph(&graph.name, format!("nothing makes the output {:?}", graph.value(output).name))
        })
    }
}

/// Appends the nodes of a model with one input to a network: `learning` among its constants as parameters, the others
/// as they are. Returns what every value of the model has become.
pub(crate) fn splice(
    model: &Model,
    learning: &[ValueId],
    net: &mut NetworkBuilder,
    x: ValueId,
) -> Result<HashMap<ValueId, ValueId>, OpError> {
    let graph = &model.graph;
    let mut values: HashMap<ValueId, ValueId> = HashMap::from([(graph.inputs[0], x)]);
    for (&id, tensor) in &graph.initializers {
        let name = &graph.value(id).name;
        let value = if learning.contains(&id) {
            net.parameter(name, tensor.shape(), Initializer::Zeros, (1, 1), tensor.rank() > 1)?
        } else {
            net.constant(name, tensor.clone())
        };
        values.insert(id, value);
    }
    for node in &graph.nodes {
        let known = |v: &Option<ValueId>| match v {
            None => Ok(None),
            Some(v) => values.get(v).copied().map(Some).ok_or_else(|| {
                OpError::at(node, format!("reads {:?}, which nothing before it makes", graph.value(*v).name))
            }),
        };
        let inputs = node.inputs.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        let outputs = net.apply_named(&node.op, &inputs, node.attributes.clone(), node.outputs.len())?;
        let made = node.outputs.iter().zip(outputs).filter_map(|(old, new)| Some(((*old)?, new)));
        values.extend(made);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use ocellus_backend::open;

    use super::*;
    use crate::tests::{bars, config};
    use crate::{Classification, Trainer, TrainerConfig, inference_model};

    fn linear(net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let x = net.flatten(x, 1)?;
        let x = net.dense_layer("hidden", x, 8)?;
        let x = net.relu(x)?;
        net.dense_layer("scores", x, 3)
    }

    #[test]
    fn a_part_of_a_model_is_trained_further() {
        let backend = open("tract", 1).unwrap();
        let objective = Classification::CrossEntropy { smoothing: 0.0 };
        let settings = || TrainerConfig { max_steps: Some(4), ..config() };
        let mut first = Trainer::new(backend.as_ref(), &linear, &objective, bars(36, 1), None, settings()).unwrap();
        let trained = first.run(&mut (), &AtomicBool::new(false)).unwrap();
        // The file has a batch of its own; a network without fixed sizes inside takes any other.
        let model = inference_model(&linear, "linear", &trained.store, &[12, 1, 8, 8]).unwrap();
        let imported = ImportedNetwork::new(model, &|name| name.starts_with("scores")).unwrap();
        assert_eq!(imported.weights().keys().collect::<Vec<_>>(), ["scores.bias", "scores.weight"]);
        let mut second = Trainer::new(backend.as_ref(), &imported, &objective, bars(36, 1), None, settings()).unwrap();
        second.start_from(&imported.weights()).unwrap();
        assert_eq!(second.weights().unwrap()["scores.weight"], trained.store["scores.weight"]);
        let outcome = second.run(&mut (), &AtomicBool::new(false)).unwrap();
        assert_ne!(outcome.store["scores.weight"], trained.store["scores.weight"]);
        let hidden = outcome.model.graph.find("hidden.weight").unwrap();
        assert_eq!(outcome.model.graph.initializers[&hidden], trained.store["hidden.weight"]);
    }

    #[test]
    fn models_that_do_not_fit_are_refused() {
        let store = Store::from([("w".to_owned(), ocellus_graph::Tensor::vector(&[1f32]))]);
        let network = |net: &mut NetworkBuilder, x: ValueId| {
            let w = net.parameter("w", &[1], Initializer::Ones, (1, 1), true)?;
            net.mul(x, w)
        };
        let model = inference_model(&network, "net", &store, &[1]).unwrap();
        assert!(
            ImportedNetwork::new(model.clone(), &|_| false).err().unwrap().to_string().contains("no float constant")
        );
        let mut two = model;
        let input = two.graph.inputs[0];
        two.graph.inputs.push(input);
        assert!(ImportedNetwork::new(two, &|_| true).err().unwrap().to_string().contains("2 inputs"));
    }
}

//! What goes into a model, what comes out, and what goes around.

use ocellus_graph::{Model, Shape, Tensor, ValueId};

use crate::{BackendError, Port};

/// The ports of a model, sorted into what a caller handles and what goes around.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// Name of the model's graph.
    pub model: String,
    /// Inputs that a caller gives.
    pub inputs: Vec<Port>,
    /// Outputs that a caller gets.
    pub outputs: Vec<Port>,
    /// Inputs that are fed back.
    pub state: Vec<Port>,
    /// For every input of the model, in order.
    pub sources: Vec<Source>,
    /// For every output of the model, in order.
    pub targets: Vec<Target>,
    /// For every state, the output that feeds it.
    pub feeders: Vec<String>,
}

/// Where an input of the model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The caller's input of this index.
    Given(usize),
    /// The state of this index.
    State(usize),
}

/// Where an output of the model goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The caller.
    Returned,
    /// The state of this index.
    State(usize),
}

impl Signature {
    /// The ports of `model` under these pairs (output, input).
    pub fn new(model: &Model, feedback: &[(String, String)]) -> Result<Self, BackendError> {
        let inputs: Vec<_> = model.graph.inputs.iter().map(|&v| port(model, v)).collect::<Result<_, _>>()?;
        let outputs: Vec<_> = model.graph.outputs.iter().map(|&v| port(model, v)).collect::<Result<_, _>>()?;
        let mut signature = Self {
            model: model.graph.name.clone(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            state: Vec::new(),
            sources: Vec::new(),
            targets: Vec::new(),
            feeders: Vec::new(),
        };
        signature.check_pairs(feedback, &inputs, &outputs)?;
        for input in inputs {
            match feedback.iter().find(|(_, name)| *name == input.name) {
                Some((output, _)) => {
                    signature.sources.push(Source::State(signature.state.len()));
                    signature.state.push(input);
                    signature.feeders.push(output.clone());
                }
                None => {
                    signature.sources.push(Source::Given(signature.inputs.len()));
                    signature.inputs.push(input);
                }
            }
        }
        for output in outputs {
            match signature.feeders.iter().position(|name| *name == output.name) {
                Some(state) => signature.targets.push(Target::State(state)),
                None => {
                    signature.targets.push(Target::Returned);
                    signature.outputs.push(output);
                }
            }
        }
        Ok(signature)
    }

    fn check_pairs(&self, pairs: &[(String, String)], inputs: &[Port], outputs: &[Port]) -> Result<(), BackendError> {
        for (i, (output, input)) in pairs.iter().enumerate() {
            let from = outputs.iter().find(|p| p.name == *output).ok_or_else(|| self.error(output, "is no output"))?;
            let to = inputs.iter().find(|p| p.name == *input).ok_or_else(|| self.error(input, "is no input"))?;
            if (from.dtype, &from.shape) != (to.dtype, &to.shape) {
                let (a, b) = (describe(from), describe(to));
                return Err(
                    self.error(output, format!("is {a} and cannot be fed back to input {input:?}, which is {b}"))
                );
            }
            if pairs[..i].iter().any(|(o, n)| o == output || n == input) {
                return Err(self.error(output, "is fed back twice"));
            }
        }
        Ok(())
    }

    /// The given tensors in the order of [`Signature::inputs`].
    pub fn arrange<'a>(&self, given: &[(&str, &'a Tensor)]) -> Result<Vec<&'a Tensor>, BackendError> {
        for (name, _) in given {
            if !self.inputs.iter().any(|p| p.name == *name) {
                let known: Vec<_> = self.inputs.iter().map(|p| p.name.as_str()).collect();
                return Err(self.error(name, format!("is no input; the inputs are {}", known.join(", "))));
            }
        }
        let find = |port: &Port| {
            let tensor = given.iter().find(|(name, _)| *name == port.name).map(|&(_, tensor)| tensor);
            let tensor =
                tensor.ok_or_else(|| self.error(&port.name, format!("is not given; it is {}", describe(port))))?;
            self.check(port, tensor).map(|()| tensor)
        };
        self.inputs.iter().map(find).collect()
    }

    /// The index of a state by name.
    pub fn find_state(&self, name: &str) -> Result<usize, BackendError> {
        let index = self.state.iter().position(|p| p.name == name);
        index.ok_or_else(|| self.error(name, "is not an input that is fed back"))
    }

    /// Refuses a tensor that is not of the port's type.
    pub fn check(&self, port: &Port, tensor: &Tensor) -> Result<(), BackendError> {
        if (tensor.dtype(), tensor.shape()) == (port.dtype, port.shape.as_slice()) {
            return Ok(());
        }
        let found = format!("{} {:?}", tensor.dtype(), tensor.shape());
        Err(self.error(&port.name, format!("has to be {}, found {found}", describe(port))))
    }

    /// An error about a tensor of this model.
    pub fn error(&self, tensor: &str, problem: impl Into<String>) -> BackendError {
        BackendError::Tensor { model: self.model.clone(), tensor: tensor.to_owned(), problem: problem.into() }
    }
}

fn describe(port: &Port) -> String {
    format!("{} {:?}", port.dtype, port.shape)
}

fn port(model: &Model, id: ValueId) -> Result<Port, BackendError> {
    let value = model.graph.value(id);
    let error =
        |problem: String| BackendError::Tensor { model: model.graph.name.clone(), tensor: value.name.clone(), problem };
    let dtype = value.dtype.ok_or_else(|| error("has no known element type".to_owned()))?;
    let shape = value.shape.as_ref().and_then(Shape::known).ok_or_else(|| {
        let found = value.shape.as_ref().map_or("none".to_owned(), Shape::to_string);
        error(format!("has to have known sizes, found {found}; give them with --shape"))
    })?;
    Ok(Port { name: value.name.clone(), dtype, shape })
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Node};

    use super::*;
    use crate::feedback_pairs;

    fn counter() -> Model {
        let mut g = Graph::new("counter");
        let ids = ["n", "step", "n'", "twice"].map(|n| g.add_value(n, Some(DataType::F32), Some(Shape::fixed(&[1]))));
        g.inputs = vec![ids[0], ids[1]];
        g.outputs = vec![ids[2], ids[3]];
        g.nodes.push(Node::new("Add", [Some(ids[0]), Some(ids[1])], [Some(ids[2])]));
        g.nodes.push(Node::new("Add", [Some(ids[2]), Some(ids[2])], [Some(ids[3])]));
        Model::new(g)
    }

    #[test]
    fn pairs_follow_from_names() {
        let model = counter();
        let pairs = feedback_pairs(&model);
        assert_eq!(pairs, [("n'".to_owned(), "n".to_owned())]);
        let signature = Signature::new(&model, &pairs).unwrap();
        assert_eq!(signature.sources, [Source::State(0), Source::Given(0)]);
        assert_eq!(signature.targets, [Target::State(0), Target::Returned]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let signature = Signature::new(&counter(), &[]).unwrap();
        let one = Tensor::vector(&[1.0f32]);
        let two = Tensor::vector(&[1.0f32, 2.0]);
        let message = |given: &[(&str, &Tensor)]| signature.arrange(given).unwrap_err().to_string();
        assert!(message(&[("n", &one)]).contains("\"step\": is not given; it is f32 [1]"));
        assert!(message(&[("n", &one), ("step", &two)]).contains("\"step\": has to be f32 [1], found f32 [2]"));
        assert!(message(&[("m", &one)]).contains("\"m\": is no input; the inputs are n, step"));
        let twice = [("n'".to_owned(), "n".to_owned()), ("n'".to_owned(), "step".to_owned())];
        assert!(Signature::new(&counter(), &twice).unwrap_err().to_string().contains("fed back twice"));
        let wrong = [("m".to_owned(), "n".to_owned())];
        assert!(Signature::new(&counter(), &wrong).unwrap_err().to_string().contains("is no output"));
    }
}

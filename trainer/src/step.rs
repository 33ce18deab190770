//! The training-step graph: forward, loss, backward and update in one graph without random nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ocellus_backend::Session;
use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_ops::Builder;

use crate::autograd::gradients;
use crate::checkpoint::Store;
use crate::error::TrainError;
use crate::merge::merge_equal;
use crate::network::{NetworkBuilder, Parameter, RandomInput};
use crate::optimizers::{Clipping, Optimizer, Update};
use crate::random::Random;

/// Name of the input that holds the learning rate.
const RATE: &str = "learning_rate";

/// What a step does beside the forward pass.
pub struct StepConfig<'a> {
    /// The update rule.
    pub optimizer: Arc<dyn Optimizer>,
    /// How gradients are limited.
    pub clipping: Option<Clipping>,
    /// Which parameters learn, by name; the others stay as they are.
    pub trainable: &'a dyn Fn(&str) -> bool,
    /// What the learning rate of a parameter is multiplied with, by name.
    pub factor: &'a dyn Fn(&str) -> f64,
}

/// A graph that does one training step.
///
/// Inputs: what the forward pass was given, the learning rate and other numbers, random tensors, and the state: every
/// parameter, running figure and optimiser tensor, each of which is also an output with a `'` behind its name. Weights
/// are inputs and never constants, so that no engine folds them.
pub struct TrainingStep {
    /// The graph; its first outputs are those that were asked for, in order.
    pub model: Model,
    /// Pairs (output, input) that go around.
    pub feedback: Vec<(String, String)>,
    /// The parameters, learning or not.
    pub parameters: Vec<Parameter>,
    initial: BTreeMap<String, Tensor>,
    randoms: Vec<RandomInput>,
    optimizer: Arc<dyn Optimizer>,
    scalars: Vec<String>,
}

impl TrainingStep {
    /// Completes a forward pass that ends in the scalar `loss`. `outputs` are values and names to return from every
    /// step; the loss is among them where it is asked for.
    ///
    /// # Errors
    /// A node without a gradient, a parameter that the loss does not depend on, or no parameter that learns.
    pub fn new(
        net: NetworkBuilder,
        loss: ValueId,
        outputs: &[(ValueId, &str)],
        config: &StepConfig,
    ) -> Result<Self, TrainError> {
        let (mut b, parameters, states, randoms, table) = net.into_parts();
        for &(value, name) in outputs {
            b.output(value, name);
        }
        let learning: Vec<&Parameter> = parameters.iter().filter(|p| (config.trainable)(&p.name)).collect();
        if learning.is_empty() {
            return Err(TrainError::Setting("no parameter of the network is chosen to learn".to_owned()));
        }
        let wrt: Vec<ValueId> = learning.iter().map(|p| p.value).collect();
        let found = gradients(&mut b, loss, &wrt, &table)?;
        let unused = || learning.iter().zip(&found).filter(|(_, g)| g.is_none()).map(|(p, _)| p.name.as_str());
        if unused().next().is_some() {
            let names: Vec<&str> = unused().collect();
            return Err(TrainError::Setting(format!("the loss does not depend on {}", names.join(", "))));
        }
        let mut grads: Vec<ValueId> = found.iter().flatten().copied().collect();
        if let Some(clipping) = config.clipping {
            grads = clipping.apply(&mut b, &grads)?;
        }
        let mut state = State::default();
        let scalars = updates(&mut b, &learning, &grads, config, &mut state)?;
        for parameter in parameters.iter().filter(|p| !(config.trainable)(&p.name)) {
            state.carry(&mut b, parameter.value, parameter.value)?;
        }
        for running in &states {
            state.carry(&mut b, running.value, running.updated)?;
            state.initial.insert(running.name.clone(), running.initial.clone());
        }
        let mut model = b.finish();
        merge_equal(&mut model.graph);
        Ok(Self {
            model,
            feedback: state.feedback,
            parameters,
            initial: state.initial,
            randoms,
            optimizer: Arc::clone(&config.optimizer),
            scalars,
        })
    }

    /// The state before the first step under this seed; what `store` holds under the same name goes first, so that
    /// several steps share parameters and a run starts from trained ones.
    ///
    /// # Errors
    /// A tensor of the store with other sizes.
    pub fn initial_state(&self, seed: u64, store: &Store) -> Result<Store, TrainError> {
        let mut state: Store = self.initial.clone();
        for p in &self.parameters {
            let tensor = p.initializer.make(seed, &p.name, &p.shape, p.fans);
            let dtype = self.dtype(&p.name);
            state.insert(p.name.clone(), tensor.cast(dtype));
        }
        for (name, tensor) in &mut state {
            let Some(given) = store.get(name) else { continue };
            if (given.dtype(), given.shape()) != (tensor.dtype(), tensor.shape()) {
                return Err(TrainError::Setting(format!(
                    "{name:?} has to be {} {:?}, the given weights hold {} {:?}",
                    tensor.dtype(),
                    tensor.shape(),
                    given.dtype(),
                    given.shape()
                )));
            }
            *tensor = given.clone();
        }
        Ok(state)
    }

    /// Everything that step `step` (counted from 1) is given beside the batch: learning rate, changing numbers, random
    /// tensors. Those that the graph does not use are left out.
    pub fn inputs(&self, step: u64, rate: f64, seed: u64) -> Vec<(String, Tensor)> {
        let mut inputs = vec![(RATE.to_owned(), Tensor::full(self.dtype(RATE), &[], rate))];
        for (name, value) in self.scalars.iter().zip(self.optimizer.scalar_values(step)) {
            inputs.push((name.clone(), Tensor::full(self.dtype(name), &[], value)));
        }
        for random in &self.randoms {
            let mut stream = Random::new(seed, &random.stream, step);
            inputs.push((random.name.clone(), (random.draw)(&mut stream)));
        }
        inputs
    }

    /// Writes a state into a session of this step.
    ///
    /// # Errors
    /// A tensor that is missing or of another type.
    pub fn write_state(&self, session: &mut dyn Session, state: &Store) -> Result<(), TrainError> {
        for (_, name) in &self.feedback {
            let tensor = state.get(name);
            let tensor = tensor.ok_or_else(|| TrainError::Setting(format!("the state holds no tensor {name:?}")))?;
            session.write(name, tensor)?;
        }
        Ok(())
    }

    /// Reads the state out of a session of this step.
    ///
    /// # Errors
    /// A failure of the engine.
    pub fn read_state(&self, session: &dyn Session) -> Result<Store, TrainError> {
        self.feedback.iter().map(|(_, name)| Ok((name.clone(), session.read(name)?))).collect()
    }

    fn dtype(&self, input: &str) -> DataType {
        let graph = &self.model.graph;
        let value = graph.inputs.iter().map(|&v| graph.value(v)).find(|v| v.name == input);
        value.and_then(|v| v.dtype).unwrap_or(DataType::F32)
    }
}

/// What goes around, as it is collected.
#[derive(Default)]
struct State {
    feedback: Vec<(String, String)>,
    initial: BTreeMap<String, Tensor>,
}

impl State {
    /// Makes `after` the output that becomes the input `before`.
    fn carry(&mut self, b: &mut Builder, before: ValueId, after: ValueId) -> Result<(), TrainError> {
        let input = b.graph().value(before).name.clone();
        let output = format!("{input}'");
        // A value that is an input or already an output needs a node of its own to carry the name.
        let taken = before == after || b.graph().outputs.contains(&after) || b.graph().inputs.contains(&after);
        let after = if taken { b.identity(after)? } else { after };
        b.output(after, &output);
        self.feedback.push((output, input));
        Ok(())
    }
}

/// Appends the updates of all parameters and returns the names of the changing numbers.
fn updates(
    b: &mut Builder,
    learning: &[&Parameter],
    grads: &[ValueId],
    config: &StepConfig,
    state: &mut State,
) -> Result<Vec<String>, TrainError> {
    let (dtype, optimizer) = (b.dtype(learning[0].value)?, config.optimizer.as_ref());
    let base = b.input(RATE, dtype, &[]);
    let scalars: Vec<ValueId> = optimizer.scalars().iter().map(|name| b.input(name, dtype, &[])).collect();
    for (parameter, &gradient) in learning.iter().zip(grads) {
        let mut slots = Vec::new();
        for slot in optimizer.slots() {
            let name = format!("{}.{slot}", parameter.name);
            slots.push(b.input(&name, dtype, &parameter.shape));
            state.initial.insert(name, Tensor::full(dtype, &parameter.shape, 0.0));
        }
        let mut rate = base;
        let factor = (config.factor)(&parameter.name);
        if factor != 1.0 {
            let factor = b.scalar_like(base, factor)?;
            rate = b.mul(base, factor)?;
        }
        let update = Update {
            parameter: parameter.value,
            gradient,
            slots: &slots,
            rate,
            scalars: &scalars,
            decay: parameter.decay,
        };
        let updated = optimizer.update(b, &update)?;
        state.carry(b, parameter.value, updated.parameter)?;
        for (&before, &after) in slots.iter().zip(&updated.slots) {
            state.carry(b, before, after)?;
        }
    }
    Ok(scalars.iter().map(|&v| b.graph().value(v).name.clone()).collect())
}

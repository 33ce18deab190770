//! Where the scale of every 8-bit value comes from.

use std::collections::{HashMap, HashSet};

use ocellus_graph::{DataType, Graph, ValueId};
use ocellus_ops::OutputScale;

use crate::params::{Activations, Params};
use crate::select::{Operand, Treatment};

/// Where the scale of a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// From the values that it has on calibration data.
    Observed,
    /// From what the operator can return.
    Range(f32, f32),
    /// That of another value, which is only moved.
    SameAs(ValueId),
}

/// The values on 8 bits, in the order in which they are computed.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    order: Vec<ValueId>,
    of: HashMap<ValueId, Source>,
}

impl Sources {
    /// The sources of every value that an integer node reads or makes.
    pub fn new(graph: &Graph, treatments: &[Treatment]) -> Self {
        let mut sources = Self::default();
        let clamps = graph.nodes.iter().zip(treatments).filter(|(_, t)| **t == Treatment::Clamp);
        let clamped: HashSet<ValueId> = clamps.filter_map(|(n, _)| n.input(0)).collect();
        for (node, treatment) in graph.nodes.iter().zip(treatments) {
            let outputs = node.outputs.iter().flatten().copied();
            let floats = outputs.filter(|&v| graph.value(v).dtype == Some(DataType::F32));
            match treatment {
                Treatment::Float(_) => {}
                Treatment::Clamp => floats.for_each(|v| sources.add(v, Source::Observed)),
                Treatment::Integer(operands, output) => {
                    let read = node.inputs.iter().zip(operands).filter(|(_, o)| **o == Operand::Activation);
                    for v in read.filter_map(|(v, _)| *v) {
                        sources.add(v, Source::Observed);
                    }
                    for v in floats.filter(|&v| !clamped.contains(&v)) {
                        match (output, node.input(0)) {
                            (OutputScale::SameAsInput, Some(x)) => sources.add(v, Source::SameAs(x)),
                            (OutputScale::Range(low, high), _) => sources.add(v, Source::Range(*low, *high)),
                            (OutputScale::Float, _) => {}
                            _ => sources.add(v, Source::Observed),
                        }
                    }
                }
            }
        }
        sources
    }

    /// What was said of a value when it was made stays when it is read.
    fn add(&mut self, v: ValueId, source: Source) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.of.entry(v) {
            entry.insert(source);
            self.order.push(v);
        }
    }

    /// The values to observe.
    pub fn observed(&self) -> Vec<ValueId> {
        self.order.iter().copied().filter(|v| self.of[v] == Source::Observed).collect()
    }

    /// The value whose scale this one has.
    fn root(&self, mut v: ValueId) -> ValueId {
        while let Some(Source::SameAs(x)) = self.of.get(&v) {
            v = *x;
        }
        v
    }

    /// The observed values that reach an output of the model without another scale in between.
    pub fn finals(&self, graph: &Graph) -> HashSet<ValueId> {
        graph.outputs.iter().map(|&v| self.root(v)).collect()
    }

    /// The scale and zero point of every value, given those of the observed ones.
    pub fn params(&self, activations: Activations, observed: &HashMap<ValueId, Params>) -> HashMap<ValueId, Params> {
        let of_root = |v: ValueId| match self.of.get(&v) {
            Some(Source::Range(low, high)) => Some(activations.params((*low).into(), (*high).into())),
            _ => observed.get(&v).copied(),
        };
        self.order.iter().filter_map(|&v| Some((v, of_root(self.root(v))?))).collect()
    }
}

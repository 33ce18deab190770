//! What a trained classifier sees, as the beginning of another network.

use std::collections::HashSet;

use ocellus_graph::{DataType, Model, Node, Shape, ValueId};
use ocellus_ops::{OpError, simplify, upgrade};

use crate::checkpoint::Store;
use crate::error::TrainError;
use crate::imported::splice;
use crate::network::NetworkBuilder;

/// The layers of a classifier down to its last maps, for pictures of a size of its own. What the maps show is read at
/// every stride where they are narrowest: behind the last layer before the picture shrinks again, and before a layer
/// that only makes them wider.
///
/// Its weights are constants, normalisation with its running figures is merged into them, and no gradient reaches them;
/// those that are chosen by name learn.
pub struct Backbone {
    model: Model,
    learning: Vec<ValueId>,
}

/// A map of a backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Pixels of the picture between two places.
    pub stride: usize,
    /// `[N, channels, H, W]`.
    pub value: ValueId,
}

impl Backbone {
    /// The layers of a model that takes one picture, for pictures `[channels, height, width]`. With `most`, layers whose
    /// numbers together are more are left out. `learns` chooses among the weights by name.
    ///
    /// # Errors
    /// A model with several inputs, with operators that cannot be read, or without a map of two by two places.
    pub fn new(
        mut model: Model,
        picture: [usize; 3],
        most: Option<usize>,
        learns: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TrainError> {
        upgrade(&mut model)?;
        simplify(&mut model)?;
        let name = model.graph.name.clone();
        let maps = narrowest(&model, picture, most)?;
        if maps.is_empty() {
            return Err(TrainError::Setting(format!("model {name:?} has no map of places to look at")));
        }
        Self::ending(model, maps, picture, learns)
    }

    fn ending(
        mut model: Model,
        outputs: Vec<ValueId>,
        [channels, height, width]: [usize; 3],
        learns: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TrainError> {
        let graph = &mut model.graph;
        let &[input] = &graph.inputs[..] else {
            let problem = format!("model {:?} takes several inputs; a backbone takes a picture", graph.name);
            return Err(TrainError::Setting(problem));
        };
        graph.outputs = outputs;
        graph.remove_dead();
        let value = graph.value_mut(input);
        (value.dtype, value.shape) = (Some(DataType::F32), Some(Shape::fixed(&[1, channels, height, width])));
        let chosen =
            graph.initializers.iter().filter(|(id, t)| t.dtype().is_float() && learns(&graph.value(**id).name));
        let learning = chosen.map(|(&id, _)| id).collect();
        Ok(Self { model, learning })
    }

    /// The layers of a model that takes one picture, down to what its last fully connected layer reads.
    ///
    /// # Errors
    /// A model with several inputs, with operators that cannot be read, or whose last layer with weights takes no vector.
    pub fn before_scores(
        mut model: Model,
        picture: [usize; 3],
        learns: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TrainError> {
        upgrade(&mut model)?;
        simplify(&mut model)?;
        let graph = &model.graph;
        let matrix = |v: &ValueId| graph.initializers.get(v).is_some_and(|t| t.dtype().is_float() && t.rank() == 2);
        let last = graph.nodes.iter().rev().find(|n| n.inputs.iter().flatten().any(matrix));
        let Some(vector) = last.and_then(|n| n.input(0)).filter(|v| !graph.initializers.contains_key(v)) else {
            let problem = format!("model {:?} does not end in a fully connected layer", graph.name);
            return Err(TrainError::Setting(problem));
        };
        Self::ending(model, vec![vector], picture, learns)
    }

    /// The values of what learns, to [start from](crate::Trainer::start_from).
    pub fn weights(&self) -> Store {
        let graph = &self.model.graph;
        self.learning.iter().map(|&id| (graph.value(id).name.clone(), graph.initializers[&id].clone())).collect()
    }

    /// How many numbers its weights are.
    pub fn parameters(&self) -> usize {
        self.model.graph.initializers.values().filter(|t| t.dtype().is_float()).map(|t| t.len()).sum()
    }

    /// Appends the layers to a network that looks at `x` `[N, C, H, W]`; the maps come with rising strides.
    ///
    /// # Errors
    /// Pictures of other channels.
    pub fn features(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<Vec<Feature>, OpError> {
        let rows = net.shape(x)?.get(2).copied().unwrap_or(0);
        let values = splice(&self.model, &self.learning, net, x)?;
        let mut maps = Vec::new();
        for output in &self.model.graph.outputs {
            let value = values[output];
            let height = net.shape(value)?.get(2).copied().unwrap_or(1).max(1);
            maps.push(Feature { stride: rows.div_ceil(height), value });
        }
        Ok(maps)
    }

    /// Appends the layers to a network that looks at `x` `[N, C, H, W]`; what comes of the first output.
    ///
    /// # Errors
    /// Pictures of other sizes than it was made for, where they matter.
    pub fn vector(&self, net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let values = splice(&self.model, &self.learning, net, x)?;
        Ok(values[&self.model.graph.outputs[0]])
    }
}

/// The last of the narrowest maps of every size, from the largest on.
fn narrowest(
    model: &Model,
    [channels, height, width]: [usize; 3],
    most: Option<usize>,
) -> Result<Vec<ValueId>, OpError> {
    let mut net = NetworkBuilder::training(&model.graph.name);
    let x = net.input("input", DataType::F32, &[1, channels, height, width]);
    let values = splice(&up_to(model, most), &[], &mut net, x)?;
    let mut found: Vec<(usize, usize, ValueId)> = Vec::new();
    for node in &model.graph.nodes {
        let Some(old) = node.output(0) else { continue };
        let Some(shape) = values.get(&old).and_then(|&v| net.shape(v).ok()) else { continue };
        let [_, channels, rows, columns] = shape[..] else { continue };
        if rows < 2 || columns < 2 {
            continue;
        }
        match found.iter_mut().find(|f| f.0 == rows) {
            Some(known) if channels <= known.1 => *known = (rows, channels, old),
            Some(_) => {}
            None => found.push((rows, channels, old)),
        }
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.0));
    Ok(found.into_iter().filter(|f| f.0 < height).map(|f| f.2).collect())
}

/// The first nodes, as far as they make maps and their weights are together no more than `most` numbers.
fn up_to(model: &Model, most: Option<usize>) -> Model {
    let mut model = model.clone();
    let (mut total, graph) = (0, &mut model.graph);
    let mut counted = HashSet::new();
    let fits = |node: &Node| {
        for &input in node.inputs.iter().flatten() {
            if counted.insert(input) {
                total += graph.initializers.get(&input).filter(|t| t.dtype().is_float()).map_or(0, |t| t.len());
            }
        }
        let shape = node.output(0).and_then(|v| graph.value(v).shape.as_ref());
        shape.is_none_or(|s| s.rank() == 4) && most.is_none_or(|most| total <= most)
    };
    let count = graph.nodes.iter().map(fits).take_while(|&fits| fits).count();
    graph.nodes.truncate(count);
    model
}

#[cfg(test)]
mod tests {
    use ocellus_ops::Window;

    use super::*;
    use crate::{ConvLayer, inference_model};

    /// Two convolutions of stride 2, one that makes the second map wider, and scores.
    fn classifier(net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
        let mut x = x;
        for (name, channels, stride) in [("a", 4, 2), ("b", 6, 2), ("c", 9, 1)] {
            let layer = ConvLayer::new(channels, Window::square(3, stride, 1)).without_bias();
            x = net.conv_layer(name, x, &layer)?;
            x = net.batch_norm_layer(&format!("{name}.norm"), x)?;
            x = net.relu(x)?;
        }
        let x = net.global_average_pool(x)?;
        let x = net.flatten(x, 1)?;
        net.dense_layer("scores", x, 5)
    }

    fn model() -> Model {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("input", DataType::F32, &[2, 3, 16, 16]);
        classifier(&mut net, x).unwrap();
        let graph = net.graph();
        let values = graph.inputs.iter().skip(1).map(|&v| graph.value(v));
        let numbers = |v: &ocellus_graph::Value| {
            let shape = v.shape.as_ref().and_then(|s| s.known()).unwrap();
            let tensor = ocellus_graph::Tensor::full(DataType::F32, &shape, 0.1);
            (v.name.clone(), tensor)
        };
        let store: Store = values.map(numbers).collect();
        inference_model(&classifier, "net", &store, &[1, 3, 16, 16]).unwrap()
    }

    fn maps(backbone: &Backbone) -> Vec<(usize, Vec<usize>)> {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("input", DataType::F32, &[2, 3, 32, 24]);
        let maps = backbone.features(&mut net, x).unwrap();
        maps.iter().map(|f| (f.stride, net.shape(f.value).unwrap())).collect()
    }

    #[test]
    fn maps_of_every_stride_where_they_are_narrowest() {
        let whole = Backbone::new(model(), [3, 32, 24], None, &|_| false).unwrap();
        assert_eq!(maps(&whole), [(2, vec![2, 4, 16, 12]), (4, vec![2, 6, 8, 6])]);
        assert!(whole.weights().is_empty());
        let part = Backbone::new(model(), [3, 32, 24], Some(120), &|_| false).unwrap();
        assert_eq!(maps(&part), [(2, vec![2, 4, 16, 12])]);
        assert!(part.parameters() <= 120 && whole.parameters() > 120);
        assert!(Backbone::new(model(), [3, 32, 24], Some(1), &|_| false).is_err());
    }

    #[test]
    fn what_the_scores_are_made_of() {
        let backbone = Backbone::before_scores(model(), [3, 16, 16], &|_| false).unwrap();
        let mut net = NetworkBuilder::training("net");
        let x = net.input("input", DataType::F32, &[2, 3, 16, 16]);
        let y = backbone.vector(&mut net, x).unwrap();
        assert_eq!(net.shape(y).unwrap(), [2, 9]);
    }

    #[test]
    fn chosen_weights_learn() {
        let backbone = Backbone::new(model(), [3, 16, 16], None, &|name| name.starts_with("b.")).unwrap();
        assert!(backbone.weights().keys().all(|name| name.starts_with("b.")), "{:?}", backbone.weights().keys());
        let mut net = NetworkBuilder::training("net");
        let x = net.input("input", DataType::F32, &[2, 3, 16, 16]);
        backbone.features(&mut net, x).unwrap();
        assert_eq!(net.parameters.len(), backbone.weights().len());
    }
}

//! Cross-layer equalization (Nagel et al. 2019): where nothing but scale-keeping functions stands between two layers, every
//! channel between them may be scaled, if the first layer's weights and bias are divided and the second's weights
//! multiplied. The scales that make the channel's range in both layers the same leave each its share of the 8 bits.
//!
//! The float model computes what it did before, up to rounding. A Clip with an upper end (ReLU6) is no such function.

use std::collections::BTreeMap;

use ocellus_graph::{Graph, Model, Node, Tensor, ValueId};

/// Sweeps over all pairs; a range that is shared by two pairs settles after a few.
const SWEEPS: usize = 20;

/// A layer whose output has channels, and one that reads them.
struct Pair {
    first: Weights,
    bias: Option<ValueId>,
    second: Weights,
    channels: usize,
}

/// The weights of a layer, and where a channel lies in them.
#[derive(Clone, Copy)]
struct Weights {
    id: ValueId,
    /// The axis of the channels.
    axis: usize,
    /// Groups, where the axis counts the channels of one group; the groups are blocks of axis 0. One otherwise.
    groups: usize,
}

/// Scales the channels between layers. Returns the number of pairs of layers.
pub fn equalize(model: &mut Model) -> usize {
    let pairs = pairs(&model.graph);
    for _ in 0..SWEEPS {
        for pair in &pairs {
            pair.balance(&mut model.graph.initializers);
        }
    }
    pairs.len()
}

impl Pair {
    fn balance(&self, tensors: &mut BTreeMap<ValueId, Tensor>) {
        let first = ranges(&tensors[&self.first.id], self.first, self.channels);
        let second = ranges(&tensors[&self.second.id], self.second, self.channels);
        // Dividing by it makes both ranges the geometric mean of what they were.
        let factor = |(&a, &b): (&f32, &f32)| {
            let factor = (f64::from(a) / f64::from(b)).sqrt();
            if a > 0.0 && b > 0.0 && factor.is_normal() { factor } else { 1.0 }
        };
        let factors: Vec<f64> = first.iter().zip(&second).map(factor).collect();
        scale(tensors, self.first, &factors.iter().map(|f| 1.0 / f).collect::<Vec<_>>());
        if let Some(bias) = self.bias {
            let bias = Weights { id: bias, axis: 0, groups: 1 };
            scale(tensors, bias, &factors.iter().map(|f| 1.0 / f).collect::<Vec<_>>());
        }
        scale(tensors, self.second, &factors);
    }
}

/// The channel of every element, in order.
fn channels(shape: &[usize], weights: Weights) -> impl Iterator<Item = usize> {
    let inner: usize = shape.get(weights.axis + 1..).unwrap_or_default().iter().product();
    let size = shape.get(weights.axis).copied().unwrap_or(1);
    let total: usize = shape.iter().product();
    let block = (total / weights.groups.max(1)).max(1);
    (0..total).map(move |at| at / block * size + at / inner.max(1) % size.max(1))
}

/// The greatest size of every channel's weights.
fn ranges(tensor: &Tensor, weights: Weights, count: usize) -> Vec<f32> {
    let mut ranges = vec![0.0f32; count];
    for (channel, value) in channels(tensor.shape(), weights).zip(tensor.to_f32()) {
        ranges[channel] = ranges[channel].max(value.abs());
    }
    ranges
}

fn scale(tensors: &mut BTreeMap<ValueId, Tensor>, weights: Weights, factors: &[f64]) {
    let Some(tensor) = tensors.get_mut(&weights.id) else { return };
    let channels = channels(tensor.shape(), weights);
    let values = channels.zip(tensor.to_f32()).map(|(c, v)| (f64::from(v) * factors[c]) as f32).collect();
    *tensor = Tensor::of(tensor.shape(), values);
}

fn pairs(graph: &Graph) -> Vec<Pair> {
    let consumers = graph.consumers();
    let alone = |value: ValueId| match consumers.get(&value).map(Vec::as_slice) {
        Some(&[only]) if !graph.outputs.contains(&value) => Some(only),
        _ => None,
    };
    let mut pairs = Vec::new();
    for node in &graph.nodes {
        let (Some(first), Some(mut value)) = (written(graph, node), node.output(0)) else { continue };
        // Along the functions that keep scales, to the layer that reads.
        let second = loop {
            let Some(reader) = alone(value).map(|at| &graph.nodes[at]) else { break None };
            if reader.input(0) != Some(value) {
                break None;
            }
            match reader.output(0) {
                Some(output) if keeps_scale(graph, reader) => value = output,
                _ => break read(graph, reader),
            }
        };
        let Some(second) = second else { continue };
        let channels = graph.initializers[&first.id].shape()[first.axis];
        let read = graph.initializers[&second.id].shape()[second.axis] * second.groups;
        let bias = node.input(2);
        let own = |id: ValueId| alone(id).is_some() && graph.initializers.contains_key(&id);
        let held = own(first.id) && own(second.id) && bias.is_none_or(own);
        let wide = bias.is_none_or(|b| graph.initializers.get(&b).is_some_and(|b| b.shape() == [channels]));
        if held && wide && channels == read {
            pairs.push(Pair { first, bias, second, channels });
        }
    }
    pairs
}

/// The weights of a layer, by the channels that it writes.
fn written(graph: &Graph, node: &Node) -> Option<Weights> {
    let id = node.input(1).filter(|id| graph.initializers.contains_key(id))?;
    match node.op.as_str() {
        "Conv" => Some(Weights { id, axis: 0, groups: 1 }),
        "Gemm" if is_plain(node) => Some(Weights { id, axis: usize::from(!is_transposed(node)), groups: 1 }),
        _ => None,
    }
}

/// The weights of a layer, by the channels that it reads.
fn read(graph: &Graph, node: &Node) -> Option<Weights> {
    let id = node.input(1).filter(|id| graph.initializers.contains_key(id))?;
    match node.op.as_str() {
        "Conv" => {
            let groups = usize::try_from(node.attributes.int("group").unwrap_or(1)).ok().filter(|&g| g > 0)?;
            Some(Weights { id, axis: 1, groups })
        }
        "Gemm" if is_plain(node) => Some(Weights { id, axis: usize::from(is_transposed(node)), groups: 1 }),
        _ => None,
    }
}

fn is_transposed(gemm: &Node) -> bool {
    gemm.attributes.int("transB").unwrap_or(0) != 0
}

fn is_plain(gemm: &Node) -> bool {
    let one = |name: &str| gemm.attributes.float(name).unwrap_or(1.0) == 1.0;
    one("alpha") && one("beta") && gemm.attributes.int("transA").unwrap_or(0) == 0
}

/// Whether a positive factor of a channel may be taken before the node as well as behind it.
fn keeps_scale(graph: &Graph, node: &Node) -> bool {
    match node.op.as_str() {
        "Relu" | "LeakyRelu" | "Identity" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => {
            node.outputs.len() == 1
        }
        // Rows of channels: nothing but places of one pixel.
        "Flatten" => {
            let shape = node.input(0).and_then(|v| graph.value(v).shape.as_ref()?.known());
            let pixels = |s: &[usize]| s.get(2..).is_some_and(|s| s.iter().product::<usize>() == 1);
            node.attributes.int("axis").unwrap_or(1) == 1 && shape.is_some_and(|s| pixels(&s))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{normal, uniform};
    use crate::{Options, Reference, quantize};
    use ocellus_graph::{Attributes, DataType};
    use ocellus_ops::{Builder, evaluate};

    const CHANNELS: usize = 6;

    /// Three convolutions, the second depthwise, and a classifier; channels between the first two differ a thousandfold.
    fn net() -> Model {
        let mut b = Builder::new("net");
        let mut y = b.input("x", DataType::F32, &[1, 3, 6, 6]);
        for (k, (inputs, group)) in [(3, 1), (1, CHANNELS), (CHANNELS, 1)].into_iter().enumerate() {
            let mut values = normal(CHANNELS * inputs * 9, k as u64);
            if k == 0 {
                for (at, v) in values.iter_mut().enumerate() {
                    *v *= 10f32.powi((at / (inputs * 9)) as i32 % 4 - 3);
                }
            }
            let w = b.constant("w", Tensor::of(&[CHANNELS, inputs, 3, 3], values));
            let bias = b.constant("b", Tensor::vector(&uniform(CHANNELS, 40 + k as u64)));
            let attributes = Attributes::new().with("group", group as i64).with("pads", vec![1i64; 4]);
            y = b.apply_named("Conv", &[Some(y), Some(w), Some(bias)], attributes, 1).unwrap()[0];
            y = b.relu(y).unwrap();
        }
        for op in ["GlobalAveragePool", "Flatten"] {
            y = b.apply_named(op, &[Some(y)], Attributes::new(), 1).unwrap()[0];
        }
        let w = b.constant("w", Tensor::of(&[4, CHANNELS], normal(4 * CHANNELS, 9)));
        y = b.apply_named("Gemm", &[Some(y), Some(w)], Attributes::new().with("transB", 1i64), 1).unwrap()[0];
        b.output(y, "y");
        b.finish()
    }

    fn picture(seed: u64) -> Tensor {
        Tensor::of(&[1, 3, 6, 6], uniform(108, seed))
    }

    #[test]
    fn the_function_stays_and_ranges_meet() {
        let model = net();
        let mut equal = model.clone();
        assert_eq!(equalize(&mut equal), 3);
        for seed in 0..4 {
            let of = |model: &Model| evaluate(model, &[("x", picture(seed))]).unwrap()["y"].to_f32();
            for (a, b) in of(&model).iter().zip(of(&equal)) {
                assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{a} before, {b} after");
            }
        }
        for pair in pairs(&equal.graph) {
            let range = |w: Weights| ranges(&equal.graph.initializers[&w.id], w, pair.channels);
            for (a, b) in range(pair.first).iter().zip(range(pair.second)) {
                assert!((a / b - 1.0).abs() < 0.01, "{a} and {b}");
            }
        }
    }

    #[test]
    fn channels_of_unlike_ranges_gain() {
        let noise = |equalize: bool| {
            let mut batches = (0..8).map(|k| Ok(vec![("x".to_owned(), picture(k))]));
            let options = Options { equalize, ..Options::default() };
            let (_, report) = quantize(&net(), &options, &Reference, &mut batches).unwrap();
            assert_eq!(report.equalized, if equalize { 3 } else { 0 });
            report.outputs[0].sqnr_db.unwrap()
        };
        let (plain, equal) = (noise(false), noise(true));
        assert!(equal > plain + 2.0, "{equal} dB equalized, {plain} dB without");
    }

    #[test]
    fn what_does_not_keep_scales_or_is_read_elsewhere_is_left() {
        let mut relu6 = net();
        for node in relu6.graph.nodes.iter_mut().filter(|n| n.op == "Relu") {
            node.op = "Sigmoid".to_owned();
        }
        assert_eq!(equalize(&mut relu6), 0);
        let mut seen = net();
        let between = seen.graph.nodes[1].output(0).unwrap();
        seen.graph.outputs.push(between);
        assert_eq!(equalize(&mut seen), 2);
    }
}

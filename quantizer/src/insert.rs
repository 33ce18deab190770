//! Writes the integer graph: QuantizeLinear and DequantizeLinear around every integer node.

use std::collections::{HashMap, HashSet};

use ocellus_graph::{Attributes, DataType, Graph, Node, Shape, Tensor, ValueId};
use ocellus_ops::{OPS, OpDef, Role};

use crate::QuantizeError;
use crate::correct::Rounding;
use crate::params::{Activations, Params};
use crate::report::LayerScale;
use crate::select::{Operand, Treatment, scaled_output};
use crate::weights::{IntegerWeights, Surroundings, quantize_weights};

/// The integer graph, and where the values of the float graph are found in it.
pub struct Inserted {
    /// The graph.
    pub graph: Graph,
    /// For every value on 8 bits, the same value after its DequantizeLinear.
    pub dequantized: HashMap<ValueId, ValueId>,
    /// The scales of every integer node, in order.
    pub layers: Vec<LayerScale>,
    /// How the weights of layers with a bias were rounded.
    pub roundings: Vec<Rounding>,
}

/// Inserts the pairs.
///
/// # Errors
/// Weights that do not fit integers, by node and channel.
pub fn insert(
    float: &Graph,
    treatments: &[Treatment],
    params: &HashMap<ValueId, Params>,
) -> Result<Inserted, QuantizeError> {
    let mut writer = Writer::new(float, params)?;
    for &v in &float.inputs {
        writer.quantize(v);
    }
    for (i, (node, treatment)) in float.nodes.iter().zip(treatments).enumerate() {
        match treatment {
            Treatment::Float(_) => writer.float_node(node),
            Treatment::Clamp => writer.nodes.push(node.clone()),
            Treatment::Integer(operands, _) => {
                let output = scaled_output(float, treatments, i);
                writer.integer_node(i, operands, output)?;
            }
        }
        let integer = !matches!(treatment, Treatment::Float(_));
        for &v in node.outputs.iter().flatten() {
            if writer.quantize(v) && integer {
                writer.integer.insert(v);
            }
        }
    }
    Ok(writer.finish())
}

/// Integers of one constant in one scale: constant, axis, bits of the scales.
type ConstantKey = (ValueId, usize, Vec<u32>);

struct Writer<'a> {
    float: &'a Graph,
    params: &'a HashMap<ValueId, Params>,
    quantize: &'static OpDef,
    dequantize: &'static OpDef,
    graph: Graph,
    nodes: Vec<Node>,
    names: HashSet<String>,
    dequantized: HashMap<ValueId, ValueId>,
    /// Values that exist on 8 bits only: whoever reads them, reads them dequantized.
    integer: HashSet<ValueId>,
    constants: HashMap<ConstantKey, ValueId>,
    /// The scale and zero-point constants of a scale, shared by all values that have it.
    scales: HashMap<(u32, i32), [ValueId; 2]>,
    layers: Vec<LayerScale>,
    roundings: Vec<Rounding>,
}

fn of_role(role: Role) -> Result<&'static OpDef, QuantizeError> {
    OPS.iter().copied().find(|d| d.role == role && d.domain.is_empty()).ok_or_else(|| QuantizeError::Model {
        model: String::new(),
        problem: format!("the table of operators has none of role {role:?}"),
    })
}

impl<'a> Writer<'a> {
    fn new(float: &'a Graph, params: &'a HashMap<ValueId, Params>) -> Result<Self, QuantizeError> {
        let mut graph = float.clone();
        graph.nodes.clear();
        Ok(Self {
            float,
            params,
            quantize: of_role(Role::Quantize)?,
            dequantize: of_role(Role::Dequantize)?,
            names: graph.values.iter().map(|v| v.name.clone()).collect(),
            graph,
            nodes: Vec::new(),
            dequantized: HashMap::new(),
            integer: HashSet::new(),
            constants: HashMap::new(),
            scales: HashMap::new(),
            layers: Vec::new(),
            roundings: Vec::new(),
        })
    }

    fn free_name(&mut self, stem: String) -> String {
        let mut name = stem.clone();
        let mut n = 1;
        while !self.names.insert(name.clone()) {
            n += 1;
            name = format!("{stem}_{n}");
        }
        name
    }

    fn constant(&mut self, stem: String, tensor: Tensor) -> ValueId {
        let name = self.free_name(stem);
        self.graph.add_initializer(&name, tensor)
    }

    fn value(&mut self, stem: String, dtype: DataType, shape: Option<Shape>) -> ValueId {
        let name = self.free_name(stem);
        self.graph.add_value(&name, Some(dtype), shape)
    }

    /// Adds a node of one of the two operators; returns its output.
    fn pair_node(&mut self, op: &OpDef, inputs: [ValueId; 3], axis: Option<usize>, y: ValueId) {
        let name = format!("{}_{}", self.graph.value(y).name, op.name);
        let mut node = Node::new(op.name, inputs.map(Some), [Some(y)]);
        node.domain = op.domain.to_owned();
        node.name = self.free_name(name);
        if let Some(axis) = axis {
            node.attributes = Attributes::new().with("axis", axis as i64);
        }
        self.nodes.push(node);
    }

    /// Puts a pair behind a value that has a scale. Returns whether it has one.
    fn quantize(&mut self, v: ValueId) -> bool {
        let Some(&params) = self.params.get(&v) else { return false };
        let name = self.float.value(v).name.clone();
        let shape = self.float.value(v).shape.clone();
        let [scale, zero] = self.scale_constants(&name, params);
        let q = self.value(format!("{name}_quantized"), params.activations.dtype(), shape.clone());
        self.pair_node(self.quantize, [v, scale, zero], None, q);
        let back = self.value(format!("{name}_dequantized"), DataType::F32, shape);
        self.pair_node(self.dequantize, [q, scale, zero], None, back);
        self.dequantized.insert(v, back);
        true
    }

    fn scale_constants(&mut self, name: &str, params: Params) -> [ValueId; 2] {
        let key = (params.scale.to_bits(), params.zero_point);
        if let Some(&known) = self.scales.get(&key) {
            return known;
        }
        let scale = self.constant(format!("{name}_scale"), Tensor::scalar(params.scale));
        let zero = Tensor::from_i64(params.activations.dtype(), &[], &[params.zero_point.into()]);
        let zero = self.constant(format!("{name}_zero_point"), zero);
        self.scales.insert(key, [scale, zero]);
        [scale, zero]
    }

    /// A float node reads integers where there is nothing else.
    fn float_node(&mut self, node: &Node) {
        let mut node = node.clone();
        for v in node.inputs.iter_mut().flatten() {
            if self.integer.contains(v) {
                *v = self.dequantized[v];
            }
        }
        self.nodes.push(node);
    }

    fn integer_node(
        &mut self,
        index: usize,
        operands: &[Operand],
        output: Option<ValueId>,
    ) -> Result<(), QuantizeError> {
        let mut node = self.float.nodes[index].clone();
        let weights = self.weights(&node, operands, output)?;
        if let Some(weights) = &weights {
            self.roundings.extend(self.rounding(index, operands, weights));
        }
        for (i, operand) in operands.iter().enumerate() {
            let Some(v) = node.inputs[i] else { continue };
            node.inputs[i] = Some(match (operand, &weights) {
                (Operand::Activation, _) => self.dequantized.get(&v).copied().unwrap_or(v),
                (Operand::Constant, _) => self.constant_activation(v),
                (Operand::Weight(axis), Some(w)) => self.constant_integers(v, *axis, w.weights.clone(), &w.scales),
                (Operand::Bias, Some(w)) => {
                    let bias = Tensor::vector(w.bias.as_deref().unwrap_or_default());
                    self.constant_integers(v, 0, bias, &w.bias_scales)
                }
                _ if self.integer.contains(&v) => self.dequantized[&v],
                _ => v,
            });
        }
        self.layers.extend(self.layer(&node, output, weights.as_ref()));
        self.nodes.push(node);
        Ok(())
    }

    /// The integer weights of a node, where it has weights.
    fn weights(
        &self,
        node: &Node,
        operands: &[Operand],
        output: Option<ValueId>,
    ) -> Result<Option<IntegerWeights>, QuantizeError> {
        let place = operands.iter().enumerate().find_map(|(i, o)| match o {
            Operand::Weight(axis) => Some((i, *axis)),
            _ => None,
        });
        let constant = |i: usize| self.float.initializers.get(&node.input(i)?);
        let scale = |v: Option<ValueId>| self.params.get(&v?).copied();
        let Some((place, axis)) = place else { return Ok(None) };
        let (Some(weights), Some(input), Some(output)) = (constant(place), scale(node.input(0)), scale(output)) else {
            return Ok(None);
        };
        let channels = weights.shape()[axis];
        let bias = operands.iter().position(|o| *o == Operand::Bias).and_then(constant).map(|b| match b.to_f32()[..] {
            [one] => vec![one; channels],
            ref all => all.to_vec(),
        });
        let label = node.label();
        quantize_weights(weights, bias.as_deref(), Surroundings { node: &label, input, output, axis }).map(Some)
    }

    /// How the weights of a node with a bias were rounded.
    fn rounding(&self, index: usize, operands: &[Operand], integers: &IntegerWeights) -> Option<Rounding> {
        let node = &self.float.nodes[index];
        let bias = operands.iter().position(|o| *o == Operand::Bias)?;
        let (weights, axis) = operands.iter().enumerate().find_map(|(i, o)| match o {
            Operand::Weight(axis) => Some((i, *axis)),
            _ => None,
        })?;
        let float = self.float.initializers.get(&node.input(weights)?)?;
        Some(Rounding { node: index, weights, bias, error: integers.error(float, axis) })
    }

    /// A constant operand with one scale, from its own range.
    fn constant_activation(&mut self, v: ValueId) -> ValueId {
        let tensor = self.float.initializers[&v].clone();
        let activations = self.params.values().next().map_or(Activations::default(), |p| p.activations);
        let (low, high) = tensor.to_f32().iter().fold((0f32, 0f32), |(l, h), &x| (l.min(x), h.max(x)));
        let params = activations.params(low.into(), high.into());
        let key = (v, usize::MAX, vec![params.scale.to_bits()]);
        if let Some(&known) = self.constants.get(&key) {
            return known;
        }
        let name = self.float.value(v).name.clone();
        let [scale, zero] = self.scale_constants(&name, params);
        let q = self.constant(format!("{name}_quantized"), params.quantize_tensor(&tensor));
        let y = self.value(format!("{name}_dequantized"), DataType::F32, Some(Shape::fixed(tensor.shape())));
        self.pair_node(self.dequantize, [q, scale, zero], None, y);
        self.constants.insert(key, y);
        y
    }

    /// Integers with one scale per index of `axis` and zero points 0; nodes that share a constant in the same scales
    /// share its integers.
    fn constant_integers(&mut self, v: ValueId, axis: usize, integers: Tensor, scales: &[f32]) -> ValueId {
        let key = (v, axis, scales.iter().map(|s| s.to_bits()).collect());
        if let Some(&known) = self.constants.get(&key) {
            return known;
        }
        let name = self.float.value(v).name.clone();
        let zeros = Tensor::from_i64(integers.dtype(), &[scales.len()], &vec![0; scales.len()]);
        let shape = Shape::fixed(integers.shape());
        let q = self.constant(format!("{name}_quantized"), integers);
        let scale = self.constant(format!("{name}_scale"), Tensor::vector(scales));
        let zero = self.constant(format!("{name}_zero_point"), zeros);
        let y = self.value(format!("{name}_dequantized"), DataType::F32, Some(shape));
        self.pair_node(self.dequantize, [q, scale, zero], Some(axis), y);
        self.constants.insert(key, y);
        y
    }

    fn layer(&self, node: &Node, output: Option<ValueId>, weights: Option<&IntegerWeights>) -> Option<LayerScale> {
        let value = output?;
        let params = *self.params.get(&value)?;
        Some(LayerScale {
            node: crate::node_name(self.float, node).to_owned(),
            op: node.op.clone(),
            value,
            params,
            weights_sqnr_db: weights.and_then(|w| w.sqnr_db),
        })
    }

    /// Outputs of the model leave as floats under their own names.
    fn finish(mut self) -> Inserted {
        for k in 0..self.graph.outputs.len() {
            let v = self.graph.outputs[k];
            if !self.integer.contains(&v) {
                continue;
            }
            let back = self.dequantized[&v];
            let name = self.graph.value(v).name.clone();
            let raw = self.free_name(format!("{name}_raw"));
            self.graph.value_mut(v).name = raw;
            self.graph.value_mut(back).name = name;
            self.graph.outputs[k] = back;
        }
        self.graph.nodes = self.nodes;
        self.graph.remove_dead();
        let Self { graph, dequantized, layers, roundings, .. } = self;
        Inserted { graph, dequantized, layers, roundings }
    }
}

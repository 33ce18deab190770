//! The walk that lowers every node: values get device tensors, quantized ones int8 with scales.

use std::collections::HashMap;

use ocellus_graph::{DataType, Graph, Node, Shape, Tensor, ValueId};
use ocellus_ops::lower::{DeviceTensor, Fusion, LowerContext, LowerInput, Program, Quant, QuantizedConstant, TensorId};
use ocellus_ops::{Fold, FoldContext, OpDef, OpError, Role, ValueType, evaluate_node, find};
use ocellus_plan::args::element;

/// The lowered graph.
#[derive(Clone)]
pub(crate) struct Lowered {
    pub program: Program,
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
}

/// Lowers every node of a prepared graph. Inputs of rank 4 lie in the arena with channels last, or, if `plain`, in the
/// model's order.
pub(crate) fn lower(graph: &Graph, plain: bool) -> Result<Lowered, OpError> {
    let mut walk = Walk::new(graph);
    walk.plain = plain;
    let inputs = graph.inputs.iter().map(|&id| walk.input(id)).collect::<Result<_, _>>()?;
    for index in 0..graph.nodes.len() {
        if !walk.done[index] {
            walk.node(index)?;
        }
    }
    let outputs = graph.outputs.iter().map(|&id| walk.output(id)).collect::<Result<Vec<_>, _>>()?;
    let Walk { mut program, .. } = walk;
    program.remove_dead(&outputs);
    Ok(Lowered { program, inputs, outputs })
}

struct Walk<'a> {
    graph: &'a Graph,
    consumers: HashMap<ValueId, Vec<usize>>,
    program: Program,
    bindings: HashMap<ValueId, LowerInput>,
    done: Vec<bool>,
    plain: bool,
}

fn def_of(node: &Node) -> Result<&'static OpDef, OpError> {
    find(&node.domain, &node.op).ok_or_else(|| OpError::at(node, "is not a supported operator"))
}

/// The element of an ONNX type on the device, where it holds it.
pub(crate) fn device_element(dtype: DataType) -> Option<u32> {
    Some(match dtype {
        DataType::F32 => element::F32,
        DataType::I8 => element::I8,
        DataType::U8 => element::U8,
        DataType::I32 => element::I32,
        DataType::I64 => element::I64,
        DataType::Bool => element::BOOL,
        _ => return None,
    })
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph) -> Self {
        let constant = |(&id, t): (&ValueId, &Tensor)| (id, LowerInput::Constant(t.clone()));
        Self {
            graph,
            consumers: graph.consumers(),
            program: Program::default(),
            bindings: graph.initializers.iter().map(constant).collect(),
            done: vec![false; graph.nodes.len()],
            plain: false,
        }
    }

    fn type_of(&self, id: ValueId) -> Result<(Vec<usize>, DataType), OpError> {
        let value = self.graph.value(id);
        let shape = value.shape.as_ref().and_then(Shape::known);
        shape.zip(value.dtype).ok_or_else(|| {
            OpError::graph(
                &self.graph.name,
                format!("the shape of {:?} is not known: give it with --shape", value.name),
            )
        })
    }

    /// The nodes that read a value, where the graph itself does not give it out.
    fn readers(&self, id: ValueId) -> &[usize] {
        if self.graph.outputs.contains(&id) { &[] } else { self.consumers.get(&id).map_or(&[], Vec::as_slice) }
    }

    /// The tensor of a graph input: int8 where all that reads it is one quantization or dequantization.
    fn input(&mut self, id: ValueId) -> Result<TensorId, OpError> {
        let (shape, dtype) = self.type_of(id)?;
        let name = &self.graph.value(id).name;
        let unheld =
            || OpError::graph(&self.graph.name, format!("input {name:?} is {dtype}, which the device does not hold"));
        let mut tensor = DeviceTensor::new(device_element(dtype).ok_or_else(unheld)?, &shape, None);
        tensor.plain = self.plain && shape.len() == 4;
        let readers = self.readers(id).to_vec();
        let wanted = if dtype == DataType::F32 { Role::Quantize } else { Role::Dequantize };
        let quants: Vec<Option<Quant>> = readers.iter().map(|&r| self.quant_of(r, wanted)).collect();
        if let Some(Some(quant)) = quants.first()
            && quants.iter().all(|q| q == &Some(*quant))
        {
            (tensor.element, tensor.quant) = (element::I8, Some(*quant));
        }
        let tensor = self.program.add(tensor);
        self.bindings.insert(id, LowerInput::Value(tensor));
        Ok(tensor)
    }

    fn output(&mut self, id: ValueId) -> Result<TensorId, OpError> {
        let node = Node::default();
        match self.bindings.get(&id).cloned() {
            Some(LowerInput::Value(t)) if self.program.tensors[self.program.root(t)].constant.is_none() => Ok(t),
            Some(binding @ (LowerInput::Constant(_) | LowerInput::Quantized(_) | LowerInput::Value(_))) => {
                // A constant output is copied into the arena at every run.
                let (shape, dtype) = self.type_of(id)?;
                let mut ctx =
                    context(&node, vec![binding], vec![shape.clone()], vec![(shape, dtype)], &mut self.program);
                let x = ctx.any(0)?;
                let y = ctx.copy_of(x)?;
                Ok(y)
            }
            _ => {
                let name = &self.graph.value(id).name;
                Err(OpError::graph(&self.graph.name, format!("nothing makes output {name:?}")))
            }
        }
    }

    fn constant(&self, node: &Node, index: usize) -> Option<&Tensor> {
        match self.bindings.get(&node.input(index)?)? {
            LowerInput::Constant(t) => Some(t),
            _ => None,
        }
    }

    /// Scale and zero point of a per-tensor 8-bit (de)quantization at node `index`.
    fn quant_of(&self, index: usize, role: Role) -> Option<Quant> {
        let node = &self.graph.nodes[index];
        if def_of(node).ok()?.role != role {
            return None;
        }
        let scale = self.constant(node, 1)?;
        let (zero, dtype) = match node.input(2) {
            Some(_) => {
                let zero = self.constant(node, 2)?;
                (zero.to_i64(), zero.dtype())
            }
            None => (vec![0], self.stored_type(node, role)?),
        };
        if scale.len() != 1 || zero.len() != 1 {
            return None;
        }
        let shift = match dtype {
            DataType::U8 => 128,
            DataType::I8 => 0,
            _ => return None,
        };
        Some(Quant { scale: scale.to_f32()[0], zero_point: (zero[0] - shift) as i32 })
    }

    fn stored_type(&self, node: &Node, role: Role) -> Option<DataType> {
        let side = if role == Role::Quantize { node.output(0) } else { node.input(0) };
        self.graph.value(side?).dtype
    }

    fn node(&mut self, index: usize) -> Result<(), OpError> {
        let node = &self.graph.nodes[index];
        let def = def_of(node)?;
        self.done[index] = true;
        if def.role == Role::Dequantize && self.dequantize_constant(node)? {
            return Ok(());
        }
        let inputs: Vec<LowerInput> = (node.inputs.iter())
            .map(|id| id.and_then(|id| self.bindings.get(&id).cloned()).unwrap_or(LowerInput::Absent))
            .collect();
        if inputs.iter().all(|i| !matches!(i, LowerInput::Value(_))) {
            return self.evaluate(node, &inputs);
        }
        match def.role {
            Role::Quantize => self.quantize(index),
            Role::Dequantize => self.dequantize(index),
            Role::Compute => self.compute(node, def, inputs),
        }
    }

    /// A node whose inputs are all constants.
    fn evaluate(&mut self, node: &Node, inputs: &[LowerInput]) -> Result<(), OpError> {
        let tensors: Vec<Option<Tensor>> = (inputs.iter())
            .map(|i| match i {
                LowerInput::Constant(t) => Some(t.clone()),
                LowerInput::Quantized(q) => Some(q.dequantized()),
                _ => None,
            })
            .collect();
        let outputs = evaluate_node(node, &tensors.iter().map(Option::as_ref).collect::<Vec<_>>())?;
        for (id, tensor) in node.outputs.iter().zip(outputs) {
            if let Some(id) = id {
                self.bindings.insert(*id, LowerInput::Constant(tensor));
            }
        }
        Ok(())
    }

    /// A dequantized constant keeps its integers. Says whether it was one.
    fn dequantize_constant(&mut self, node: &Node) -> Result<bool, OpError> {
        let (Some(values), Some(scales)) = (self.constant(node, 0), self.constant(node, 1)) else { return Ok(false) };
        let scales = scales.to_f32();
        let zero_points = match self.constant(node, 2) {
            Some(zero) => zero.to_i64().iter().map(|&z| z as i32).collect(),
            None => vec![0; scales.len()],
        };
        let rank = values.rank();
        let axis = node.attributes.int("axis").unwrap_or(1);
        let blocked = node.attributes.int("block_size").unwrap_or(0) != 0;
        let axis = if scales.len() == 1 {
            Some(0)
        } else {
            usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok()
        };
        let fits = axis.is_some_and(|a| scales.len() == 1 || values.shape().get(a) == Some(&scales.len()));
        if blocked || !fits || zero_points.len() != scales.len() {
            return Ok(false);
        }
        let constant = QuantizedConstant { values: values.clone(), scales, zero_points, axis: axis.unwrap_or(0) };
        if let Some(id) = node.output(0) {
            self.bindings.insert(id, LowerInput::Quantized(constant));
        }
        Ok(true)
    }

    fn tensor_at(&self, node: &Node) -> Result<TensorId, OpError> {
        match node.input(0).and_then(|id| self.bindings.get(&id)) {
            Some(LowerInput::Value(t)) => Ok(*t),
            _ => Err(OpError::at(node, "input 0 is missing")),
        }
    }

    fn required_quant(&self, index: usize, role: Role) -> Result<Quant, OpError> {
        let node = &self.graph.nodes[index];
        let quant = self.quant_of(index, role);
        quant.filter(|q| q.scale.is_normal() && q.scale > 0.0).ok_or_else(|| {
            OpError::at(node, "activations need one constant positive scale and an 8-bit zero point on the device")
        })
    }

    fn quantize(&mut self, index: usize) -> Result<(), OpError> {
        let node = &self.graph.nodes[index];
        let quant = self.required_quant(index, Role::Quantize)?;
        let x = self.tensor_at(node)?;
        let (shape, dtype) = (self.program.tensors[x].shape.clone(), DataType::I8);
        let y = match self.program.tensors[x].quant {
            Some(same) if same == quant => x,
            from => {
                let outputs = vec![(shape.clone(), dtype)];
                let mut ctx = context(node, vec![LowerInput::Value(x)], vec![shape], outputs, &mut self.program);
                if from.is_some() {
                    let y = ctx.bind_new(0, element::I8, Some(quant));
                    ctx.program.tensors[y].plain = ctx.program.tensors[x].plain;
                    ctx.table(x, y, |v| v)?;
                    y
                } else {
                    ctx.quantize(x, quant)
                }
            }
        };
        self.bind(node.output(0), y);
        Ok(())
    }

    fn dequantize(&mut self, index: usize) -> Result<(), OpError> {
        let node = &self.graph.nodes[index];
        let quant = self.required_quant(index, Role::Dequantize)?;
        let x = self.tensor_at(node)?;
        let y = match self.program.tensors[x].quant {
            Some(same) if same == quant => x,
            _ if self.program.tensors[x].element == element::I8 => {
                let mut view = self.program.tensors[x].clone();
                (view.quant, view.alias, view.constant) = (Some(quant), Some(x), None);
                self.program.add(view)
            }
            _ => return Err(OpError::at(node, "dequantizes integers that are neither int8 nor uint8")),
        };
        self.bind(node.output(0), y);
        Ok(())
    }

    fn bind(&mut self, id: Option<ValueId>, tensor: TensorId) {
        if let Some(id) = id {
            self.bindings.insert(id, LowerInput::Value(tensor));
        }
    }

    /// What follows the node: the places of a clamp and of a quantization, and what they ask for.
    fn following(&self, node: &Node) -> (Fusion, Option<usize>, Option<usize>) {
        let mut fusion = Fusion::default();
        let (mut clamp, mut quantize) = (None, None);
        let Some(mut value) = node.output(0) else { return (fusion, clamp, quantize) };
        if let [reader] = *self.readers(value)
            && let Some(limits) = self.limits(reader)
        {
            (fusion.clamp, clamp) = (Some(limits), Some(reader));
            value = self.graph.nodes[reader].output(0).unwrap_or(value);
        }
        if let [reader] = *self.readers(value)
            && let Some(quant) = self.quant_of(reader, Role::Quantize)
        {
            (fusion.quant, quantize) = (Some(quant), Some(reader));
        }
        (fusion, clamp, quantize)
    }

    fn limits(&self, index: usize) -> Option<(f32, f32)> {
        let node = &self.graph.nodes[index];
        let Fold::Clamp(rule) = def_of(node).ok()?.fold else { return None };
        let constants: Vec<Option<Tensor>> = (0..node.inputs.len()).map(|i| self.constant(node, i).cloned()).collect();
        let types: Vec<Option<ValueType>> = vec![None; node.inputs.len()];
        rule(&FoldContext { node, constants: &constants, types: &types })
    }

    fn compute(&mut self, node: &'a Node, def: &OpDef, inputs: Vec<LowerInput>) -> Result<(), OpError> {
        let rule = def.lower.ok_or_else(|| OpError::at(node, "has no form on the device"))?;
        let (fusion, clamp, quantize) = self.following(node);
        let shape = |id: &Option<ValueId>| id.map_or(Ok(Vec::new()), |id| self.type_of(id).map(|t| t.0));
        let input_shapes = node.inputs.iter().map(shape).collect::<Result<Vec<_>, _>>()?;
        let output = |id: &Option<ValueId>| id.map_or(Ok((Vec::new(), DataType::F32)), |id| self.type_of(id));
        let outputs = node.outputs.iter().map(output).collect::<Result<Vec<_>, _>>()?;
        let mut ctx = context(node, inputs, input_shapes, outputs, &mut self.program);
        ctx.fusion = fusion;
        rule(&mut ctx)?;
        let (bound, taken) = (ctx.bound, ctx.taken);
        for (id, tensor) in node.outputs.iter().zip(&bound) {
            match (id, tensor) {
                (Some(id), Some(tensor)) => self.bind(Some(*id), *tensor),
                (Some(id), None) => {
                    let name = &self.graph.value(*id).name;
                    return Err(OpError::at(node, format!("output {name:?} is not made on the device")));
                }
                (None, _) => {}
            }
        }
        // What was fused is done: its outputs are this node's.
        let Some(Some(tensor)) = bound.first().copied() else { return Ok(()) };
        if let (Some(index), true) = (clamp, taken.0) {
            self.finish(index, tensor);
        }
        if let (Some(index), true) = (quantize, taken.1) {
            self.finish(index, tensor);
        }
        Ok(())
    }

    fn finish(&mut self, index: usize, tensor: TensorId) {
        self.done[index] = true;
        self.bind(self.graph.nodes[index].output(0), tensor);
    }
}

fn context<'a>(
    node: &'a Node,
    inputs: Vec<LowerInput>,
    input_shapes: Vec<Vec<usize>>,
    outputs: Vec<(Vec<usize>, DataType)>,
    program: &'a mut Program,
) -> LowerContext<'a> {
    let bound = vec![None; outputs.len()];
    LowerContext {
        node,
        inputs,
        input_shapes,
        outputs,
        fusion: Fusion::default(),
        program,
        bound,
        taken: (false, false),
    }
}

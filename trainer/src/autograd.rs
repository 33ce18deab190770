//! Gradients from graph to graph: the rules of operators emit ordinary nodes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ocellus_graph::{Node, Tensor, ValueId};
use ocellus_ops::{Builder, GradContext, OpError, find};

/// A gradient rule in the form that operators have: one entry per input of the node.
pub type NodeRule = Arc<dyn Fn(&mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> + Send + Sync>;

/// A gradient rule of a whole expression: from the gradient of its output to one entry per input.
pub type ExpressionRule = Arc<dyn Fn(&mut Builder, ValueId) -> Result<Vec<Option<ValueId>>, OpError> + Send + Sync>;

/// Rules that go before those of the operators.
#[derive(Clone, Default)]
pub struct GradientTable {
    by_value: HashMap<ValueId, (Vec<ValueId>, ExpressionRule)>,
    by_node: HashMap<String, NodeRule>,
    by_operator: HashMap<String, NodeRule>,
}

impl GradientTable {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// A rule for an expression of any number of nodes: the gradient of `output` goes straight to `inputs`, and the
    /// nodes between are not asked. `inputs` have to be all values that `output` depends on.
    pub fn set_expression(&mut self, output: ValueId, inputs: &[ValueId], rule: ExpressionRule) {
        self.by_value.insert(output, (inputs.to_vec(), rule));
    }

    /// No gradient flows back through `value`.
    pub fn stop(&mut self, value: ValueId) {
        self.set_expression(value, &[], Arc::new(|_, _| Ok(Vec::new())));
    }

    /// A rule for the node of this name.
    pub fn set_node(&mut self, name: &str, rule: NodeRule) {
        self.by_node.insert(name.to_owned(), rule);
    }

    /// A rule for every node of this operator.
    pub fn set_operator(&mut self, operator: &str, rule: NodeRule) {
        self.by_operator.insert(operator.to_owned(), rule);
    }

    fn expression(&self, node: &Node) -> Option<(ValueId, &(Vec<ValueId>, ExpressionRule))> {
        node.outputs.iter().flatten().find_map(|&v| self.by_value.get(&v).map(|rule| (v, rule)))
    }

    fn rule(&self, node: &Node) -> Result<NodeRule, OpError> {
        if let Some(rule) = self.by_node.get(&node.name).or_else(|| self.by_operator.get(&node.op)) {
            return Ok(Arc::clone(rule));
        }
        let rule = find(&node.domain, &node.op).and_then(|def| def.grad).ok_or_else(|| {
            OpError::at(node, "has no gradient rule; register one, or keep what needs a gradient away from it")
        })?;
        Ok(Arc::new(rule))
    }
}

/// Appends the gradients of a scalar with respect to any values: parameters, inputs or values between. `None` where
/// the scalar does not depend on a value, or only through operators that let nothing through.
///
/// # Errors
/// A value that is no scalar, a node without a rule, or a rule that fails.
pub fn gradients(
    builder: &mut Builder,
    scalar: ValueId,
    wrt: &[ValueId],
    table: &GradientTable,
) -> Result<Vec<Option<ValueId>>, OpError> {
    let shape = builder.shape(scalar)?;
    if shape.iter().product::<usize>() != 1 {
        let name = builder.graph().value(scalar).name.clone();
        let problem = format!("gradients are taken of a scalar; {name:?} has shape {shape:?}");
        return Err(OpError::graph(&builder.graph().name, problem));
    }
    let one = Tensor::full(builder.dtype(scalar)?, &shape, 1.0);
    let seed = builder.constant("gradient_seed", one);
    gradients_from(builder, &[(scalar, seed)], wrt, table)
}

/// As [`gradients`], of `Σ output * cotangent` over any outputs.
///
/// # Errors
/// A node without a rule, or a rule that fails.
pub fn gradients_from(
    builder: &mut Builder,
    outputs: &[(ValueId, ValueId)],
    wrt: &[ValueId],
    table: &GradientTable,
) -> Result<Vec<Option<ValueId>>, OpError> {
    let nodes = builder.graph().nodes.clone();
    let needed = needed(&nodes, wrt, table);
    let mut grads: HashMap<ValueId, ValueId> = HashMap::new();
    for &(output, cotangent) in outputs {
        accumulate(builder, &mut grads, output, cotangent)?;
    }
    for node in nodes.iter().rev() {
        if !node.outputs.iter().flatten().any(|v| grads.contains_key(v) && needed.contains(v)) {
            continue;
        }
        if let Some((output, (inputs, rule))) = table.expression(node) {
            let Some(&grad) = grads.get(&output) else { continue };
            let parts = rule(builder, grad)?;
            check_count(node, parts.len(), inputs.len())?;
            for (&input, part) in inputs.iter().zip(parts).filter(|(v, _)| needed.contains(v)) {
                if let Some(part) = part {
                    accumulate(builder, &mut grads, input, part)?;
                }
            }
            continue;
        }
        let needs: Vec<bool> = node.inputs.iter().map(|v| v.is_some_and(|v| needed.contains(&v))).collect();
        let output_grads = node.outputs.iter().map(|v| v.and_then(|v| grads.get(&v).copied())).collect();
        let rule = table.rule(node)?;
        let mut context = GradContext { builder, node: node.clone(), output_grads, needs: needs.clone() };
        let parts = rule(&mut context)?;
        for ((input, part), need) in node.inputs.iter().zip(parts).zip(needs) {
            if let (&Some(input), Some(part), true) = (input, part, need) {
                accumulate(builder, &mut grads, input, part)?;
            }
        }
    }
    Ok(wrt.iter().map(|v| grads.get(v).copied()).collect())
}

/// The values that depend on one of `wrt`: only these need a gradient.
fn needed(nodes: &[Node], wrt: &[ValueId], table: &GradientTable) -> HashSet<ValueId> {
    let mut needed: HashSet<ValueId> = wrt.iter().copied().collect();
    for node in nodes {
        let depends = match table.expression(node) {
            Some((_, (inputs, _))) => inputs.iter().any(|v| needed.contains(v)),
            None => node.inputs.iter().flatten().any(|v| needed.contains(v)),
        };
        if depends {
            needed.extend(node.outputs.iter().flatten());
        }
    }
    needed
}

fn accumulate(
    builder: &mut Builder,
    grads: &mut HashMap<ValueId, ValueId>,
    value: ValueId,
    part: ValueId,
) -> Result<(), OpError> {
    let (expected, found) = (builder.shape(value)?, builder.shape(part)?);
    if expected != found {
        let name = builder.graph().value(value).name.clone();
        let problem = format!("the gradient of {name:?} has shape {found:?}, the value {expected:?}");
        return Err(OpError::graph(&builder.graph().name, problem));
    }
    let sum = match grads.get(&value) {
        Some(&other) => builder.add(other, part)?,
        None => part,
    };
    grads.insert(value, sum);
    Ok(())
}

fn check_count(node: &Node, found: usize, expected: usize) -> Result<(), OpError> {
    if found == expected {
        return Ok(());
    }
    Err(OpError::at(node, format!("its own gradient rule returned {found} gradients for {expected} inputs")))
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;
    use ocellus_ops::evaluate_values;

    use super::*;

    fn value(b: &Builder, x: &[f64], wanted: ValueId) -> Vec<f64> {
        evaluate_values(b.graph(), &[("x", Tensor::vector(x))]).expect("evaluates")[&wanted].to_f64()
    }

    #[test]
    fn accumulates_over_every_use() {
        // y = Σ (x * x + x), dy/dx = 2 x + 1.
        let mut b = Builder::new("square");
        let x = b.input("x", DataType::F64, &[3]);
        let square = b.mul(x, x).unwrap();
        let sum = b.add(square, x).unwrap();
        let y = b.reduce_sum(sum, &[0], false).unwrap();
        let grads = gradients(&mut b, y, &[x, square], &GradientTable::new()).unwrap();
        assert_eq!(value(&b, &[1.0, -2.0, 0.5], grads[0].unwrap()), [3.0, -3.0, 2.0]);
        assert_eq!(value(&b, &[1.0, -2.0, 0.5], grads[1].unwrap()), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn only_what_is_needed() {
        let mut b = Builder::new("two");
        let x = b.input("x", DataType::F64, &[2]);
        let w = b.input("w", DataType::F64, &[2]);
        let exp = b.exp(x).unwrap();
        let product = b.mul(exp, w).unwrap();
        let y = b.reduce_sum(product, &[0], false).unwrap();
        let before = b.graph().nodes.len();
        let grads = gradients(&mut b, y, &[w], &GradientTable::new()).unwrap();
        assert!(grads[0].is_some());
        let unused = b.input("unused", DataType::F64, &[2]);
        assert_eq!(gradients(&mut b, y, &[unused], &GradientTable::new()).unwrap(), [None]);
        // Nothing was emitted for `exp`: its input needs no gradient.
        assert!(b.graph().nodes[before..].iter().all(|n| !n.inputs.contains(&Some(x))));
    }

    #[test]
    fn hand_given_rules_go_first() {
        let mut b = Builder::new("custom");
        let x = b.input("x", DataType::F64, &[2]);
        let square = b.mul(x, x).unwrap();
        let double = b.add(square, square).unwrap();
        let y = b.reduce_sum(double, &[0], false).unwrap();
        let mut table = GradientTable::new();
        table.set_expression(double, &[x], Arc::new(|b, g| Ok(vec![Some(b.neg(g)?)])));
        let grads = gradients(&mut b, y, &[x], &table).unwrap();
        assert_eq!(value(&b, &[5.0, 6.0], grads[0].unwrap()), [-1.0, -1.0]);
        let mut table = GradientTable::new();
        table.set_operator(
            "Add",
            Arc::new(|ctx| {
                let g = ctx.grad()?;
                Ok(vec![Some(g), None])
            }),
        );
        let grads = gradients(&mut b, y, &[x], &table).unwrap();
        assert_eq!(value(&b, &[5.0, 6.0], grads[0].unwrap()), [10.0, 12.0]);
        let mut table = GradientTable::new();
        table.stop(square);
        assert_eq!(gradients(&mut b, y, &[x], &table).unwrap(), [None]);
    }

    #[test]
    fn mistakes_are_named() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F64, &[2]);
        let y = b.exp(x).unwrap();
        assert!(gradients(&mut b, y, &[x], &GradientTable::new()).unwrap_err().to_string().contains("[2]"));
        let sum = b.reduce_sum(y, &[0], false).unwrap();
        let mut table = GradientTable::new();
        table.set_expression(y, &[x], Arc::new(|_, _| Ok(vec![])));
        assert!(gradients(&mut b, sum, &[x], &table).unwrap_err().to_string().contains("0 gradients for 1"));
        table.set_expression(y, &[x], Arc::new(|b, g| Ok(vec![Some(b.reduce_sum(g, &[0], true)?)])));
        assert!(gradients(&mut b, sum, &[x], &table).unwrap_err().to_string().contains("shape [1]"));
    }
}

//! Checks that operator tests share: evaluate one expression, hold its gradient against finite differences in f64.
//!
//! Public, so that the workspace's gradient tests use the same yardstick on whole expressions.

use std::collections::HashMap;

use ocellus_graph::{DataType, Tensor, ValueId};

use crate::{Builder, GradContext, OpError, evaluate_values, find};

/// Builds an expression from input values.
pub type Expression<'a> = dyn Fn(&mut Builder, &[ValueId]) -> Result<ValueId, OpError> + 'a;

fn build(expression: &Expression, inputs: &[Tensor]) -> (Builder, Vec<ValueId>, ValueId) {
    let mut b = Builder::new("check");
    let ids: Vec<_> =
        (inputs.iter().enumerate()).map(|(i, t)| b.input(&format!("x{i}"), t.dtype(), t.shape())).collect();
    let y = expression(&mut b, &ids).expect("the expression builds");
    (b, ids, y)
}

fn run(b: &Builder, inputs: &[Tensor], wanted: ValueId) -> Tensor {
    let names: Vec<String> = (0..inputs.len()).map(|i| format!("x{i}")).collect();
    let given: Vec<_> = names.iter().map(String::as_str).zip(inputs.iter().cloned()).collect();
    let values = evaluate_values(b.graph(), &given).expect("the expression evaluates");
    values[&wanted].clone()
}

/// The value of an expression.
///
/// # Panics
/// Where it does not build or evaluate.
pub fn eval(expression: impl Fn(&mut Builder, &[ValueId]) -> Result<ValueId, OpError>, inputs: &[Tensor]) -> Tensor {
    let (b, _, y) = build(&expression, inputs);
    run(&b, inputs, y)
}

/// Reproducible numbers in [-1, 1), evenly spread and none of them 0, so that finite differences of up to a thousand of
/// them cross no kink of a maximum or at zero.
pub fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order.into_iter().map(|k| (2.0 * k as f64 + 1.25) / count as f64 - 1.0).collect()
}

/// Appends the gradients of `Σ y * cotangent` with respect to `inputs` by the operators' rules, walking backwards.
///
/// # Errors
/// A node without a rule, or one whose rule fails.
pub fn backward(
    b: &mut Builder,
    y: ValueId,
    cotangent: ValueId,
    inputs: &[ValueId],
) -> Result<Vec<Option<ValueId>>, OpError> {
    let mut grads: HashMap<ValueId, ValueId> = HashMap::from([(y, cotangent)]);
    let mut needed: std::collections::HashSet<ValueId> = inputs.iter().copied().collect();
    let nodes = b.graph().nodes.clone();
    for node in &nodes {
        if node.inputs.iter().flatten().any(|v| needed.contains(v)) {
            needed.extend(node.outputs.iter().flatten());
        }
    }
    for node in nodes.iter().rev() {
        let needs: Vec<bool> = node.inputs.iter().map(|v| v.is_some_and(|v| needed.contains(&v))).collect();
        let output_grads: Vec<_> = node.outputs.iter().map(|v| v.and_then(|v| grads.get(&v).copied())).collect();
        if !needs.contains(&true) || output_grads.iter().all(Option::is_none) {
            continue;
        }
        let rule =
            find(&node.domain, &node.op).and_then(|d| d.grad).ok_or_else(|| OpError::at(node, "has no gradient"))?;
        let parts = rule(&mut GradContext { builder: b, node: node.clone(), output_grads, needs: needs.clone() })?;
        for ((input, part), need) in node.inputs.iter().zip(parts).zip(needs) {
            let (Some(input), Some(part), true) = (input, part, need) else { continue };
            let sum = match grads.get(input) {
                Some(&other) => b.add(other, part)?,
                None => part,
            };
            grads.insert(*input, sum);
        }
    }
    Ok(inputs.iter().map(|v| grads.get(v).copied()).collect())
}

/// Holds the gradient rules of an expression against central differences in f64, on inputs of these shapes.
///
/// # Panics
/// Where a gradient is missing or differs by more than 1e-6 of its size.
pub fn gradient(expression: impl Fn(&mut Builder, &[ValueId]) -> Result<ValueId, OpError>, shapes: &[&[usize]]) {
    let inputs: Vec<_> =
        (shapes.iter().enumerate()).map(|(i, s)| Tensor::of(s, numbers(s.iter().product(), i as u64 + 7))).collect();
    gradient_at(expression, &inputs);
}

/// As [`gradient`], at these inputs; only those of type f64 are differentiated.
///
/// # Panics
/// As [`gradient`].
pub fn gradient_at(expression: impl Fn(&mut Builder, &[ValueId]) -> Result<ValueId, OpError>, inputs: &[Tensor]) {
    let (mut b, ids, y) = build(&expression, inputs);
    let shape = b.shape(y).expect("known sizes");
    let weights = numbers(shape.iter().product(), 99);
    let cotangent = b.constant("cotangent", Tensor::of(&shape, weights.clone()));
    let wanted: Vec<_> = ids.iter().zip(inputs).filter(|(_, t)| t.dtype() == DataType::F64).map(|(&v, _)| v).collect();
    let grads = backward(&mut b, y, cotangent, &wanted).expect("the gradient builds");
    let loss =
        |inputs: &[Tensor]| -> f64 { run(&b, inputs, y).to_f64().iter().zip(&weights).map(|(a, w)| a * w).sum() };
    let places: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].dtype() == DataType::F64).collect();
    for (place, grad) in places.into_iter().zip(grads) {
        let grad = grad.unwrap_or_else(|| panic!("no gradient reaches input {place}"));
        let found = run(&b, inputs, grad);
        assert_eq!(found.shape(), inputs[place].shape(), "shape of the gradient of input {place}");
        let found = found.to_f64();
        for (k, &found) in found.iter().enumerate() {
            let step = 1e-5;
            let nudged = |by: f64| {
                let mut moved = inputs.to_vec();
                if let Some(v) = moved[place].view_mut::<f64>() {
                    v[k] += by;
                }
                loss(&moved)
            };
            let expected = (nudged(step) - nudged(-step)) / (2.0 * step);
            let bound = 1e-6 * (1.0 + expected.abs().max(found.abs()));
            assert!((found - expected).abs() <= bound, "input {place}[{k}]: rule {found}, differences {expected}");
        }
    }
}

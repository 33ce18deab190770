//! Products of a tensor with a function of itself, which are functions of one operand.

use ocellus_plan::args::{Binary, BinaryFunction, Unary, UnaryFunction, element};
use ocellus_plan::{Arguments, Reader};

use crate::OpError;
use crate::lower::unary::apply;
use crate::lower::{Constant, LowerContext, Program, TensorId};

/// Lowers a product of input 0, `a`, and input 1 where it is such a function; says whether it was one.
pub(super) fn gated(ctx: &mut LowerContext, a: TensorId) -> Result<bool, OpError> {
    if !ctx.has(1) || ctx.has(2) {
        return Ok(false);
    }
    let b = ctx.float_stored(1)?;
    let program = &*ctx.program;
    let found = [(a, b), (b, a)].into_iter().find_map(|(x, gate)| Some((x, gate_of(program, x, gate)?)));
    let Some((x, function)) = found.or_else(|| gelu_of(program, [a, b])) else { return Ok(false) };
    let y = apply(ctx, function, x, 0.0, 0.0);
    ctx.bind(0, y);
    Ok(true)
}

/// The step that makes a tensor, as these arguments.
fn made<A: Arguments>(program: &Program, tensor: TensorId) -> Option<(A, [Option<TensorId>; 2])> {
    let step = program.producer(tensor).filter(|step| step.code == A::CODE)?;
    let read = |k: usize| step.reads.get(k).copied().flatten();
    Some((Reader::new(&step.args).get()?, [read(0), read(1)]))
}

/// `x * sigmoid(x)` and `x * hard_sigmoid(x)` with 1/6 and 1/2.
fn gate_of(program: &Program, x: TensorId, gate: TensorId) -> Option<UnaryFunction> {
    let (Unary { function, alpha, beta, .. }, [read, _]) = made(program, gate)?;
    match UnaryFunction::from_number(function).filter(|_| read == Some(x))? {
        UnaryFunction::Sigmoid => Some(UnaryFunction::Silu),
        UnaryFunction::HardSigmoid if (alpha, beta) == (1.0 / 6.0, 0.5) => Some(UnaryFunction::HardSwish),
        _ => None,
    }
}

/// The operands of a function of two tensors, not clamped.
fn operands(program: &Program, tensor: TensorId, function: BinaryFunction) -> Option<[TensorId; 2]> {
    let (args, [a, b]): (Binary, _) = made(program, tensor)?;
    let plain = (args.low, args.high) == (f32::NEG_INFINITY, f32::INFINITY);
    (args.function == function as u32 && plain).then_some([a?, b?])
}

/// The value of a constant of one element.
fn number(program: &Program, tensor: TensorId) -> Option<f32> {
    let tensor = &program.tensors[program.root(tensor)];
    match &tensor.constant {
        Some(Constant::Bytes(bytes)) if tensor.element == element::F32 => {
            Some(f32::from_le_bytes(bytes.as_slice().try_into().ok()?))
        }
        _ => None,
    }
}

/// The operand beside a constant of about this value, in a function whose operands may change places.
fn beside(program: &Program, [a, b]: [TensorId; 2], value: f32) -> Option<TensorId> {
    let is = |tensor| number(program, tensor).is_some_and(|found| (found - value).abs() <= value * 1e-6);
    [(a, b), (b, a)].into_iter().find(|&(_, constant)| is(constant)).map(|(other, _)| other)
}

/// `x * (1 + erf(x / √2)) * 0.5` in any order: the last of the products is that of these operands.
fn gelu_of(program: &Program, [a, b]: [TensorId; 2]) -> Option<(TensorId, UnaryFunction)> {
    let product = |tensor| operands(program, tensor, BinaryFunction::Mul);
    let orders = [(a, b), (b, a)].into_iter().filter_map(|(inner, outer)| Some((product(inner)?, outer)));
    orders.flat_map(|([c, d], e)| [[c, d, e], [c, e, d], [d, e, c]]).find_map(|[p, q, half]| {
        beside(program, [p, half], 0.5)?;
        let x = [(p, q), (q, p)].into_iter().find(|&(x, gate)| doubled_normal(program, gate) == Some(x))?.0;
        Some((x, UnaryFunction::Gelu))
    })
}

/// The `x` of a tensor `1 + erf(x / √2)`.
fn doubled_normal(program: &Program, gate: TensorId) -> Option<TensorId> {
    let erf = beside(program, operands(program, gate, BinaryFunction::Add)?, 1.0)?;
    let (Unary { function, .. }, [scaled, _]) = made(program, erf)?;
    let scaled = scaled.filter(|_| function == UnaryFunction::Erf as u32)?;
    if let Some([x, divisor]) = operands(program, scaled, BinaryFunction::Div) {
        return beside(program, [x, divisor], core::f32::consts::SQRT_2).filter(|&found| found == x);
    }
    beside(program, operands(program, scaled, BinaryFunction::Mul)?, core::f32::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::Broadcast;

    use super::*;
    use crate::lower::DeviceTensor;

    fn tensor(p: &mut Program, value: Option<f32>) -> TensorId {
        let mut t = DeviceTensor::new(element::F32, if value.is_some() { &[] } else { &[7] }, None);
        t.constant = value.map(|v| Constant::Bytes(v.to_le_bytes().to_vec()));
        p.add(t)
    }

    fn binary(p: &mut Program, function: BinaryFunction, a: TensorId, b: TensorId) -> TensorId {
        let y = tensor(p, None);
        let broadcast = Broadcast { sizes: [7; 6], a_strides: [1; 6], b_strides: [1; 6] };
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        p.push(
            "step",
            Binary { function: function as u32, element: element::F32, broadcast, low, high },
            &[y],
            &[a, b],
        );
        y
    }

    /// `1 + erf(x / divisor)`.
    fn gate(p: &mut Program, x: TensorId, divisor: f32) -> TensorId {
        let [divisor, one] = [divisor, 1.0].map(|v| tensor(p, Some(v)));
        let scaled = binary(p, BinaryFunction::Div, x, divisor);
        let erf = tensor(p, None);
        p.push("erf", Unary { function: UnaryFunction::Erf as u32, len: 7, alpha: 0.0, beta: 0.0 }, &[erf], &[scaled]);
        binary(p, BinaryFunction::Add, erf, one)
    }

    #[test]
    fn gelu_is_found_in_every_order() {
        let mut p = Program::default();
        let (x, half) = (tensor(&mut p, None), tensor(&mut p, Some(0.5)));
        let gate = gate(&mut p, x, std::f32::consts::SQRT_2);
        for [c, d, e] in [[x, gate, half], [x, half, gate], [half, gate, x]] {
            let (inner, turned) =
                (binary(&mut p, BinaryFunction::Mul, c, d), binary(&mut p, BinaryFunction::Mul, d, c));
            for operands in [[inner, e], [e, inner], [turned, e]] {
                assert_eq!(gelu_of(&p, operands), Some((x, UnaryFunction::Gelu)));
            }
        }
    }

    #[test]
    fn what_only_looks_like_gelu_stays() {
        let mut p = Program::default();
        let (x, other, half) = (tensor(&mut p, None), tensor(&mut p, None), tensor(&mut p, Some(0.5)));
        let (right, wrong) = (gate(&mut p, x, std::f32::consts::SQRT_2), gate(&mut p, x, 1.4));
        for (x, gate, half) in [(x, wrong, half), (other, right, half), (x, right, other)] {
            let inner = binary(&mut p, BinaryFunction::Mul, x, gate);
            assert_eq!(gelu_of(&p, [inner, half]), None);
        }
    }
}

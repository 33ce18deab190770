//! `Einsum`: a sum of products by the names of axes (ONNX Einsum-12).

use std::collections::BTreeMap;

use ocellus_graph::{Attributes, Dim, Node, Shape, Tensor, ValueId};

use super::elementwise::{require_number, require_same_type};
use crate::shapes::{broadcast, offsets, strides};
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef { eval: Some(eval), grad: Some(grad), ..OpDef::new("Einsum", infer) };

/// The name of an axis: a letter of the equation, or a place in an ellipsis counted from its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// An equation with its ellipses spelled out for operands of known ranks.
struct Equation {
    operands: Vec<Vec<Label>>,
    output: Vec<Label>,
}

impl Equation {
    fn of_node(node: &Node, ranks: &[usize]) -> Result<Self, OpError> {
        let text = node.attributes.string("equation").ok_or_else(|| OpError::at(node, "has no equation"))?;
        Self::parse(text, ranks).map_err(|problem| OpError::at(node, format!("equation {text:?}: {problem}")))
    }

    fn parse(text: &str, ranks: &[usize]) -> Result<Self, String> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != ranks.len() {
            return Err(format!("names {} operands, found {}", terms.len(), ranks.len()));
        }
        let operands: Vec<Vec<Label>> =
            terms.iter().zip(ranks).map(|(term, &rank)| labels(term, rank)).collect::<Result<_, _>>()?;
        let widest = operands.iter().map(|o| ellipsis_length(o)).max().unwrap_or(0);
        let output = match right {
            Some(term) => {
                let letters = letters_of(term)?.len();
                labels(term, letters + if term.contains("...") { widest } else { 0 })?
            }
            None => implicit(&operands, widest),
        };
        for (i, label) in output.iter().enumerate() {
            if output[..i].contains(label) || !operands.iter().any(|o| o.contains(label)) {
                return Err("every name of the output occurs once there, and in an operand".to_owned());
            }
        }
        Ok(Self { operands, output })
    }

    /// The size of every name.
    fn sizes(&self, shapes: &[Shape]) -> Result<BTreeMap<Label, Dim>, String> {
        let mut sizes: BTreeMap<Label, Dim> = BTreeMap::new();
        for (labels, shape) in self.operands.iter().zip(shapes) {
            for (&label, dim) in labels.iter().zip(shape.iter()) {
                let known = sizes.entry(label).or_insert_with(|| dim.clone());
                let (one, other) = (Shape(vec![known.clone()]), Shape(vec![dim.clone()]));
                let both = broadcast(&one, &other).ok_or_else(|| format!("{label:?} is both {known} and {dim}"))?;
                *known = both[0].clone();
            }
        }
        Ok(sizes)
    }
}

fn ellipsis_length(labels: &[Label]) -> usize {
    labels.iter().filter(|l| matches!(l, Label::Ellipsis(_))).count()
}

fn letters_of(term: &str) -> Result<Vec<char>, String> {
    let letters: Vec<char> = term.replacen("...", "", 1).chars().collect();
    match letters.iter().find(|c| !c.is_ascii_alphabetic()) {
        Some(c) => Err(format!("{c:?} is no name of an axis")),
        None => Ok(letters),
    }
}

/// The names of a term, with as many places in the ellipsis as make up the rank.
fn labels(term: &str, rank: usize) -> Result<Vec<Label>, String> {
    let letters = letters_of(term)?;
    let free = rank.checked_sub(letters.len()).filter(|&n| n == 0 || term.contains("..."));
    let free = free.ok_or_else(|| format!("term {term:?} does not name the axes of an operand of rank {rank}"))?;
    let before = term.find("...").unwrap_or(0);
    let mut all: Vec<Label> = letters.into_iter().map(Label::Letter).collect();
    let ellipsis: Vec<Label> = (0..free).rev().map(Label::Ellipsis).collect();
    all.splice(before..before, ellipsis);
    Ok(all)
}

/// Without an arrow: the ellipsis, then the letters that occur once, in the order of the alphabet.
fn implicit(operands: &[Vec<Label>], widest: usize) -> Vec<Label> {
    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    operands.iter().flatten().for_each(|&l| *counts.entry(l).or_default() += 1);
    let letters = counts.into_iter().filter(|(l, n)| matches!(l, Label::Letter(_)) && *n == 1).map(|(l, _)| l);
    (0..widest).rev().map(Label::Ellipsis).chain(letters).collect()
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    require_number(ctx, 0)?;
    let mut shapes = Vec::new();
    for i in 0..ctx.types.len() {
        require_same_type(ctx, 0, i)?;
        shapes.push(ctx.input(i)?.shape.clone());
    }
    let ranks: Vec<usize> = shapes.iter().map(Shape::rank).collect();
    let equation = Equation::of_node(ctx.node, &ranks)?;
    let sizes = equation.sizes(&shapes).map_err(|e| ctx.error(e))?;
    let shape = equation.output.iter().map(|l| sizes.get(l).cloned().unwrap_or(Dim::Unknown)).collect();
    Ok(vec![ValueType::new(ctx.input(0)?.dtype, shape)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let operands = (0..ctx.inputs.len()).map(|i| ctx.input(i)).collect::<Result<Vec<_>, _>>()?;
    let ranks: Vec<usize> = operands.iter().map(|t| t.rank()).collect();
    let equation = Equation::of_node(ctx.node, &ranks)?;
    let shapes: Vec<Shape> = operands.iter().map(|t| Shape::fixed(t.shape())).collect();
    let sizes = equation.sizes(&shapes).map_err(|e| ctx.error(e))?;
    let size = |l: &Label| sizes.get(l).and_then(Dim::known).unwrap_or(1);
    let summed: Vec<Label> = sizes.keys().copied().filter(|l| !equation.output.contains(l)).collect();
    let shape: Vec<usize> = equation.output.iter().map(size).collect();
    let depth: Vec<usize> = summed.iter().map(size).collect();
    // For every operand the offsets that belong to the elements of the output, and to the terms of a sum.
    let places: Vec<[Vec<usize>; 2]> = (equation.operands.iter().zip(&operands))
        .map(|(labels, t)| {
            let own = strides(t.shape());
            let step = |l: &Label| -> usize {
                let axes = labels.iter().enumerate().filter(|(i, k)| *k == l && t.shape()[*i] != 1);
                axes.map(|(i, _)| own[i]).sum()
            };
            let steps = |all: &[Label]| -> Vec<usize> { all.iter().map(step).collect() };
            [offsets(&shape, &steps(&equation.output)), offsets(&depth, &steps(&summed))]
        })
        .collect();
    let (outputs, terms) = (shape.iter().product::<usize>(), depth.iter().product::<usize>());
    let dtype = ctx.input(0)?.dtype();
    if dtype.is_float() {
        let values: Vec<Vec<f64>> = operands.iter().map(|t| t.to_f64()).collect();
        let term = |o: usize, s: usize| -> f64 {
            values.iter().zip(&places).map(|(v, [outer, inner])| v[outer[o] + inner[s]]).product()
        };
        let y: Vec<f64> = (0..outputs).map(|o| (0..terms).map(|s| term(o, s)).sum()).collect();
        return Ok(vec![Tensor::from_f64(dtype, &shape, &y)]);
    }
    let values: Vec<Vec<i64>> = operands.iter().map(|t| t.to_i64()).collect();
    let term = |o: usize, s: usize| -> i64 {
        let factors = values.iter().zip(&places).map(|(v, [outer, inner])| v[outer[o] + inner[s]]);
        factors.fold(1, i64::wrapping_mul)
    };
    let y: Vec<i64> = (0..outputs).map(|o| (0..terms).map(|s| term(o, s)).fold(0, i64::wrapping_add)).collect();
    Ok(vec![Tensor::from_i64(dtype, &shape, &y)])
}

/// For every operand another sum of products: of `g` and the other operands, over the names that the operand lacks.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let g = ctx.grad()?;
    let inputs: Vec<ValueId> = (0..ctx.node.inputs.len()).map(|i| ctx.input(i)).collect::<Result<_, _>>()?;
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|&v| ctx.builder.shape(v)).collect::<Result<_, _>>()?;
    let ranks: Vec<usize> = shapes.iter().map(Vec::len).collect();
    let equation = Equation::of_node(&ctx.node, &ranks)?;
    let fixed: Vec<Shape> = shapes.iter().map(|s| Shape::fixed(s)).collect();
    let sizes = equation.sizes(&fixed).map_err(|e| ctx.error(e))?;
    let names = letters(&sizes).ok_or_else(|| ctx.error("has more axes than there are letters"))?;
    let full = |labels: &[Label]| -> Vec<i64> {
        labels.iter().map(|l| sizes.get(l).and_then(Dim::known).unwrap_or(1) as i64).collect()
    };
    let mut grads = vec![None; inputs.len()];
    for (i, own) in equation.operands.iter().enumerate() {
        if !ctx.needs(i) {
            continue;
        }
        if (1..own.len()).any(|k| own[..k].contains(&own[k])) {
            return Err(ctx.error(format!("operand {i} repeats a name: the gradient of a diagonal is not supported")));
        }
        let b = &mut *ctx.builder;
        let (mut operands, mut terms) = (vec![g], vec![equation.output.clone()]);
        for (k, other) in equation.operands.iter().enumerate().filter(|(k, _)| *k != i) {
            let wide = full(other);
            let same = shapes[k].iter().zip(&wide).all(|(&n, &m)| n as i64 == m);
            operands.push(if same { inputs[k] } else { b.expand(inputs[k], &wide)? });
            terms.push(other.clone());
        }
        let present: Vec<Label> = own.iter().copied().filter(|l| terms.iter().any(|t| t.contains(l))).collect();
        let spell = |labels: &[Label]| -> String { labels.iter().map(|l| names[l]).collect() };
        let left: Vec<String> = terms.iter().map(|t| spell(t)).collect();
        let mut dx = b.einsum(&operands, &format!("{}->{}", left.join(","), spell(&present)))?;
        if present.len() < own.len() {
            let missing: Vec<i64> = (0..own.len()).filter(|&k| !present.contains(&own[k])).map(|k| k as i64).collect();
            dx = b.unsqueeze(dx, &missing)?;
            dx = b.expand(dx, &full(own))?;
        }
        grads[i] = Some(b.sum_to_shape_of(dx, inputs[i])?);
    }
    Ok(grads)
}

/// A letter for every name; `None` where there are more than 52.
fn letters(sizes: &BTreeMap<Label, Dim>) -> Option<BTreeMap<Label, char>> {
    let mut free = ('a'..='z').chain('A'..='Z');
    sizes.keys().map(|&l| Some((l, free.next()?))).collect()
}

impl Builder {
    /// The sum of products that `equation` names, such as `"bij,bjk->bik"`.
    pub fn einsum(&mut self, operands: &[ValueId], equation: &str) -> Result<ValueId, OpError> {
        self.apply(&OP, operands, Attributes::new().with("equation", equation))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::DataType;

    use super::*;
    use crate::check;

    fn run(equation: &str, inputs: &[Tensor]) -> Tensor {
        check::eval(|b, v| b.einsum(v, equation), inputs)
    }

    fn ramp(shape: &[usize]) -> Tensor {
        Tensor::of(shape, (0..shape.iter().product::<usize>()).map(|i| i as f32).collect())
    }

    #[test]
    fn products_sums_diagonals_and_ellipses() {
        let m = ramp(&[2, 3]);
        assert_eq!(run("ij->ji", std::slice::from_ref(&m)), Tensor::of(&[3, 2], vec![0f32, 3., 1., 4., 2., 5.]));
        assert_eq!(run(" i j -> i ", std::slice::from_ref(&m)), Tensor::vector(&[3f32, 12.]));
        assert_eq!(run("ij,kj", &[m.clone(), m.clone()]), Tensor::of(&[2, 2], vec![5f32, 14., 14., 50.]));
        assert_eq!(run("...ii->...i", &[ramp(&[2, 2, 2])]), Tensor::of(&[2, 2], vec![0f32, 3., 4., 7.]));
        let wide = run("...i,...i->...", &[ramp(&[2, 1, 3]), m]);
        assert_eq!(wide, Tensor::of(&[2, 2], vec![5f32, 14., 14., 50.]));
        assert_eq!(run("i,i", &[Tensor::vector(&[2i32, 3]), Tensor::vector(&[4i32, 5])]), Tensor::scalar(23i32));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut b = Builder::new("bad");
        let x = b.input("x", DataType::F32, &[2, 3]);
        for (equation, expected) in
            [("ij,jk->ik", "names 2 operands"), ("ijk->i", "rank 2"), ("ij->k", "occurs once"), ("i1->i", "'1'")]
        {
            let message = b.einsum(&[x], equation).unwrap_err().to_string();
            assert!(message.contains(expected), "{equation}: {message}");
        }
        assert!(b.einsum(&[x, x], "ij,jk->ik").is_err());
    }

    #[test]
    fn gradient() {
        let cases: [(&str, &[&[usize]]); 6] = [
            ("ij,jk->ik", &[&[2, 3], &[3, 4]]),
            ("bij,bkj->bik", &[&[2, 3, 2], &[2, 4, 2]]),
            ("ij->i", &[&[2, 3]]),
            ("...i,...i->...", &[&[2, 1, 3], &[4, 3]]),
            ("i,j,ij->j", &[&[2], &[3], &[2, 3]]),
            ("ij,k->ik", &[&[2, 3], &[2]]),
        ];
        for (equation, shapes) in cases {
            check::gradient(|b, v| b.einsum(v, equation), shapes);
        }
    }
}

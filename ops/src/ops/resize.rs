//! `Resize`: resampling along axes (ONNX Resize-19).

use ocellus_graph::{Attribute, Attributes, Dim, Node, Shape, Tensor, ValueId};

use super::interpolation::{Kernel, Line, Method, Rounding, Taps, Transformation};
use super::movement::{MOVES, axes};
use super::slice::select;
use crate::{Builder, EvalContext, GradContext, InferContext, OpDef, OpError, UpgradeContext, ValueType};

pub(crate) const OP: OpDef = OpDef {
    eval: Some(eval),
    grad: Some(grad),
    quant: Some(MOVES),
    upgrade: Some(upgrade),
    lower: Some(super::resize_lower::lower),
    ..OpDef::new("Resize", infer)
};

/// What attributes and inputs ask for.
struct Request {
    method: Method,
    /// The axes that are resampled; one entry of each list below for every axis.
    axes: Vec<usize>,
    scales: Vec<f32>,
    /// Empty where scales are given.
    sizes: Vec<i64>,
    /// Starts, then ends; empty where the whole axis is used.
    roi: Vec<f64>,
    policy: Policy,
}

/// What `sizes` mean where they do not keep the proportions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Stretch,
    NotLarger,
    NotSmaller,
}

fn method(attributes: &Attributes) -> Result<Method, String> {
    let text = |name: &str, default: &'static str| attributes.string(name).unwrap_or(default).to_owned();
    let kernel = match text("mode", "nearest").as_str() {
        "nearest" => Kernel::Nearest(Rounding::parse(&text("nearest_mode", "round_prefer_floor"))?),
        "linear" => Kernel::Linear,
        "cubic" => Kernel::Cubic(attributes.float("cubic_coeff_a").unwrap_or(-0.75).into()),
        mode => return Err(format!("mode {mode:?} is none of nearest, linear, cubic")),
    };
    Ok(Method {
        kernel,
        transformation: Transformation::parse(&text("coordinate_transformation_mode", "half_pixel"))?,
        antialias: attributes.int("antialias").unwrap_or(0) != 0,
        exclude_outside: attributes.int("exclude_outside").unwrap_or(0) != 0,
    })
}

impl Request {
    /// `inputs` are roi, scales and sizes; an empty one is one that is left out.
    fn new(rank: usize, attributes: &Attributes, inputs: [Option<&Tensor>; 3]) -> Result<Self, String> {
        let [roi, scales, sizes] = inputs;
        let method = method(attributes)?;
        let policy = match attributes.string("keep_aspect_ratio_policy").unwrap_or("stretch") {
            "stretch" => Policy::Stretch,
            "not_larger" => Policy::NotLarger,
            "not_smaller" => Policy::NotSmaller,
            other => return Err(format!("keep_aspect_ratio_policy {other:?} is not known")),
        };
        let axes = match attributes.ints("axes") {
            Some(given) => axes(given, rank)?,
            None => (0..rank).collect(),
        };
        let scales = scales.map(Tensor::to_f32).unwrap_or_default();
        let sizes = sizes.map(Tensor::to_i64).unwrap_or_default();
        if (scales.len(), sizes.len()) != (axes.len(), 0) && (scales.len(), sizes.len()) != (0, axes.len()) {
            let (a, b, n) = (scales.len(), sizes.len(), axes.len());
            return Err(format!("has {a} scales and {b} sizes for {n} axes; one of the two has to name all of them"));
        }
        if scales.iter().any(|s| !(s.is_finite() && *s > 0.0)) || sizes.iter().any(|&n| n < 0) {
            return Err(format!("scales have to be positive and sizes not negative, found {scales:?} {sizes:?}"));
        }
        let cropped = method.transformation == Transformation::TfCropAndResize;
        let roi = if cropped { roi.map(Tensor::to_f64).unwrap_or_default() } else { Vec::new() };
        if cropped && roi.len() != 2 * axes.len() {
            return Err(format!("the region of interest has {} entries for {} axes", roi.len(), axes.len()));
        }
        Ok(Self { method, axes, scales, sizes, roi, policy })
    }

    fn region(&self, i: usize) -> (f64, f64) {
        if self.roi.is_empty() { (0.0, 1.0) } else { (self.roi[i], self.roi[i + self.axes.len()]) }
    }

    /// The axes that are resampled, with their sizes.
    fn lines(&self, shape: &[usize]) -> Result<Vec<(usize, Line)>, String> {
        let ratio = |i: usize| self.sizes[i] as f64 / shape[self.axes[i]] as f64;
        let ratios = (0..self.sizes.len()).map(ratio);
        let common = match self.policy {
            Policy::Stretch => None,
            Policy::NotLarger => ratios.reduce(f64::min),
            Policy::NotSmaller => ratios.reduce(f64::max),
        };
        if common.is_some_and(|c| !c.is_finite()) {
            return Err(format!("an empty axis of {shape:?} has no proportions to keep"));
        }
        let line = |(i, &axis): (usize, &usize)| {
            let (input, roi) = (shape[axis], self.region(i));
            let (scale, output) = match (self.scales.get(i), common) {
                (Some(&scale), _) => (scale.into(), scaled(input, scale, roi)),
                (None, Some(common)) => (common, (common * input as f64 + 0.5).floor() as usize),
                (None, None) => (ratio(i), self.sizes[i] as usize),
            };
            if input == 0 && output > 0 {
                return Err(format!("axis {axis} is empty and cannot be resized to {output}"));
            }
            Ok((axis, Line { input, output, scale, roi }))
        };
        self.axes.iter().enumerate().map(line).collect()
    }

    /// The resampled shape.
    fn output(&self, from: &Shape) -> Result<Shape, String> {
        let mut shape = from.clone();
        if let Some(known) = from.known() {
            for (axis, line) in self.lines(&known)? {
                shape.0[axis] = Dim::Known(line.output);
            }
            return Ok(shape);
        }
        for (i, &axis) in self.axes.iter().enumerate() {
            shape.0[axis] = match (self.scales.get(i), &from[axis]) {
                (Some(&scale), Dim::Known(n)) => Dim::Known(scaled(*n, scale, self.region(i))),
                (Some(&1.0), d) if self.roi.is_empty() => d.clone(),
                (None, _) if self.policy == Policy::Stretch => Dim::Known(self.sizes[i] as usize),
                _ => Dim::Unknown,
            };
        }
        Ok(shape)
    }

    /// The taps of every axis that changes.
    fn taps(&self, shape: &[usize]) -> Result<Vec<(usize, Vec<Taps>)>, String> {
        let all = self.lines(shape)?.into_iter().map(|(axis, line)| (axis, line.input, self.method.taps(&line)));
        Ok(all.filter(|(_, n, taps)| !keeps(*n, taps)).map(|(axis, _, taps)| (axis, taps)).collect())
    }
}

/// The taps of every axis that changes; `inputs` are roi, scales and sizes.
pub(super) fn taps(
    node: &Node,
    shape: &[usize],
    inputs: [Option<&Tensor>; 3],
) -> Result<Vec<(usize, Vec<Taps>)>, String> {
    Request::new(shape.len(), &node.attributes, inputs)?.taps(shape)
}

/// `floor(size * scale)` in f32, as exporters compute it: 5 * 1.4 is 7, though 1.4 in f32 lies below 1.4.
fn scaled(size: usize, scale: f32, (start, end): (f64, f64)) -> usize {
    (size as f32 * (end - start) as f32 * scale).floor().max(0.0) as usize
}

/// Whether every output is the input at the same place.
fn keeps(input: usize, taps: &[Taps]) -> bool {
    taps.len() == input && taps.iter().enumerate().all(|(i, t)| t[..] == [(i, 1.0)])
}

fn infer(ctx: &InferContext) -> Result<Vec<ValueType>, OpError> {
    let x = ctx.input(0)?;
    let late =
        (1..4).any(|i| ctx.optional(i).is_some_and(|t| t.shape.elements() != Some(0)) && ctx.constant(i).is_none());
    if late {
        method(&ctx.node.attributes).map_err(|e| ctx.error(e))?;
        return Ok(vec![ValueType::new(x.dtype, Shape(vec![Dim::Unknown; x.shape.rank()]))]);
    }
    let inputs = [1, 2, 3].map(|i| ctx.constant(i));
    let request = Request::new(x.shape.rank(), &ctx.node.attributes, inputs).map_err(|e| ctx.error(e))?;
    Ok(vec![ValueType::new(x.dtype, request.output(&x.shape).map_err(|e| ctx.error(e))?)])
}

fn eval(ctx: &EvalContext) -> Result<Vec<Tensor>, OpError> {
    let x = ctx.input(0)?;
    let request = Request::new(x.rank(), &ctx.node.attributes, [1, 2, 3].map(|i| ctx.optional(i)));
    let taps = request.and_then(|r| r.taps(x.shape())).map_err(|e| ctx.error(e))?;
    if taps.iter().all(|(_, along)| along.iter().all(|t| matches!(t[..], [(_, 1.0)]))) {
        let mut places: Vec<Vec<usize>> = x.shape().iter().map(|&n| (0..n).collect()).collect();
        for (axis, along) in taps {
            places[axis] = along.iter().map(|t| t[0].0).collect();
        }
        return Ok(vec![select(x, &places)]);
    }
    let outside = f64::from(ctx.float("extrapolation_value", 0.0));
    let (mut values, mut shape) = (x.to_f64(), x.shape().to_vec());
    for (axis, along) in taps {
        (values, shape) = resampled(&values, &shape, axis, &along, outside);
    }
    Ok(vec![Tensor::from_f64(x.dtype(), &shape, &values)])
}

/// The values along an axis, each a weighted sum of those that it had.
fn resampled(values: &[f64], shape: &[usize], axis: usize, taps: &[Taps], outside: f64) -> (Vec<f64>, Vec<usize>) {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let mut result = Vec::with_capacity(outer * taps.len() * inner);
    for row in 0..outer {
        let block = &values[row * shape[axis] * inner..];
        for tap in taps {
            let sum = |k: usize| tap.iter().map(|&(i, w)| block[i * inner + k] * w).sum();
            result.extend((0..inner).map(|k| if tap.is_empty() { outside } else { sum(k) }));
        }
    }
    let mut shape = shape.to_vec();
    shape[axis] = taps.len();
    (result, shape)
}

/// The transposed resampling of every axis: a sum where elements were repeated, else a product with the matrix of the
/// weights.
fn grad(ctx: &mut GradContext) -> Result<Vec<Option<ValueId>>, OpError> {
    let (mut g, x) = (ctx.grad()?, ctx.input(0)?);
    let shape = ctx.builder.shape(x)?;
    let constant = |i: usize| match ctx.node.input(i) {
        None => Ok(None),
        Some(v) if ctx.builder.shape(v)?.contains(&0) => Ok(None),
        Some(v) => match ctx.builder.constant_of(v) {
            Some(tensor) => Ok(Some(tensor.clone())),
            None => Err(ctx.error(format!("the gradient needs input {i} to be a constant"))),
        },
    };
    let inputs = [constant(1)?, constant(2)?, constant(3)?];
    let request = Request::new(shape.len(), &ctx.node.attributes, [0, 1, 2].map(|i| inputs[i].as_ref()));
    let taps = request.and_then(|r| r.taps(&shape)).map_err(|e| ctx.error(e))?;
    for (axis, along) in taps {
        g = gathered_back(ctx.builder, g, axis, shape[axis], &along)?;
    }
    Ok(std::iter::once(Some(g)).chain((1..ctx.node.inputs.len()).map(|_| None)).collect())
}

/// The gradient along one axis of `size` elements.
fn gathered_back(b: &mut Builder, g: ValueId, axis: usize, size: usize, taps: &[Taps]) -> Result<ValueId, OpError> {
    let shape = b.shape(g)?;
    let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
    let mut target = shape.clone();
    target[axis] = size;
    let times = taps.len() / size.max(1);
    let repeats = times * size == taps.len() && taps.iter().enumerate().all(|(i, t)| t[..] == [(i / times, 1.0)]);
    let sum = if repeats {
        let apart = b.reshape_to(g, &[outer, size, times, inner])?;
        b.reduce_sum(apart, &[2], false)?
    } else {
        let mut matrix = vec![0.0; size * taps.len()];
        // Columns where the axis is the last one, so that one product of two matrices does; rows elsewhere.
        let (along_input, along_output) = if inner == 1 { (1, size) } else { (taps.len(), 1) };
        for (o, tap) in taps.iter().enumerate() {
            tap.iter().for_each(|&(i, w)| matrix[i * along_input + o * along_output] += w);
        }
        let sizes = if inner == 1 { [taps.len(), size] } else { [size, taps.len()] };
        let matrix = Tensor::from_f64(b.dtype(g)?, &sizes, &matrix);
        let matrix = b.constant("interpolation", matrix);
        if inner == 1 {
            let rows = b.reshape_to(g, &[outer, taps.len()])?;
            b.matmul(rows, matrix)?
        } else {
            let blocks = b.reshape_to(g, &[outer, taps.len(), inner])?;
            b.matmul(matrix, blocks)?
        }
    };
    b.reshape_to(sum, &target)
}

/// Opset 10 knew two inputs and one way of placing; opset 13 dropped `tf_half_pixel_for_nn`, which with `floor` is
/// `half_pixel` rounded half up.
fn upgrade(ctx: &mut UpgradeContext) -> Result<(), OpError> {
    if ctx.opset < 11 {
        place_like_opset_10(ctx);
    }
    if ctx.node.attributes.string("coordinate_transformation_mode") == Some("tf_half_pixel_for_nn") {
        let nearest = ctx.string("mode", "nearest") == "nearest";
        if !nearest || ctx.string("nearest_mode", "round_prefer_floor") != "floor" {
            return Err(ctx.error("tf_half_pixel_for_nn is supported with mode nearest and nearest_mode floor only"));
        }
        ctx.node.attributes.set("coordinate_transformation_mode", "half_pixel");
        ctx.node.attributes.set("nearest_mode", "round_prefer_ceil");
    }
    Ok(())
}

/// Inputs `x, scales` become `x, roi, scales`; output places divided by the scale are input places.
pub(super) fn place_like_opset_10(ctx: &mut UpgradeContext) {
    let scales = ctx.node.input(1);
    ctx.node.inputs = vec![ctx.node.input(0), None, scales];
    ctx.node.attributes.set("coordinate_transformation_mode", "asymmetric");
    if ctx.string("mode", "nearest") == "nearest" {
        ctx.node.attributes.set("nearest_mode", "floor");
    }
}

/// The attributes and lists of a Resize; [`Resize::default`] is ONNX's default and resizes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Output elements for each input element, one for every axis; empty where sizes are given.
    pub scales: Vec<f32>,
    /// Output sizes, one for every axis; empty where scales are given.
    pub sizes: Vec<i64>,
    /// The axes that scales, sizes and roi speak of; all where empty.
    pub axes: Vec<i64>,
    /// Starts, then ends, of the region that `tf_crop_and_resize` cuts out, in parts of the axis.
    pub roi: Vec<f32>,
    /// `nearest`, `linear` or `cubic`.
    pub mode: String,
    /// `half_pixel`, `half_pixel_symmetric`, `pytorch_half_pixel`, `align_corners`, `asymmetric`,
    /// `tf_crop_and_resize`.
    pub coordinate_transformation_mode: String,
    /// `round_prefer_floor`, `round_prefer_ceil`, `floor` or `ceil`.
    pub nearest_mode: String,
    /// Whether reductions average over their stride (linear and cubic).
    pub antialias: bool,
    /// The coefficient of the cubic kernel.
    pub cubic_coeff_a: f32,
    /// Whether neighbours beyond the edge count nothing.
    pub exclude_outside: bool,
    /// The value outside the input under `tf_crop_and_resize`.
    pub extrapolation_value: f32,
    /// `stretch`, `not_larger` or `not_smaller`.
    pub keep_aspect_ratio_policy: String,
}

impl Default for Resize {
    fn default() -> Self {
        Self {
            scales: Vec::new(),
            sizes: Vec::new(),
            axes: Vec::new(),
            roi: Vec::new(),
            mode: "nearest".to_owned(),
            coordinate_transformation_mode: "half_pixel".to_owned(),
            nearest_mode: "round_prefer_floor".to_owned(),
            antialias: false,
            cubic_coeff_a: -0.75,
            exclude_outside: false,
            extrapolation_value: 0.0,
            keep_aspect_ratio_policy: "stretch".to_owned(),
        }
    }
}

impl Resize {
    /// Every attribute that differs from ONNX's default.
    fn attributes(&self) -> Attributes {
        let default = Self::default();
        let mut attributes = Attributes::new().with("mode", self.mode.as_str());
        let mut set = |name: &str, differs: bool, value: Attribute| {
            if differs {
                attributes.set(name, value);
            }
        };
        let place = &self.coordinate_transformation_mode;
        set("coordinate_transformation_mode", *place != default.coordinate_transformation_mode, place.as_str().into());
        set("nearest_mode", self.nearest_mode != default.nearest_mode, self.nearest_mode.as_str().into());
        set("antialias", self.antialias, 1i64.into());
        set("cubic_coeff_a", self.cubic_coeff_a != default.cubic_coeff_a, self.cubic_coeff_a.into());
        set("exclude_outside", self.exclude_outside, 1i64.into());
        set("extrapolation_value", self.extrapolation_value != 0.0, self.extrapolation_value.into());
        let policy = &self.keep_aspect_ratio_policy;
        set("keep_aspect_ratio_policy", *policy != default.keep_aspect_ratio_policy, policy.as_str().into());
        set("axes", !self.axes.is_empty(), self.axes.clone().into());
        attributes
    }
}

impl Builder {
    /// `x` resampled.
    pub fn resize(&mut self, x: ValueId, resize: &Resize) -> Result<ValueId, OpError> {
        let mut list = |name: &str, tensor: Tensor| (!tensor.is_empty()).then(|| self.constant(name, tensor));
        let mut inputs = vec![Some(x)];
        inputs.push(list("roi", Tensor::vector(&resize.roi)));
        inputs.push(list("scales", Tensor::vector(&resize.scales)));
        inputs.push(list("sizes", Tensor::vector(&resize.sizes)));
        while inputs.last() == Some(&None) {
            inputs.pop();
        }
        Ok(self.apply_many(&OP, &inputs, resize.attributes(), 1)?[0])
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node};

    use crate::check;

    use super::*;

    fn resize(x: &Tensor, resize: &Resize) -> Tensor {
        check::eval(|b, v| b.resize(v[0], resize), std::slice::from_ref(x))
    }

    fn by(scales: &[f32], mode: &str) -> Resize {
        Resize { scales: scales.to_vec(), mode: mode.to_owned(), ..Resize::default() }
    }

    #[test]
    fn nearest_keeps_any_type() {
        let x = Tensor::of(&[1, 1, 2, 2], vec![1u8, 2, 3, 4]);
        let y = resize(&x, &by(&[1., 1., 2., 3.], "nearest"));
        assert_eq!(y.shape(), [1, 1, 4, 6]);
        assert_eq!(y.to_i64()[..12], [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
        assert_eq!(y.to_i64()[12..18], [3, 3, 3, 4, 4, 4]);
    }

    #[test]
    fn the_examples_of_the_standard() {
        let x = Tensor::of(&[1, 1, 2, 2], vec![1f32, 2., 3., 4.]);
        let y = resize(&x, &by(&[1., 1., 2., 2.], "linear"));
        let expected = [1f32, 1.25, 1.75, 2., 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3., 3.25, 3.75, 4.];
        assert_eq!(y, Tensor::of(&[1, 1, 4, 4], expected.to_vec()));
        let x = Tensor::of(&[1, 1, 4, 4], (1..17).map(|v| v as f32).collect());
        let y = resize(&x, &by(&[1., 1., 0.8, 0.8], "cubic"));
        assert!((y.to_f64()[0] - 1.47119141).abs() < 1e-6 && (y.to_f64()[8] - 14.52783203).abs() < 1e-6);
    }

    #[test]
    fn sizes_may_keep_the_proportions() {
        let x = Tensor::of(&[2, 4], vec![0f32; 8]);
        let fit = |policy: &str| {
            let sizes = Resize { sizes: vec![7, 8], keep_aspect_ratio_policy: policy.to_owned(), ..Resize::default() };
            resize(&x, &sizes).shape().to_vec()
        };
        assert_eq!([fit("stretch"), fit("not_larger"), fit("not_smaller")], [[7, 8], [4, 8], [7, 14]]);
        let sizes = Tensor::vector(&[1i64, 8]);
        let not_smaller = Attributes::new().with("keep_aspect_ratio_policy", "not_smaller");
        let empty = Request::new(2, &not_smaller, [None, None, Some(&sizes)]).unwrap();
        assert!(empty.lines(&[0, 4]).is_err(), "an empty axis has no proportions");
        let one_axis = Resize { sizes: vec![3], axes: vec![-1], ..Resize::default() };
        assert_eq!(resize(&x, &one_axis).shape(), [2, 3]);
    }

    #[test]
    fn a_crop_beyond_the_edge_is_extrapolated() {
        let x = Tensor::vector(&[1f32, 2., 3.]);
        let crop = Resize {
            sizes: vec![3],
            roi: vec![0.0, 2.0],
            mode: "linear".to_owned(),
            coordinate_transformation_mode: "tf_crop_and_resize".to_owned(),
            extrapolation_value: 10.0,
            ..Resize::default()
        };
        assert_eq!(resize(&x, &crop), Tensor::vector(&[1f32, 3., 10.]));
    }

    #[test]
    fn output_sizes_round_down_in_single_precision() {
        assert_eq!(scaled(5, 1.4, (0.0, 1.0)), 7);
        assert_eq!(scaled(7, 0.6, (0.0, 1.0)), 4);
        let n = Shape(vec![Dim::Symbol("n".into()), Dim::Known(3)]);
        let scales = Tensor::vector(&[1f32, 2.]);
        let request = Request::new(2, &Attributes::new(), [None, Some(&scales), None]).unwrap();
        assert_eq!(request.output(&n).unwrap().to_string(), "[n, 6]");
    }

    #[test]
    fn bad_requests_are_refused() {
        let mut b = Builder::new("t");
        let x = b.input("x", DataType::F32, &[2, 2]);
        for bad in [
            Resize::default(),
            by(&[2.0], "nearest"),
            by(&[0.0, 1.0], "nearest"),
            by(&[f32::NAN, 1.0], "nearest"),
            by(&[1.0, 1.0], "quadratic"),
            Resize { sizes: vec![1, 1], ..by(&[1.0, 1.0], "nearest") },
            Resize { sizes: vec![-1, 1], ..Resize::default() },
            Resize { coordinate_transformation_mode: "tf_crop_and_resize".to_owned(), ..by(&[1.0, 1.0], "linear") },
        ] {
            assert!(b.resize(x, &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn older_forms() {
        let run = |opset: i64, attributes: Attributes| -> Result<Vec<f32>, OpError> {
            let mut g = Graph::new("old");
            let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[3])));
            let scales = g.add_initializer("s", Tensor::vector(&[4.0f32 / 3.0]));
            let y = g.add_value("y", None, None);
            (g.inputs, g.outputs) = (vec![x], vec![y]);
            let inputs = if opset < 11 { vec![Some(x), Some(scales)] } else { vec![Some(x), None, Some(scales)] };
            g.nodes.push(Node::new("Resize", inputs, [Some(y)]).with_attributes(attributes));
            let mut model = Model { opset, ..Model::new(g) };
            crate::upgrade(&mut model)?;
            crate::infer(&mut model)?;
            Ok(crate::evaluate(&model, &[("x", Tensor::vector(&[1f32, 2., 3.]))])?["y"].to_f32())
        };
        assert_eq!(run(10, Attributes::new()).unwrap(), [1., 1., 2., 3.]);
        let for_nn = Attributes::new().with("coordinate_transformation_mode", "tf_half_pixel_for_nn");
        // (o + 0.5) * 0.75 is 0.375, 1.125, 1.875, 2.625.
        assert_eq!(run(11, for_nn.clone().with("nearest_mode", "floor")).unwrap(), [1., 2., 2., 3.]);
        assert!(run(11, for_nn).is_err());
    }

    #[test]
    fn gradient_in_every_mode() {
        for mode in ["nearest", "linear", "cubic"] {
            check::gradient(|b, v| b.resize(v[0], &by(&[1., 1., 2., 2.], mode)), &[&[1, 2, 3, 2]]);
            check::gradient(|b, v| b.resize(v[0], &by(&[1., 1.3, 0.6], mode)), &[&[2, 3, 5]]);
            let shrink = Resize { antialias: true, exclude_outside: true, ..by(&[0.5, 0.4], mode) };
            check::gradient(|b, v| b.resize(v[0], &shrink), &[&[4, 5]]);
        }
        let crop = Resize {
            sizes: vec![4, 3],
            axes: vec![0, 1],
            roi: vec![0.2, -0.5, 0.9, 1.2],
            coordinate_transformation_mode: "tf_crop_and_resize".to_owned(),
            extrapolation_value: 3.0,
            mode: "linear".to_owned(),
            ..Resize::default()
        };
        check::gradient(|b, v| b.resize(v[0], &crop), &[&[3, 4, 2]]);
    }
}

//! Whole models: fold, calibrate, insert, compare with float.

use ocellus_graph::{Attributes, DataType, Dim, Graph, Model, Node, Shape, Tensor, ValueId};
use ocellus_ops::{Builder, Role, evaluate, find};

use crate::samples::{normal, uniform};
use crate::*;

fn weights(b: &mut Builder, shape: &[usize], seed: u64) -> ValueId {
    let fan: usize = shape[1..].iter().product();
    let scale = (2.0 / fan as f32).sqrt();
    let values = normal(shape.iter().product(), seed).into_iter().map(|v| v * scale).collect();
    b.constant("w", Tensor::of(shape, values))
}

fn vector(b: &mut Builder, values: Vec<f32>) -> ValueId {
    b.constant("v", Tensor::vector(&values))
}

fn named(b: &mut Builder, op: &str, inputs: &[ValueId], attributes: Attributes) -> ValueId {
    let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
    b.apply_named(op, &inputs, attributes, 1).expect(op)[0]
}

fn conv(b: &mut Builder, x: ValueId, shape: &[usize], group: i64, seed: u64) -> ValueId {
    let w = weights(b, shape, seed);
    let bias = vector(b, uniform(shape[0], seed + 1000).into_iter().map(|v| v * 0.3).collect());
    let pads = Attributes::new().with("group", group).with("pads", vec![1i64; 4]);
    named(b, "Conv", &[x, w, bias], pads)
}

fn batch_norm(b: &mut Builder, x: ValueId, channels: usize, seed: u64) -> ValueId {
    let parts: Vec<_> = (0..4u64)
        .map(|k| {
            uniform(channels, seed + k).into_iter().map(|v| v * 0.4 + if k % 3 == 0 { 1.0 } else { 0.0 }).collect()
        })
        .map(|values| vector(b, values))
        .collect();
    b.batch_normalization(x, parts[0], parts[1], parts[2], parts[3], 1e-5).unwrap()
}

fn pool(b: &mut Builder, op: &str, x: ValueId) -> ValueId {
    named(b, op, &[x], Attributes::new().with("kernel_shape", vec![2i64, 2]).with("strides", vec![2i64, 2]))
}

const INPUT: [usize; 4] = [2, 3, 8, 8];

fn model(build: impl Fn(&mut Builder, ValueId) -> ValueId) -> Model {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &INPUT);
    let y = build(&mut b, x);
    b.output(y, "y");
    b.finish()
}

/// conv + BN + relu, depthwise, residual add, concat, max pool, gemm.
fn net() -> Model {
    model(|b, x| {
        let y = conv(b, x, &[8, 3, 3, 3], 1, 1);
        let y = batch_norm(b, y, 8, 50);
        let y = b.relu(y).unwrap();
        let z = conv(b, y, &[8, 1, 3, 3], 8, 2);
        let z = b.clip(z, Some(0.0), Some(6.0)).unwrap();
        let z = conv(b, z, &[8, 8, 3, 3], 1, 3);
        let sum = b.add(y, z).unwrap();
        let sum = b.relu(sum).unwrap();
        let p = pool(b, "MaxPool", sum);
        let q = pool(b, "AveragePool", y);
        let joined = named(b, "Concat", &[p, q], Attributes::new().with("axis", 1i64));
        let flat = b.reshape(joined, &[2, 256]).unwrap();
        let w = weights(b, &[10, 256], 4);
        let c = vector(b, uniform(10, 5));
        named(b, "Gemm", &[flat, w, c], Attributes::new().with("transB", 1i64))
    })
}

fn picture(seed: u64) -> Tensor {
    Tensor::of(&INPUT, uniform(INPUT.iter().product(), seed))
}

fn run_quantize(model: &Model, options: &Options) -> Result<(Model, Report), QuantizeError> {
    let mut batches = (0..6).map(|k| Ok(vec![("x".to_owned(), picture(k))]));
    quantize(model, options, &Reference, &mut batches)
}

/// Signal to noise of the integer model's output over the calibration pictures (these inputs have no tails, so other
/// pictures would measure how far their few outputs exceed the range seen).
fn sqnr(float: &Model, integer: &Model) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for x in (0..6).map(picture) {
        let [a, b] = [float, integer].map(|m| evaluate(m, &[("x", x.clone())]).unwrap()["y"].to_f64());
        assert_eq!(a.len(), b.len());
        signal += a.iter().map(|v| v * v).sum::<f64>();
        noise += a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    }
    10.0 * (signal / noise).log10()
}

fn role(node: &Node) -> Role {
    find(&node.domain, &node.op).unwrap().role
}

/// The names of the operators that compute.
fn computing(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().filter(|n| role(n) == Role::Compute).map(|n| n.op.as_str()).collect()
}

fn producer(graph: &Graph, v: ValueId) -> Option<&Node> {
    graph.nodes.iter().find(|n| n.outputs.contains(&Some(v)))
}

/// The scale and zero point of a Quantize or Dequantize node.
fn params_of<'a>(graph: &'a Graph, node: &Node) -> (&'a Tensor, &'a Tensor) {
    (&graph.initializers[&node.input(1).unwrap()], &graph.initializers[&node.input(2).unwrap()])
}

fn node<'a>(graph: &'a Graph, op: &str) -> &'a Node {
    graph.nodes.iter().find(|n| n.op == op).unwrap()
}

#[test]
fn a_small_network_stays_close_in_every_scheme() {
    let float = net();
    for activations in [Activations::Asymmetric, Activations::Symmetric] {
        for method in [Method::MinMax, Method::Percentile(99.99), Method::Mse, Method::Entropy] {
            let options = Options { method, activations, report_batches: 6, ..Options::default() };
            let (integer, report) = run_quantize(&float, &options).unwrap();
            // Entropy clips the even spread of these inputs on purpose; the others lose little.
            let bound = if method == Method::Entropy { 15.0 } else { 27.0 };
            let found = sqnr(&float, &integer);
            assert!(found > bound, "{activations:?} {method}: {found} dB\n{report}");
            assert!(report.float_nodes.is_empty(), "{report}");
            assert_eq!(report.batches, 6);
            let reported = report.outputs[0].sqnr_db.unwrap();
            assert!((reported - found).abs() < 0.01, "reported {reported}, found {found}");
        }
    }
}

#[test]
fn every_integer_node_sits_between_pairs_and_clamps_are_joined() {
    let (integer, report) = run_quantize(&net(), &Options::default()).unwrap();
    let g = &integer.graph;
    assert_eq!(
        computing(g),
        ["Conv", "Relu", "Conv", "Clip", "Conv", "Add", "Relu", "MaxPool", "AveragePool", "Concat", "Reshape", "Gemm"]
    );
    for n in g.nodes.iter().filter(|n| role(n) == Role::Compute) {
        let x = producer(g, n.input(0).unwrap()).unwrap();
        let joined = ["Relu", "Clip"].contains(&n.op.as_str());
        assert_eq!(role(x), if joined { Role::Compute } else { Role::Dequantize }, "before {}", n.op);
        let readers: Vec<_> = g.nodes.iter().filter(|r| r.inputs.contains(&n.output(0))).collect();
        assert_eq!(readers.len(), 1, "after {}", n.op);
        let before_clamp = ["Relu", "Clip"].contains(&readers[0].op.as_str());
        assert_eq!(role(readers[0]), if before_clamp { Role::Compute } else { Role::Quantize }, "after {}", n.op);
    }
    assert_eq!(report.layers.len(), 9, "a joined clamp is part of its layer");
    let names: Vec<_> = [&g.inputs, &g.outputs].map(|v| g.value(v[0]).name.as_str()).to_vec();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(g.value(g.outputs[0]).dtype, Some(DataType::F32));
    assert_eq!(role(producer(g, g.outputs[0]).unwrap()), Role::Dequantize);
    assert_eq!(integer.opset, 21);
}

#[test]
fn scales_are_exact() {
    let (integer, _) = run_quantize(&net(), &Options { method: Method::MinMax, ..Options::default() }).unwrap();
    let g = &integer.graph;
    let input = g.nodes.iter().find(|n| n.input(0) == Some(g.inputs[0])).unwrap();
    let (low, high) = (0..6).flat_map(|k| picture(k).to_f32()).fold((0f32, 0f32), |(l, h), v| (l.min(v), h.max(v)));
    let (scale, zero) = params_of(g, input);
    let expected = ((f64::from(high) - f64::from(low)) / 255.0) as f32;
    assert_eq!(scale, &Tensor::scalar(expected));
    assert_eq!(zero, &Tensor::scalar((-f64::from(low) / f64::from(expected)).round_ties_even() as u8));
    for op in ["Conv", "Gemm"] {
        let n = node(g, op);
        let [x, w, bias] = [0, 1, 2].map(|i| producer(g, n.input(i).unwrap()).unwrap());
        let (sx, sw, sb) = (params_of(g, x).0, params_of(g, w).0, params_of(g, bias).0);
        let products: Vec<f32> = sw.to_f32().iter().map(|sw| sx.to_f32()[0] * sw).collect();
        assert_eq!(sb, &Tensor::vector(&products), "{op}");
        let integers = &g.initializers[&w.input(0).unwrap()];
        assert_eq!((integers.dtype(), w.attributes.int("axis")), (DataType::I8, Some(0)));
        assert!(integers.to_i64().iter().all(|q| (-127..=127).contains(q)));
        assert!(params_of(g, w).1.to_i64().iter().all(|&z| z == 0));
        assert_eq!(g.initializers[&bias.input(0).unwrap()].dtype(), DataType::I32);
    }
}

#[test]
fn nodes_that_move_share_the_scale_of_their_input() {
    let (integer, _) = run_quantize(&net(), &Options::default()).unwrap();
    let g = &integer.graph;
    for op in ["MaxPool", "Reshape"] {
        let n = node(g, op);
        let before = producer(g, n.input(0).unwrap()).unwrap();
        let after = g.nodes.iter().find(|r| r.input(0) == n.output(0)).unwrap();
        assert_eq!(before.inputs[1..], after.inputs[1..], "{op}");
    }
    let add = node(g, "Add");
    let [a, b] = [0, 1].map(|i| params_of(g, producer(g, add.input(i).unwrap()).unwrap()).0.clone());
    assert_ne!(a, b, "a residual sum has a scale for either side");
}

#[test]
fn the_symmetric_switch_leaves_no_zero_point() {
    let options = Options { activations: Activations::Symmetric, ..Options::default() };
    let (integer, _) = run_quantize(&net(), &options).unwrap();
    let g = &integer.graph;
    for n in g.nodes.iter().filter(|n| role(n) != Role::Compute) {
        let zero = params_of(g, n).1;
        assert!(zero.to_i64().iter().all(|&z| z == 0) && zero.dtype() != DataType::U8);
    }
}

#[test]
fn a_range_that_the_operator_sets_is_not_calibrated() {
    let float = model(|b, x| {
        let y = conv(b, x, &[4, 3, 3, 3], 1, 1);
        b.sigmoid(y).unwrap()
    });
    let (integer, report) = run_quantize(&float, &Options::default()).unwrap();
    let layer = report.layers.iter().find(|l| l.op == "Sigmoid").unwrap();
    assert_eq!((layer.scale, layer.zero_point), (1.0 / 255.0, 0));
    assert!(sqnr(&float, &integer) > 30.0);
}

#[test]
fn a_channel_of_zeros_and_a_constant_input_are_harmless() {
    let float = model(|b, x| {
        let mut values = normal(4 * 27, 9);
        values[27..54].fill(0.0);
        let w = b.constant("w", Tensor::of(&[4, 3, 3, 3], values));
        let bias = vector(b, vec![0.1, 0.0333, 0.0, -0.2]);
        named(b, "Conv", &[x, w, bias], Attributes::new())
    });
    let (integer, _) = run_quantize(&float, &Options::default()).unwrap();
    assert!(sqnr(&float, &integer) > 30.0);
    for constant in [0.0f32, 0.7] {
        let x = Tensor::full(DataType::F32, &INPUT, constant.into());
        let mut batches = [Ok(vec![("x".to_owned(), x.clone())])].into_iter();
        let (integer, _) = quantize(&float, &Options::default(), &Reference, &mut batches).unwrap();
        let [a, b] = [&float, &integer].map(|m| evaluate(m, &[("x", x.clone())]).unwrap()["y"].to_f64());
        let largest = a.iter().fold(0f64, |m, v| m.max(v.abs()));
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 0.02 * largest + 1e-3, "input {constant}: {a} became {b}");
        }
    }
}

#[test]
fn shared_weights_are_stored_once_and_shared_with_float_nodes() {
    let float = model(|b, x| {
        let w = weights(b, &[3, 3, 1, 1], 3);
        let y = named(b, "Conv", &[x, w], Attributes::new());
        let y = b.relu(y).unwrap();
        named(b, "Conv", &[y, w], Attributes::new())
    });
    let (integer, _) = run_quantize(&float, &Options::default()).unwrap();
    let int8: Vec<_> =
        integer.graph.initializers.values().filter(|t| t.dtype() == DataType::I8 && t.rank() == 4).collect();
    assert_eq!(int8.len(), 1);
    assert!(sqnr(&float, &integer) > 30.0);
    let exclude = vec![float.graph.nodes[2].name.clone()];
    let (mixed, report) = run_quantize(&float, &Options { exclude, ..Options::default() }).unwrap();
    let second = mixed.graph.nodes.iter().filter(|n| n.op == "Conv").nth(1).unwrap();
    assert_eq!(mixed.graph.initializers[&second.input(1).unwrap()].dtype(), DataType::F32);
    assert_eq!(report.float_nodes.len(), 1);
    assert!(sqnr(&float, &mixed) > 30.0);
}

#[test]
fn operators_without_a_rule_stay_float_between_pairs() {
    let float = model(|b, x| {
        let y = batch_norm(b, x, 3, 4);
        let y = b.relu(y).unwrap();
        let y = conv(b, y, &[4, 3, 3, 3], 1, 1);
        let y = batch_norm(b, y, 4, 6);
        let y = conv(b, y, &[4, 4, 3, 3], 1, 2);
        let z = batch_norm(b, y, 4, 8);
        b.add(y, z).unwrap()
    });
    let (integer, report) = run_quantize(&float, &Options::default()).unwrap();
    let float_ops: Vec<_> = report.float_nodes.iter().map(|n| n.op.as_str()).collect();
    assert_eq!(float_ops, ["BatchNormalization", "Relu", "BatchNormalization"], "{report}");
    assert!(report.float_nodes[0].reason.contains("no quantization rule"));
    assert!(sqnr(&float, &integer) > 27.0);
    let g = &integer.graph;
    let first = node(g, "BatchNormalization");
    assert_eq!(first.input(0), Some(g.inputs[0]), "a float node reads the float input");
    let second = g.nodes.iter().filter(|n| n.op == "BatchNormalization").nth(1).unwrap();
    assert_eq!(role(producer(g, second.input(0).unwrap()).unwrap()), Role::Dequantize);
}

#[test]
fn constants_beside_activations_have_one_scale() {
    let float = model(|b, x| {
        let map = b.constant("map", Tensor::of(&[8, 8], uniform(64, 3)));
        let y = b.mul(x, map).unwrap();
        let y = b.reshape(y, &[2, 3, 64]).unwrap();
        let z = b.transpose(y, &[0, 2, 1]).unwrap();
        b.matmul(y, z).unwrap()
    });
    let (integer, report) = run_quantize(&float, &Options::default()).unwrap();
    assert!(report.float_nodes.is_empty(), "{report}");
    assert!(sqnr(&float, &integer) > 27.0);
    let g = &integer.graph;
    let mul = node(g, "Mul");
    let map = producer(g, mul.input(1).unwrap()).unwrap();
    assert_eq!(g.initializers[&map.input(0).unwrap()].dtype(), DataType::U8);
}

#[test]
fn an_output_that_is_read_inside_is_the_dequantized_value() {
    let mut b = Builder::new("net");
    let x = b.input("x", DataType::F32, &INPUT);
    let middle = conv(&mut b, x, &[4, 3, 3, 3], 1, 1);
    let y = b.relu(middle).unwrap();
    b.output(middle, "middle");
    b.output(y, "y");
    let float = b.finish();
    let (integer, _) = run_quantize(&float, &Options::default()).unwrap();
    let g = &integer.graph;
    assert_eq!(g.outputs.iter().map(|&v| g.value(v).name.as_str()).collect::<Vec<_>>(), ["middle", "y"]);
    assert_eq!(node(g, "Relu").input(0), Some(g.outputs[0]));
    assert!(sqnr(&float, &integer) > 30.0);
}

#[test]
fn bad_calls_are_refused_with_what_to_do() {
    let float = net();
    let message = |r: Result<(Model, Report), QuantizeError>| r.unwrap_err().to_string();
    let none = quantize(&float, &Options::default(), &Reference, &mut std::iter::empty());
    assert!(message(none).contains("no calibration batch"));
    let options = Options::default();
    let nan = Tensor::full(DataType::F32, &INPUT, f64::NAN);
    let bad = quantize(&float, &options, &Reference, &mut [Ok(vec![("x".to_owned(), nan)])].into_iter());
    let text = message(bad);
    assert!(text.contains("batch 0") && text.contains("NaN"), "{text}");
    let wrong = Ok(vec![("picture".to_owned(), picture(1))]);
    let text = message(quantize(&float, &options, &Reference, &mut [wrong].into_iter()));
    assert!(text.contains("\"x\"") && text.contains("\"picture\""), "{text}");
    let broken = [Err("disk on fire".into())];
    let text = message(quantize(&float, &options, &Reference, &mut broken.into_iter()));
    assert!(text.contains("calibration batch 0: disk on fire"), "{text}");
    let exclude = vec!["nobody".to_owned()];
    assert!(message(run_quantize(&float, &Options { exclude, ..Options::default() })).contains("nobody"));
    let method = Method::Percentile(3.0);
    assert!(
        message(run_quantize(&float, &Options { method, ..Options::default() })).contains("option percentile is 3")
    );
    let (integer, _) = run_quantize(&float, &options).unwrap();
    assert!(message(run_quantize(&integer, &options)).contains("quantized already"));
    let nothing = model(|b, x| batch_norm(b, x, 3, 4));
    assert!(message(run_quantize(&nothing, &options)).contains("no node can be quantized"));
}

#[test]
fn a_channel_that_overflows_is_named() {
    let mut b = Builder::new("wide");
    let x = b.input("x", DataType::F32, &[1, 70_000]);
    let w = b.constant("w", Tensor::full(DataType::F32, &[70_000, 1], 1.0));
    let y = b.matmul(x, w).unwrap();
    b.output(y, "y");
    let float = b.finish();
    let x = Tensor::of(&[1, 70_000], uniform(70_000, 1).into_iter().map(f32::abs).collect());
    let mut batches = [Ok(vec![("x".to_owned(), x)])].into_iter();
    let text = quantize(&float, &Options::default(), &Reference, &mut batches).unwrap_err().to_string();
    assert!(text.contains("MatMul") && text.contains("channel 0") && text.contains("exceeds int32"), "{text}");
}

#[test]
fn without_samples_there_are_no_figures() {
    let (_, report) = run_quantize(&net(), &Options { report_batches: 0, ..Options::default() }).unwrap();
    assert_eq!((report.batches, report.compared), (6, 0));
    assert!(report.layers.iter().all(|l| l.sqnr_db.is_none()));
}

#[test]
fn accuracy_runs_both_models() {
    let float = net();
    let (integer, _) = run_quantize(&float, &Options::default()).unwrap();
    let mut largest = |runner: &mut dyn Runner| {
        let y = runner.run(&[("x".to_owned(), picture(1))])?;
        Ok(y[0].to_f64().into_iter().fold(f64::MIN, f64::max))
    };
    let found = accuracy(&float, &integer, &Reference, &mut largest).unwrap();
    assert!((found.float - found.int8).abs() < 0.1 * found.float.abs(), "{found:?}");
    assert_ne!(found.float, found.int8);
}

#[test]
fn a_backend_calibrates_as_the_reference_does() {
    let float = net();
    let backend = ocellus_backend::open("tract", 1).unwrap();
    let data = || (0..3).map(|k| Ok(vec![("x".to_owned(), picture(k))]));
    let options = Options { method: Method::MinMax, ..Options::default() };
    let (a, _) = quantize(&float, &options, &Reference, &mut data()).unwrap();
    let (b, report) = quantize(&float, &options, &OnBackend(&*backend), &mut data()).unwrap();
    assert_eq!(a.graph.nodes, b.graph.nodes);
    for (v, t) in &a.graph.initializers {
        if t.dtype() == DataType::F32 {
            for (x, y) in t.to_f32().iter().zip(b.graph.initializers[v].to_f32()) {
                assert!((x - y).abs() <= 1e-5 * x.abs(), "scale {x} by the reference, {y} by the backend");
            }
        }
    }
    assert!(report.outputs[0].sqnr_db.unwrap() > 27.0);
    let executor = OnBackend(&*backend);
    let [mut fast, mut slow] = [executor.open(&b).unwrap(), Reference.open(&b).unwrap()];
    let input = [("x".to_owned(), picture(2))];
    assert_eq!(fast.run(&input).unwrap(), slow.run(&input).unwrap(), "the integer model is exact in both");
}

#[test]
fn open_sizes_stay_open_and_batches_may_differ_in_size() {
    let mut float = model(|b, x| conv(b, x, &[4, 3, 3, 3], 1, 1));
    let open = |n: &[usize]| {
        let rest = n[1..].iter().map(|&d| Dim::Known(d));
        std::iter::once(Dim::Symbol("N".to_owned())).chain(rest).collect::<Shape>()
    };
    let input = float.graph.inputs[0];
    float.graph.value_mut(input).shape = Some(open(&INPUT));
    let backend = ocellus_backend::open("tract", 1).unwrap();
    let batch = |n: usize, k: u64| Ok(vec![("x".to_owned(), Tensor::of(&[n, 3, 8, 8], uniform(n * 192, k)))]);
    let mut batches = [batch(4, 1), batch(4, 2), batch(1, 3)].into_iter();
    let (integer, report) = quantize(&float, &Options::default(), &OnBackend(&*backend), &mut batches).unwrap();
    assert_eq!(report.batches, 3);
    assert_eq!(integer.graph.value(integer.graph.inputs[0]).shape, Some(open(&INPUT)));
    assert_eq!(integer.graph.value(integer.graph.outputs[0]).shape.as_ref().unwrap()[0], Dim::Symbol("N".to_owned()));
}

#[test]
fn a_node_without_a_name_goes_by_its_output() {
    let mut float = model(|b, x| {
        let y = conv(b, x, &[4, 3, 3, 3], 1, 1);
        conv(b, y, &[4, 4, 3, 3], 1, 2)
    });
    float.graph.nodes.iter_mut().for_each(|n| n.name.clear());
    let (_, report) = run_quantize(&float, &Options { exclude: vec!["y".to_owned()], ..Options::default() }).unwrap();
    assert_eq!(report.float_nodes.iter().map(|n| n.node.as_str()).collect::<Vec<_>>(), ["y"]);
    assert!(report.layers.iter().all(|l| !l.node.is_empty()));
}

#[test]
fn corrected_biases_keep_the_mean() {
    let model = net();
    let mean_error = |options: &Options| {
        let (integer, _) = run_quantize(&model, options).unwrap();
        let (mut sum, mut count) = (vec![0f64; 64], 0.0);
        for seed in 0..6 {
            let given = [("x", picture(seed))];
            let of = |model: &Model| evaluate(model, &given).unwrap()["y"].to_f32();
            let (a, b) = (of(&model), of(&integer));
            let width = a.len() / INPUT[0];
            for (i, (a, b)) in a.iter().zip(&b).enumerate() {
                sum[i % width] += f64::from(b - a);
            }
            count += INPUT[0] as f64;
        }
        sum.iter().map(|s| (s / count).powi(2)).sum::<f64>().sqrt()
    };
    let plain = mean_error(&Options::default());
    let corrected = mean_error(&Options { correction_batches: 6, ..Options::default() });
    assert!(corrected < plain, "{corrected} with correction, {plain} without");
}

#[test]
fn the_same_model_is_made_again_from_its_recipe() {
    let model = net();
    let options = Options { correction_batches: 2, equalize: true, ..Options::default() };
    let (first, report) = run_quantize(&model, &options).unwrap();
    let mut kept = model.clone();
    report.recipe.describe(&mut kept.metadata);
    let recipe = Recipe::of(&kept.metadata).unwrap().unwrap();
    assert_eq!(recipe, report.recipe);
    let again = requantize(&kept, &recipe).unwrap();
    assert_eq!(again.to_bytes().unwrap(), first.to_bytes().unwrap());
    let other = Recipe { scales: std::collections::BTreeMap::new(), ..recipe };
    assert!(requantize(&kept, &other).err().unwrap().to_string().contains("another model"));
    assert!(Recipe::of(&model.metadata).unwrap().is_none());
}

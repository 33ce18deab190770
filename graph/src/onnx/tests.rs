//! Whole files: round trips, every class of malformed file, external data, damage.

use std::fs;
use std::path::Path;

use prost::Message;

use super::proto::*;
use crate::{Attribute, Attributes, DataType, Dim, Graph, Model, Node, Shape, Tensor, TensorData, bf16, f16};

/// A model with everything that a file can hold.
fn rich() -> Model {
    let mut g = Graph::new("rich");
    let x = g.add_value("x", Some(DataType::F32), Some(Shape(vec![Dim::Symbol("n".into()), Dim::Known(3)])));
    let c = g.add_value("c", Some(DataType::Bool), Some(Shape(vec![])));
    let weights = [
        Tensor::of(&[3, 2], vec![0.5f32, -1.0, 2.0, f32::MAX, f32::INFINITY, -0.0]),
        Tensor::of(&[2], vec![f16::from_f32(1.5), f16::from_f32(-2.0)]),
        Tensor::of(&[1, 1], vec![bf16::from_f32(3.0)]),
        Tensor::of(&[0, 4], Vec::<i64>::new()),
        Tensor::scalar(true),
        Tensor::new(&[2], TensorData::String(vec!["ä".into(), String::new()])).unwrap(),
    ];
    let ids: Vec<_> = weights.into_iter().enumerate().map(|(i, w)| g.add_initializer(&format!("w{i}"), w)).collect();
    let y = g.add_value("y", Some(DataType::F32), Some(Shape(vec![Dim::Unknown, Dim::Known(2)])));
    let h = g.add_value("h", Some(DataType::F64), None);
    let z = g.add_value("z", None, None);
    let attributes = Attributes::new()
        .with("int", -3i64)
        .with("float", 0.25f32)
        .with("text", "ü")
        .with("tensor", Tensor::vector(&[1u8, 2, 3]))
        .with("ints", vec![1i64, -1])
        .with("no_ints", Vec::<i64>::new())
        .with("floats", vec![1.0f32])
        .with("texts", vec!["a".to_owned(), "b".to_owned()]);
    let mut first = Node::new("Custom", [Some(x), None, Some(ids[0])], [Some(y), None, Some(h)]);
    first.domain = "org.example".into();
    first.name = "first".into();
    g.nodes.push(first.with_attributes(attributes));
    let mut body = Graph::new("then");
    let outer = body.add_value("y", None, None);
    let inner = body.add_value("inner", Some(DataType::F32), None);
    body.nodes.push(Node::new("Neg", [Some(outer)], [Some(inner)]));
    body.outputs.push(inner);
    let attributes = Attributes::new().with("k", 1i64);
    let mut branch = Node::new("If", [Some(c)], [Some(z)]).with_attributes(attributes);
    branch.attributes.0.insert("then_branch".into(), Attribute::Graph(Box::new(body)));
    g.nodes.push(branch);
    g.inputs = vec![x, c];
    g.outputs = vec![z, y];
    let mut model = Model::new(g);
    model.domains.insert("org.example".into(), 3);
    model.metadata.insert("ocellus.preprocess".into(), "{}".into());
    model.metadata.insert("empty".into(), String::new());
    model
}

/// A small valid model as messages: `y = Abs(x) + w`, in opset 21.
fn small() -> ModelProto {
    let value = |name: &str| ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(1),
                shape: Some(TensorShapeProto { dim: vec![Dimension { dim_value: Some(2), dim_param: None }] }),
            }),
            ..TypeProto::default()
        }),
    };
    let graph = GraphProto {
        name: Some("small".into()),
        input: vec![value("x")],
        output: vec![value("y")],
        initializer: vec![tensor("w", &[2], vec![0; 8])],
        node: vec![node("a", "Abs", &["x"], &["h"]), node("b", "Add", &["h", "w"], &["y"])],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: Some(10),
        graph: Some(Box::new(graph)),
        opset_import: vec![import("", 21)],
        ..ModelProto::default()
    }
}

fn tensor(name: &str, dims: &[i64], raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        data_type: Some(1),
        dims: dims.to_vec(),
        raw_data: Some(raw.into()),
        ..TensorProto::default()
    }
}

fn node(name: &str, op: &str, input: &[&str], output: &[&str]) -> NodeProto {
    NodeProto {
        name: Some(name.into()),
        op_type: Some(op.into()),
        input: input.iter().map(|s| s.to_string()).collect(),
        output: output.iter().map(|s| s.to_string()).collect(),
        ..NodeProto::default()
    }
}

fn import(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) }
}

fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), r#type: None }
}

/// The small model with one change to its graph.
fn with(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = small();
    change(model.graph.as_mut().unwrap());
    model
}

fn load(proto: &ModelProto) -> Result<Model, String> {
    Model::from_bytes(&proto.encode_to_vec(), None).map_err(|e| e.to_string())
}

#[test]
fn everything_round_trips() {
    let model = rich();
    let bytes = model.to_bytes().unwrap();
    assert_eq!(Model::from_bytes(&bytes, None).unwrap(), model);
    assert_eq!(model.to_bytes().unwrap(), bytes, "the same bytes every time");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rich.onnx");
    model.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(Model::load(&path).unwrap(), model);
}

#[test]
fn a_graph_in_any_numbering_settles_after_one_round() {
    let mut g = Graph::new("loose");
    let y = g.add_value("y", Some(DataType::F32), Some(Shape::fixed(&[2])));
    g.add_value("unused", None, None);
    let w = g.add_initializer("w", Tensor::vector(&[1.0f32, 2.0]));
    let x = g.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[2])));
    g.nodes.push(Node::new("Add", [Some(x), Some(w)], [Some(y)]));
    g.inputs.push(x);
    g.outputs.push(y);
    let once = Model::from_bytes(&Model::new(g).to_bytes().unwrap(), None).unwrap();
    let names: Vec<_> = once.graph.values.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["x", "w", "y"]);
    assert_eq!(Model::from_bytes(&once.to_bytes().unwrap(), None).unwrap(), once);
}

#[test]
fn written_files_say_their_versions() {
    let written = |opset| {
        let mut model = load(&small()).unwrap();
        model.opset = opset;
        let proto = ModelProto::decode(&*model.to_bytes().unwrap()).unwrap();
        (proto.ir_version, proto.opset_import)
    };
    assert_eq!(written(21), (Some(10), vec![import("", 21)]));
    assert_eq!(written(25), (Some(13), vec![import("", 25)]));
}

#[test]
fn opsets_and_domains() {
    let with_imports = |imports: &[(&str, i64)]| {
        let mut model = small();
        model.opset_import = imports.iter().map(|(d, v)| import(d, *v)).collect();
        load(&model)
    };
    for version in 6..=25 {
        assert_eq!(with_imports(&[("ai.onnx", version)]).unwrap().opset, version);
    }
    for version in [0, 1, 5, 26, -1] {
        let message = with_imports(&[("", version)]).unwrap_err();
        assert!(message.contains("from 6 to 25") && message.contains(&format!("opset {version}")), "{message}");
    }
    let model = with_imports(&[("", 13), ("com.example.unused", 7)]).unwrap();
    assert_eq!((model.opset, model.domains.len()), (13, 0), "unused operator sets are ignored");
    assert!(with_imports(&[]).unwrap_err().contains("opset import of ONNX's own operators"));
    assert!(with_imports(&[("", 13), ("", 14)]).unwrap_err().contains("versions 13 and 14"));
    let mut model = with(|g| g.node[0].domain = Some("org.example".into()));
    assert!(load(&model).unwrap_err().contains("\"org.example\""));
    model.opset_import.push(import("org.example", 2));
    assert_eq!(load(&model).unwrap().domains["org.example"], 2);
}

#[test]
fn initializers_that_are_also_inputs_are_constants() {
    let model = load(&with(|g| g.input.push(named("w")))).unwrap();
    let names: Vec<_> = model.graph.inputs.iter().map(|&v| model.graph.value(v).name.as_str()).collect();
    assert_eq!(names, ["x"]);
    assert_eq!(model.graph.initializers.len(), 1);
}

#[test]
fn nodes_are_sorted() {
    let model = load(&with(|g| g.node.reverse())).unwrap();
    assert_eq!(model.graph.nodes.iter().map(|n| n.op.as_str()).collect::<Vec<_>>(), ["Abs", "Add"]);
    assert_eq!(model, load(&small()).unwrap());
}

#[test]
fn a_body_orders_its_node_after_what_it_reads_from_outside() {
    let body =
        GraphProto { node: vec![node("in", "Neg", &["h"], &["n"])], output: vec![named("n")], ..GraphProto::default() };
    let attribute = AttributeProto { name: Some("body".into()), g: Some(Box::new(body)), ..AttributeProto::default() };
    let model = with(|g| {
        let mut branch = node("if", "If", &["x"], &["y"]);
        branch.attribute.push(attribute);
        g.node = vec![branch, node("a", "Abs", &["x"], &["h"])];
    });
    let model = load(&model).unwrap();
    assert_eq!(model.graph.nodes.iter().map(|n| n.op.as_str()).collect::<Vec<_>>(), ["Abs", "If"]);
    let Some(Attribute::Graph(body)) = model.graph.nodes[1].attributes.get("body") else { panic!("no body") };
    assert_eq!(body.value(body.nodes[0].input(0).unwrap()).name, "h");
    assert_eq!(body.name, "graph");
}

#[test]
fn kinds_of_attributes_from_before_they_were_said() {
    let attribute = |a: AttributeProto| {
        let a = AttributeProto { name: Some("k".into()), r#type: None, ..a };
        let model = load(&with(|g| g.node[0].attribute.push(a))).unwrap();
        model.graph.nodes[0].attributes.get("k").unwrap().clone()
    };
    let none = AttributeProto::default;
    assert_eq!(attribute(AttributeProto { i: Some(3), ..none() }), Attribute::Int(3));
    assert_eq!(attribute(AttributeProto { f: Some(3.0), ..none() }), Attribute::Float(3.0));
    assert_eq!(attribute(AttributeProto { s: Some("s".into()), ..none() }), Attribute::String("s".into()));
    assert_eq!(attribute(AttributeProto { ints: vec![1], ..none() }), Attribute::Ints(vec![1]));
    assert_eq!(attribute(AttributeProto { floats: vec![1.0], ..none() }), Attribute::Floats(vec![1.0]));
    assert_eq!(attribute(AttributeProto { strings: vec!["s".into()], ..none() }), Attribute::Strings(vec!["s".into()]));
}

#[test]
fn malformed_graphs_are_refused_by_name() {
    let attribute = |a: AttributeProto| with(|g| g.node[0].attribute.push(a));
    let of_kind = |k| AttributeProto { name: Some("k".into()), r#type: Some(k), ..AttributeProto::default() };
    let nested = |depth: usize| {
        let mut a = AttributeProto { i: Some(1), ..of_kind(2) };
        for _ in 0..depth {
            let mut inner = node("in", "If", &[], &["v"]);
            inner.attribute.push(a);
            let body = GraphProto { node: vec![inner], output: vec![named("v")], ..GraphProto::default() };
            a = AttributeProto { g: Some(Box::new(body)), ..of_kind(5) };
        }
        with(|g| g.node[0].attribute.push(a))
    };
    assert!(load(&nested(16)).is_ok());
    let external = |entries: &[(&str, &str)]| {
        with(|g| {
            g.initializer[0].raw_data = None;
            g.initializer[0].data_location = Some(1);
            g.initializer[0].external_data = (entries.iter())
                .map(|(k, v)| StringStringEntryProto { key: Some(k.to_string()), value: Some(v.to_string()) })
                .collect();
        })
    };
    let cases: Vec<(&str, ModelProto, &[&str])> = vec![
        ("no graph", ModelProto { graph: None, ..small() }, &["expected a graph"]),
        ("made twice by nodes", with(|g| g.node[1].output[0] = "h".into()), &["\"h\"", "node \"a\"", "node \"b\""]),
        ("made by a node and an input", with(|g| g.node[0].output[0] = "x".into()), &["\"x\"", "an input"]),
        ("made by a node and a constant", with(|g| g.node[0].output[0] = "w".into()), &["\"w\"", "an initializer"]),
        ("twice a constant", with(|g| g.initializer.push(tensor("w", &[], vec![0; 4]))), &["\"w\"", "twice"]),
        ("twice an input", with(|g| g.input.push(named("x"))), &["\"x\"", "twice"]),
        ("twice in one node", with(|g| g.node[0].output.push("h".into())), &["\"h\"", "twice"]),
        ("undefined", with(|g| g.node[0].input[0] = "ghost".into()), &["\"ghost\"", "node \"a\" (Abs)"]),
        ("undefined output", with(|g| g.output.push(named("ghost"))), &["\"ghost\"", "outputs"]),
        ("unnamed output", with(|g| g.output.push(named(""))), &["outputs"]),
        ("unnamed input", with(|g| g.input.push(named(""))), &["a name for every input"]),
        ("unnamed constant", with(|g| g.initializer.push(tensor("", &[], vec![0; 4]))), &["a name for every init"]),
        ("cycle", with(|g| g.node[0].input[0] = "y".into()), &["cycle", "node \"a\" (Abs) <- node \"b\" (Add) <- "]),
        ("self", with(|g| g.node[0].input[0] = "h".into()), &["node \"a\" (Abs) <- node \"a\" (Abs)"]),
        ("no operator", with(|g| g.node[0].op_type = None), &["\"a\"", "an operator"]),
        ("bad tensor", with(|g| g.initializer[0].dims = vec![-1]), &["tensor \"w\"", "[-1]"]),
        ("huge tensor", with(|g| g.initializer[0].dims = vec![1_000_000_000]), &["tensor \"w\"", "4000000000 bytes"]),
        (
            "sparse",
            with(|g| {
                let values = Some(Box::new(tensor("s", &[], vec![])));
                g.sparse_initializer.push(SparseTensorProto { values });
            }),
            &["tensor \"s\"", "sparse"],
        ),
        ("attribute twice", with(|g| g.node[0].attribute = vec![of_kind(2), of_kind(2)]), &["\"k\"", "twice"]),
        ("no attribute name", attribute(AttributeProto { name: None, ..of_kind(2) }), &["node \"a\"", "a name"]),
        ("no tensor", attribute(of_kind(4)), &["\"k\"", "node \"a\"", "a tensor"]),
        ("no body", attribute(of_kind(5)), &["\"k\"", "node \"a\"", "a graph"]),
        ("list of tensors", attribute(of_kind(9)), &["\"k\"", "a list of tensors"]),
        ("unknown kind", attribute(of_kind(99)), &["\"k\"", "kind number 99"]),
        (
            "not UTF-8",
            attribute(AttributeProto { s: Some(vec![0xFF].into()), ..of_kind(3) }),
            &["\"k\"", "text in UTF-8"],
        ),
        (
            "reference",
            attribute(AttributeProto { ref_attr_name: Some("r".into()), ..of_kind(2) }),
            &["\"k\"", "outside of any function"],
        ),
        (
            "attribute of int4",
            attribute(AttributeProto {
                t: Some(Box::new(TensorProto { data_type: Some(22), ..TensorProto::default() })),
                ..of_kind(4)
            }),
            &["k of node \\\"a\\\"", "int4"],
        ),
        ("deep", nested(17), &["nested at most 16 deep"]),
        (
            "metadata twice",
            ModelProto { metadata_props: vec![StringStringEntryProto::default(); 2], ..small() },
            &["metadata", "twice"],
        ),
        ("external from memory", external(&[("location", "f")]), &["tensor \"w\"", "\"f\"", "load the model"]),
        ("external nowhere", external(&[]), &["tensor \"w\"", "`location`"]),
    ];
    for (name, proto, texts) in cases {
        let message = load(&proto).expect_err(name);
        for text in texts {
            assert!(message.contains(text), "{name}: {text} is not in: {message}");
        }
    }
}

#[test]
fn graphs_that_could_not_be_read_are_not_written() {
    let base = || load(&small()).unwrap();
    let refused = |change: &dyn Fn(&mut Graph)| {
        let mut model = base();
        change(&mut model.graph);
        model.to_bytes().unwrap_err().to_string()
    };
    let y = base().graph.find("y").unwrap();
    assert!(refused(&|g| g.value_mut(y).name.clear()).contains("a name for every value"));
    assert!(refused(&|g| g.value_mut(y).name = "h".into()).contains("\"h\""));
    assert!(refused(&|g| g.nodes[1].outputs.clear()).contains("\"y\""));
    assert!(refused(&|g| g.nodes[0].inputs = vec![Some(y)]).contains("cycle"));
    assert!(refused(&|g| g.outputs.push(crate::ValueId(99))).contains("number 99"));
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.onnx");
    fs::write(&path, with(|g| g.node[0].input[0] = "ghost".into()).encode_to_vec()).unwrap();
    let message = Model::load(&path).unwrap_err().to_string();
    assert!(message.contains("bad.onnx: ") && message.contains("\"ghost\""), "{message}");
    let message = Model::load(folder.path().join("none.onnx")).unwrap_err().to_string();
    assert!(message.contains("none.onnx: cannot be read"), "{message}");
    assert!(Model::load(folder.path()).unwrap_err().to_string().contains("not a file"));
    let message = rich().save(folder.path().join("missing/m.onnx")).unwrap_err().to_string();
    assert!(message.contains("m.onnx: cannot be written"), "{message}");
    fs::write(&path, b"not protobuf at all").unwrap();
    assert!(Model::load(&path).unwrap_err().to_string().contains("is not an ONNX file"));
    fs::write(&path, b"").unwrap();
    assert!(Model::load(&path).unwrap_err().to_string().contains("expected a graph"));
}

#[test]
fn every_truncation_and_2000_bit_flips_are_survived() {
    let bytes = rich().to_bytes().unwrap();
    for end in 0..bytes.len() {
        // Only the outermost fields can be cut off whole: what is left never has fewer nodes unnoticed.
        if let Ok(model) = Model::from_bytes(&bytes[..end], None) {
            assert_eq!(model.graph, rich().graph, "cut at {end}");
        }
    }
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut accepted = 0;
    for _ in 0..2000 {
        let mut damaged = bytes.clone();
        for _ in 0..=(state % 3) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let bit = (state >> 8) as usize % (damaged.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(model) = Model::from_bytes(&damaged, None) {
            accepted += 1;
            // Comparing bytes, not models: a flipped bit may make a NaN.
            let written = model.to_bytes().expect("what was read can be written");
            let again = Model::from_bytes(&written, None).expect("what was written can be read");
            assert_eq!(again.to_bytes().unwrap(), written);
        }
    }
    assert!(accepted > 0 && accepted < 2000, "{accepted} of 2000");
}

#[test]
fn nan_is_kept_bit_for_bit() {
    let model =
        with(|g| g.initializer[0] = tensor("w", &[2], [0x7FC0_1234u32, 0xFF80_0001].map(u32::to_le_bytes).concat()));
    let bytes = load(&model).unwrap().to_bytes().unwrap();
    let proto = ModelProto::decode(&*bytes).unwrap();
    let raw = proto.graph.unwrap().initializer[0].raw_data.clone().unwrap();
    assert_eq!(&raw[..], [0x34, 0x12, 0xC0, 0x7F, 0x01, 0x00, 0x80, 0xFF]);
}

/// The small model with `w` in external data.
fn external(entries: &[(&str, &str)]) -> ModelProto {
    with(|g| {
        g.initializer[0].raw_data = None;
        g.initializer[0].data_location = Some(1);
        g.initializer[0].external_data = (entries.iter())
            .map(|(k, v)| StringStringEntryProto { key: Some(k.to_string()), value: Some(v.to_string()) })
            .collect();
    })
}

fn load_in(folder: &Path, proto: &ModelProto) -> Result<Model, String> {
    let path = folder.join("m.onnx");
    fs::write(&path, proto.encode_to_vec()).unwrap();
    Model::load(&path).map_err(|e| e.to_string())
}

#[test]
fn external_data_is_read_from_the_models_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    fs::create_dir_all(folder.join("sub")).unwrap();
    let floats: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(folder.join("sub/data.bin"), &floats).unwrap();
    let w = |entries: &[(&str, &str)]| {
        let model = load_in(&folder, &external(entries))?;
        let id = model.graph.find("w").unwrap();
        Ok::<_, String>(model.graph.initializers[&id].to_f32())
    };
    assert_eq!(w(&[("location", "sub/data.bin")]), Ok(vec![1.0, 2.0]));
    assert_eq!(w(&[("location", "./sub/data.bin"), ("offset", "4"), ("length", "8")]), Ok(vec![2.0, 3.0]));
    let model = load_in(&folder, &external(&[("location", "sub/data.bin")])).unwrap();
    fs::remove_file(folder.join("sub/data.bin")).unwrap();
    model.save(folder.join("whole.onnx")).unwrap();
    assert_eq!(Model::load(folder.join("whole.onnx")).unwrap(), model, "saved with its data inside");
}

#[test]
fn external_data_that_is_outside_or_does_not_fit_is_refused() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    fs::create_dir_all(folder.join("dir")).unwrap();
    fs::write(folder.join("data.bin"), [0; 12]).unwrap();
    fs::write(outer.path().join("secret"), [0; 8]).unwrap();
    let absolute = outer.path().join("secret").display().to_string();
    let mut cases: Vec<(&[(&str, &str)], &str)> = vec![
        (&[("location", "../secret")], "own folder"),
        (&[("location", "dir/../data.bin")], "own folder"),
        (&[("location", "")], "own folder"),
        (&[("location", "missing.bin")], "missing.bin"),
        (&[("location", "dir")], "to be a file"),
        (&[("location", "data.bin"), ("offset", "5")], "a file of 12 bytes"),
        (&[("location", "data.bin"), ("offset", "18446744073709551615")], "a file of 12 bytes"),
        (&[("location", "data.bin"), ("offset", "-1")], "\"-1\""),
        (&[("location", "data.bin"), ("length", "9")], "a `length` of 9"),
        (&[("location", "data.bin"), ("length", "x")], "`length`"),
    ];
    let absolute = [("location", absolute.as_str())];
    cases.push((&absolute, "own folder"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        std::os::unix::fs::symlink("..", folder.join("up")).unwrap();
        std::os::unix::fs::symlink("data.bin", folder.join("alias")).unwrap();
        cases.push((&[("location", "link")], "own folder"));
        cases.push((&[("location", "up/secret")], "own folder"));
        assert!(load_in(&folder, &external(&[("location", "alias")])).is_ok(), "a link that stays inside");
    }
    for (entries, text) in cases {
        let message = load_in(&folder, &external(entries)).expect_err(&format!("{entries:?}"));
        assert!(message.contains("tensor \"w\"") && message.contains(text), "{entries:?}: {message}");
    }
    let mut huge = external(&[("location", "data.bin")]);
    huge.graph.as_mut().unwrap().initializer[0].dims = vec![1 << 40];
    assert!(load_in(&folder, &huge).unwrap_err().contains("a file of 12 bytes"));
}

#[test]
fn parts_of_an_external_file_are_shared_but_not_multiplied() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data.bin"), [0; 12]).unwrap();
    let with_second = |offset: &str| {
        let mut model = external(&[("location", "data.bin")]);
        let graph = model.graph.as_mut().unwrap();
        let mut second = graph.initializer[0].clone();
        second.name = Some("v".into());
        let offset = StringStringEntryProto { key: Some("offset".into()), value: Some(offset.into()) };
        second.external_data.push(offset);
        graph.initializer.push(second);
        load_in(folder.path(), &model)
    };
    assert!(with_second("0").is_ok());
    assert!(with_second("4").unwrap_err().contains("do not overlap"));
}

/// `y = Twice(x)` with a function `Twice(a) -> b`, whose inner value is called as one of the graph's.
fn calling() -> ModelProto {
    let mut model = with(|g| g.node = vec![node("call", "Twice", &["x"], &["y"])]);
    model.graph.as_mut().unwrap().node[0].domain = Some("fun".into());
    model.opset_import.push(import("fun", 1));
    let mut scaled = node("s", "Scale", &["h"], &["b"]);
    scaled.attribute.push(AttributeProto {
        name: Some("by".into()),
        r#type: Some(1),
        ref_attr_name: Some("factor".into()),
        ..AttributeProto::default()
    });
    model.functions.push(FunctionProto {
        name: Some("Twice".into()),
        domain: Some("fun".into()),
        input: vec!["a".into(), "rest".into()],
        output: vec!["b".into(), "a".into()],
        attribute_proto: vec![float("factor", 2.0)],
        node: vec![node("n", "Neg", &["a", "rest"], &["h"]), scaled],
        opset_import: vec![import("", 21)],
        ..FunctionProto::default()
    });
    model
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(1), f: Some(value), ..AttributeProto::default() }
}

#[test]
fn functions_are_inlined() {
    let mut model = calling();
    let read = load(&model).unwrap();
    let ops = |m: &Model| m.graph.nodes.iter().map(|n| n.op.clone()).collect::<Vec<_>>();
    assert_eq!(ops(&read), ["Neg", "Scale"]);
    assert_eq!(read.graph.nodes[0].name, "call/n");
    assert_eq!(read.graph.nodes[0].input(1), None, "an input that the call leaves out");
    assert_eq!(read.graph.nodes[1].attributes.float("by"), Some(2.0), "a default");
    assert!(read.domains.is_empty());

    let graph = model.graph.as_mut().unwrap();
    graph.node[0].attribute.push(float("factor", 5.0));
    graph.node[0].output.push("same".into());
    let mut second = node("call", "Twice", &["y"], &["z"]);
    second.domain = Some("fun".into());
    graph.node.push(second);
    graph.output.extend([named("same"), named("z")]);
    let read = load(&model).unwrap();
    assert_eq!(ops(&read), ["Identity", "Neg", "Scale", "Neg", "Scale"]);
    assert_eq!(read.graph.nodes[2].attributes.float("by"), Some(5.0), "a value from the call");
    assert_eq!(read, Model::from_bytes(&read.to_bytes().unwrap(), None).unwrap());
}

#[test]
fn functions_that_cannot_be_inlined_are_refused() {
    let mut recursive = calling();
    recursive.functions[0].node[0] = NodeProto { domain: Some("fun".into()), ..node("r", "Twice", &["a"], &["h"]) };
    assert!(load(&recursive).unwrap_err().contains("calls itself"));
    let mut versions = calling();
    versions.functions[0].opset_import = vec![import("", 20)];
    assert!(load(&versions).unwrap_err().contains("version 20"));
    let mut many = calling();
    many.graph.as_mut().unwrap().node[0].input = vec!["x".into(), "x".into(), "x".into()];
    assert!(load(&many).unwrap_err().contains("at most 2 inputs"));
    let mut twice = calling();
    twice.functions.push(twice.functions[0].clone());
    assert!(load(&twice).unwrap_err().contains("every function once"));
    // 2 ^ 40 nodes: forty functions, each calling the next one twice.
    let mut bomb = calling();
    bomb.functions = (0..40)
        .map(|i| {
            let next = format!("F{}", i + 1);
            let call =
                |from: &str, to: &str| NodeProto { domain: Some("fun".into()), ..node("c", &next, &[from], &[to]) };
            FunctionProto {
                name: Some(format!("F{i}")),
                domain: Some("fun".into()),
                input: vec!["a".into()],
                output: vec!["b".into()],
                node: vec![call("a", "h"), call("h", "b")],
                ..FunctionProto::default()
            }
        })
        .collect();
    bomb.graph.as_mut().unwrap().node[0].op_type = Some("F0".into());
    assert!(load(&bomb).unwrap_err().contains("of a size that the file's justifies"));
}

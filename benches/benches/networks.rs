//! Networks of the zoo and layers of real networks against tract and, where its library is found, ONNX Runtime, one
//! thread each, in the same run.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ocellus_benches::{Record, conv_model, duration, input_of, least_ms, shapes, zoo_model};
use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::Model;
use ocellus_runtime::{Host, Isa, with_session};

const SHAPES: &str = include_str!("../shapes/convolutions.txt");

/// Everything that is measured: name, model, sizes of its input.
fn cases() -> Vec<(String, Model, Vec<usize>)> {
    let mut cases = Vec::new();
    for (name, picture) in [("lenet5", [1, 1, 28, 28]), ("resnet_small", [1, 3, 32, 32])] {
        let zoo = ocellus_models::find(name).expect("is in the zoo");
        cases.push((name.to_owned(), zoo_model(zoo, &picture).expect("the network builds"), picture.to_vec()));
    }
    for shape in shapes(SHAPES).expect("the shapes are read") {
        for (kind, int8) in [("f32", false), ("int8", true)] {
            let model = conv_model(&shape, int8).expect("the layer builds");
            cases.push((format!("{} {kind}", shape.name), model, vec![1, shape.inputs, shape.height, shape.width]));
        }
    }
    cases
}

/// Least milliseconds of our own run, without setting inputs.
fn ours(model: &Model, input: &[f32], mut measure: impl FnMut(&mut dyn FnMut()) -> f64) -> f64 {
    let prepared = prepare(model.clone(), &[]).expect("the model is prepared");
    let compiled = compile(&prepared, &Options::default()).expect("the model compiles");
    with_session(&compiled.bytes, Isa::best(), |session| {
        session.set_input(0, Host::F32(input)).expect("the input fits");
        measure(&mut || session.run())
    })
    .expect("the plan loads")
}

fn networks(c: &mut Criterion) {
    let mut record = Record::new("networks", &["model", "ocellus", "tract", "ONNX Runtime", "to the best other"]);
    for (name, model, shape) in cases() {
        let input = input_of(&shape);
        let ms = ours(&model, &input.to_f32(), |run| least_ms(duration(), run));
        let mut others = Vec::new();
        for engine in ["tract", "ort-cpu"] {
            let session = ocellus_backend::open(engine, 1).ok().and_then(|b| b.prepare(&model).ok());
            others.push(session.map(|mut session| {
                least_ms(duration(), || {
                    session.run(&[("input", &input)]).expect("the other engine runs");
                })
            }));
        }
        let best = others.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let cell = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.4}"));
        record.row(&[name.clone(), cell(Some(ms)), cell(others[0]), cell(others[1]), format!("{:.2}", ms / best)]);
        let mut group = c.benchmark_group("networks");
        group.sample_size(10).measurement_time(duration()).warm_up_time(duration() / 5);
        ours(&model, &input.to_f32(), |run| {
            group.bench_function(BenchmarkId::from_parameter(&name), |b| b.iter(&mut *run));
            0.0
        });
        group.finish();
    }
    record.save().expect("the record is written");
}

criterion_group!(benches, networks);
criterion_main!(benches);

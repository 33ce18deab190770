//! Convolution kernels on layers of real networks: multiply-accumulates per nanosecond, and their share of the most that
//! this machine does.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ocellus_benches::peak::{Arithmetic, peak};
use ocellus_benches::{Record, conv_model, duration, input_of, shapes};
use ocellus_compiler::{Options, compile, prepare};
use ocellus_runtime::{Host, Isa, with_session};

const SHAPES: &str = include_str!("../shapes/convolutions.txt");

/// Least milliseconds of the convolution step alone in a plan of one layer.
fn step_ms(session: &mut ocellus_runtime::Session<'_>) -> f64 {
    let (mut least, mut last) = (f64::INFINITY, std::time::Instant::now());
    let until = last + duration();
    while last < until {
        last = std::time::Instant::now();
        session.run_each(|_, name| {
            let ms = last.elapsed().as_secs_f64() * 1e3;
            if name.starts_with("conv") || name.starts_with("depthwise") {
                least = least.min(ms);
            }
            last = std::time::Instant::now();
        });
    }
    least
}

fn kernels(c: &mut Criterion) {
    let columns = ["layer", "arithmetic", "ms", "MAC per ns", "share of the peak"];
    let mut record = Record::new("kernels", &columns);
    for (kind, int8, arithmetic) in [("f32", false, Arithmetic::F32), ("int8", true, Arithmetic::I8)] {
        let most = peak(arithmetic);
        let text = most.map_or("-".to_owned(), |p| format!("{p:.1}"));
        record.row(&["peak".into(), kind.into(), "-".into(), text, "100 %".into()]);
        for shape in shapes(SHAPES).expect("the shapes are read") {
            let model = conv_model(&shape, int8).expect("the layer builds");
            let compiled = compile(&prepare(model, &[]).expect("is prepared"), &Options::default()).expect("compiles");
            let input = input_of(&[1, shape.inputs, shape.height, shape.width]).to_f32();
            with_session(&compiled.bytes, Isa::best(), |session| {
                session.set_input(0, Host::F32(&input)).expect("the input fits");
                let ms = step_ms(session);
                let rate = shape.macs() as f64 / (ms * 1e6);
                let share = most.map_or("-".to_owned(), |p| format!("{:.0} %", 100.0 * rate / p));
                record.row(&[shape.name.clone(), kind.into(), format!("{ms:.4}"), format!("{rate:.1}"), share]);
                let mut group = c.benchmark_group(format!("kernels {kind}"));
                group.sample_size(10).measurement_time(duration()).warm_up_time(duration() / 5);
                group.throughput(criterion::Throughput::Elements(shape.macs()));
                group.bench_function(BenchmarkId::from_parameter(&shape.name), |b| b.iter(|| session.run()));
                group.finish();
            })
            .expect("the plan loads");
        }
    }
    record.save().expect("the record is written");
}

criterion_group!(benches, kernels);
criterion_main!(benches);

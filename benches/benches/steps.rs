//! What a step costs by itself: a plan of a thousand tables of 16 elements.

use criterion::{Criterion, criterion_group, criterion_main};
use ocellus_benches::{Record, duration, least_ms};
use ocellus_plan::args::TableI8;
use ocellus_plan::{Operand, Space, StepSpec, Writer};
use ocellus_runtime::{AlignedBytes, Isa, with_session};

const STEPS: u32 = 1000;

/// Steps that read one half of the arena and write the other.
fn plan() -> AlignedBytes {
    let step = |k: u32| {
        let place = |k: u32| Operand { space: Space::Arena, offset: (k & 1) * 64, len: 16 };
        let table = Operand { space: Space::Weights, offset: 0, len: 256 };
        StepSpec::new("table", TableI8 { len: 16 }, vec![place(k)], vec![place(k + 1), table])
    };
    let writer = Writer {
        arena_bytes: 128,
        arena_align: 64,
        weights: (0..=255).collect(),
        steps: (0..STEPS).map(step).collect(),
        ..Writer::new()
    };
    AlignedBytes::copy_of(&writer.finish(), 64)
}

fn steps(c: &mut Criterion) {
    let plan = plan();
    with_session(plan.as_ref(), Isa::best(), |session| {
        let ms = least_ms(duration(), || session.run());
        let mut record = Record::new("steps", &["plan", "ms", "ns per step"]);
        let each = ms * 1e6 / f64::from(STEPS);
        record.row(&["1000 tables of 16 elements".into(), format!("{ms:.5}"), format!("{each:.1}")]);
        record.save().expect("the record is written");
        c.bench_function("1000 tables of 16 elements", |b| b.iter(|| session.run()));
    })
    .expect("the plan loads");
}

criterion_group!(benches, steps);
criterion_main!(benches);

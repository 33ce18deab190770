//! What the benches share: shapes of real layers, models of them, the least time of a call, and tables that are recorded.
//!
//! `cargo bench -p ocellus-benches` measures networks and layers against other engines (`networks`), kernels against the
//! peak of this machine (`kernels`), and what a step of a plan costs by itself (`steps`). Every table goes into
//! `benches/record/` with the machine, the commit and the command.

mod model;
pub mod peak;
mod record;
mod shape;

pub use model::{conv_model, input_of, zoo_model};
pub use record::Record;
pub use shape::{Shape, shapes};

use std::time::{Duration, Instant};

/// The least time of a call in milliseconds, over about this long after one call that does not count.
pub fn least_ms(long: Duration, mut call: impl FnMut()) -> f64 {
    call();
    let (start, mut least) = (Instant::now(), f64::INFINITY);
    loop {
        let one = Instant::now();
        call();
        least = least.min(one.elapsed().as_secs_f64() * 1e3);
        if start.elapsed() >= long {
            return least;
        }
    }
}

/// How long everything is measured: what `OCELLUS_BENCH_SECONDS` says, else half a second.
pub fn duration() -> Duration {
    let seconds = std::env::var("OCELLUS_BENCH_SECONDS").ok().and_then(|s| s.parse().ok());
    Duration::from_secs_f64(seconds.filter(|s: &f64| *s > 0.0 && *s < 3600.0).unwrap_or(0.5))
}

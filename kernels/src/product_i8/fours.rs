//! What the variants with vpdpbusd share: it multiplies four unsigned by four signed bytes and adds the products to an int32.
//! The weights are the unsigned ones, x is moved: `Σ x * w = Σ (x - 128) * (w + 128) + 128 * Σ w - 128 * Σ (x - 128)`.

/// Defines `run`: `$width` outputs to a vector, `$wide` at a time, so that as many sums as a core multiplies at once hide the
/// time that each takes; vectors made of `$zero`, `$spread` (of an i32), `$load`, `$store` and `$products`.
macro_rules! fours {
    (
        $feature:literal, $level:pat, $width:literal, $wide:literal,
        $zero:expr, $spread:path, $load:path, $store:path, $products:path
    ) => {
        /// Computes every block; false where the CPU has not the instruction set.
        pub(super) fn run<const R: usize>(
            isa: Isa,
            m: &Matrix<'_>,
            rows: &[Row<'_>; R],
            backwards: bool,
            sink: &mut impl Sink<R>,
        ) -> bool {
            if !matches!(isa.level(), $level) || rows.iter().any(|row| row.levels.len() != m.shape.row_bytes()) {
                return false;
            }
            // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
            unsafe { all(m, rows, backwards, sink) };
            true
        }

        #[cfg_attr(not(feature = "emulated"), target_feature(enable = $feature))]
        #[cfg_attr(feature = "emulated", target_feature(enable = "avx2"))]
        fn all<const R: usize>(m: &Matrix<'_>, rows: &[Row<'_>; R], backwards: bool, sink: &mut impl Sink<R>) {
            let levels = rows.each_ref().map(|row| row.levels);
            let moved = |row: &Row<'_>| {
                let below = (row.levels.len() as i32).wrapping_mul(128);
                row.sum.wrapping_add(row.filling).wrapping_sub(below)
            };
            let missing = rows.each_ref().map(|row| Missing { same: moved(row).wrapping_mul(-128), times: 128 });
            for (first, weights) in blocks(m, backwards) {
                let outputs = (m.shape.columns() - first).min(BLOCK);
                let (mut sums, mut at) = ([[0; BLOCK]; R], 0);
                while at + $wide <= outputs {
                    some::<{ $wide / $width }, R>(weights, outputs, at, levels, &mut sums);
                    at += $wide;
                }
                while at + 32 <= outputs {
                    some::<{ 32 / $width }, R>(weights, outputs, at, levels, &mut sums);
                    at += 32;
                }
                while at < outputs {
                    some::<{ 16 / $width }, R>(weights, outputs, at, levels, &mut sums);
                    at += 16;
                }
                sink.take(first, &sums, &missing);
            }
        }

        /// `Σ x * w` for `V` vectors of outputs from `at` on of a block of `outputs`.
        #[cfg_attr(not(feature = "emulated"), target_feature(enable = $feature))]
        #[cfg_attr(feature = "emulated", target_feature(enable = "avx2"))]
        #[inline]
        fn some<const V: usize, const R: usize>(
            weights: &[u8],
            outputs: usize,
            at: usize,
            rows: [&[u8]; R],
            to: &mut [Sums; R],
        ) {
            let mut sums = [[$zero; V]; R];
            let groups = rows.iter().map(|row| row.len() / 4).min().unwrap_or(0);
            for group in 0..groups {
                let w: [_; V] = core::array::from_fn(|v| {
                    let place = 4 * (group * outputs + at + $width * v);
                    // SAFETY: there are as many groups of `outputs` fours as fours of x (the caller has seen to it), and
                    // these `V` vectors lie within the group.
                    unsafe { $load(weights.as_ptr().wrapping_add(place).cast()) }
                });
                for (row, sums) in rows.iter().zip(&mut sums) {
                    // SAFETY: every row has this group.
                    let x = unsafe { row.as_ptr().wrapping_add(4 * group).cast::<i32>().read_unaligned() };
                    let x = $spread(x ^ i32::from_ne_bytes([128; 4]));
                    for (sum, &w) in sums.iter_mut().zip(&w) {
                        *sum = $products(*sum, w, x);
                    }
                }
            }
            for (to, sums) in to.iter_mut().zip(sums) {
                let vectors = to.as_chunks_mut::<$width>().0.iter_mut();
                for (to, sum) in vectors.skip(at / $width).zip(sums) {
                    // SAFETY: the array holds a vector.
                    unsafe { $store(to.as_mut_ptr().cast(), sum) };
                }
            }
        }
    };
}
pub(super) use fours;

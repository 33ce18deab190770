//! What the variants for x86-64 share: 6 pixels of a row that the same taps reach, times 16 channels, as in the convolution.
//!
//! The columns of a row fall into as many phases as the stride has steps: within a phase, neighbours in the output are
//! neighbours in the input. The panel holds `x - input_zero_point`, and zeros beside the input.
//!
//! A file that has it brings `Finish`, `add` and `load` of the convolution for its instruction set, and `centre`, which
//! writes 16 inputs less their zero point.

/// Most pixels of a tile.
pub(super) const TILE: usize = 6;
/// Most taps of a kernel; larger ones are left to the portable variant.
pub(super) const TAPS: usize = 128;

/// `run`, compiled for these instruction sets.
macro_rules! transposed {
    ($features:literal, $level:expr) => {
        /// Convolves with weights in O16K2; false where the CPU or the layout is another one or the kernel is too large.
        pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
            let g = &params.geometry;
            let taps = (g.kernel_height as usize).wrapping_mul(g.kernel_width as usize);
            let depth = taps.wrapping_mul(g.in_channels as usize);
            let mut memory = Memory::<NEAR>::new();
            let panel = Panel::<i16>::new(&mut memory, depth, false);
            if isa.level() < $level || params.layout != layout::O16K2 || taps > TAPS || panel.length < depth {
                return false;
            }
            // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
            unsafe {
                let finish = Finish::new(&params.output, operands.multipliers);
                Job { params, operands, panel, finish, depth }.all(pixels, y);
            }
            true
        }

        /// A transposed convolution whose operands fit.
        struct Job<'a> {
            params: &'a Params,
            operands: &'a Operands<'a>,
            panel: Panel<i16>,
            finish: Finish,
            /// Weights of an output channel.
            depth: usize,
        }

        /// A tap that reaches a phase.
        #[derive(Clone, Copy, Default)]
        struct Tap {
            /// Its place among those of the kernel.
            place: usize,
            /// The input element at column 0 of the input row that it reads; `None` above or below the input.
            row: Option<usize>,
            /// The input column for the first pixel of the phase, maybe outside.
            column: i32,
        }

        /// The taps that reach the pixels of a phase.
        struct Taps {
            taps: [Tap; TAPS],
            count: usize,
        }

        impl Job<'_> {
            /// All pixels: the part of every row that is asked for, phase by phase.
            #[target_feature(enable = $features)]
            fn all(&self, pixels: &Pixels, y: &mut [i8]) {
                let g = &self.params.geometry;
                let channels = g.out_channels as usize;
                let mut pixel = pixels.start;
                let mut y = y;
                while pixel < pixels.end {
                    let [image, row, column] = place(pixel, g.out_height, g.out_width);
                    let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
                    let Some((part, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(channels)) else {
                        return;
                    };
                    for phase in 0..g.stride_width.min(count) {
                        let taps = self.reaching([image, row, column.wrapping_add(phase)]);
                        let first = (phase as usize).wrapping_mul(channels);
                        let before = count.wrapping_sub(phase).wrapping_sub(1).checked_div(g.stride_width).unwrap_or(0);
                        let pixels = before.wrapping_add(1) as usize;
                        self.phase(&taps, pixels, part.get_mut(first..).unwrap_or_default());
                    }
                    (y, pixel) = (rest, pixel.wrapping_add(count));
                }
            }

            /// The taps that reach this output pixel and those in steps of the stride after it.
            fn reaching(&self, [image, row, column]: [u32; 3]) -> Taps {
                let g = &self.params.geometry;
                let (rows, columns) = (g.rows(), g.columns());
                let mut found = Taps { taps: [Tap::default(); TAPS], count: 0 };
                for kh in 0..g.kernel_height {
                    let Some(r) = rows.source(row, kh) else { continue };
                    let r = (image as usize).wrapping_mul(g.in_height as usize).wrapping_add(r as usize);
                    let start = r.wrapping_mul(g.in_width as usize).wrapping_mul(g.in_channels as usize);
                    for kw in 0..g.kernel_width {
                        let distance = columns.pad.wrapping_add(column).cast_signed();
                        let distance = distance.wrapping_sub(kw.wrapping_mul(columns.dilation).cast_signed());
                        let stride = columns.stride.cast_signed();
                        if distance.checked_rem_euclid(stride) != Some(0) {
                            continue;
                        }
                        let column = distance.checked_div(stride).unwrap_or(0);
                        let place = (kh as usize).wrapping_mul(g.kernel_width as usize).wrapping_add(kw as usize);
                        if let Some(slot) = found.taps.get_mut(found.count) {
                            *slot = Tap { place, row: Some(start), column };
                            found.count = found.count.wrapping_add(1);
                        }
                    }
                }
                found
            }

            /// Some pixels of a phase, the first of which is at the start of `y`.
            #[target_feature(enable = $features)]
            fn phase(&self, taps: &Taps, pixels: usize, y: &mut [i8]) {
                let pitch = (self.params.geometry.stride_width as usize).wrapping_mul(self.channels());
                let mut done = 0;
                while done < pixels {
                    let y = y.get_mut(done.wrapping_mul(pitch)..).unwrap_or_default();
                    done = done.wrapping_add(match pixels.wrapping_sub(done).min(self.panel.capacity) {
                        TILE.. => self.tile::<TILE>(taps, done, pitch, y),
                        4 | 5 => self.tile::<4>(taps, done, pitch, y),
                        2 | 3 => self.tile::<2>(taps, done, pitch, y),
                        _ => self.tile::<1>(taps, done, pitch, y),
                    });
                }
            }

            /// Output channels.
            fn channels(&self) -> usize {
                self.params.geometry.out_channels as usize
            }

            /// `P` pixels of a phase from its pixel `first` on, `pitch` apart; returns `P`.
            #[target_feature(enable = $features)]
            fn tile<const P: usize>(&self, taps: &Taps, first: usize, pitch: usize, y: &mut [i8]) -> usize {
                let inputs = self.params.geometry.in_channels as usize;
                let taps = taps.taps.get(..taps.count).unwrap_or_default();
                for (t, tap) in taps.iter().enumerate() {
                    for p in 0..P {
                        let column = tap.column.wrapping_add(first.wrapping_add(p) as i32);
                        let row = p.wrapping_mul(self.panel.pitch).wrapping_add(t.wrapping_mul(inputs));
                        self.gather(tap, column, self.panel.rows.wrapping_add(row));
                    }
                }
                let (channels, steps) = (self.channels(), inputs / 2);
                for channel in (0..channels.div_ceil(16)).map(|block| block.wrapping_mul(16)) {
                    let (bias, multipliers) = self.requantization(channel);
                    let sums = [load(&bias); P];
                    let block = self.operands.weights.as_ptr().wrapping_add(channel.wrapping_mul(self.depth));
                    let runs = taps.iter().enumerate().map(|(t, tap)| {
                        (t.wrapping_mul(inputs), block.wrapping_add(tap.place.wrapping_mul(inputs).wrapping_mul(16)))
                    });
                    let rows = (self.panel.rows.cast_const(), self.panel.pitch);
                    // SAFETY: the panel holds `steps` pairs of these taps in `P` rows, a block of weights 32 bytes for each.
                    let sums = unsafe { add::<P, 2>(sums, rows, runs, steps) };
                    self.finish.store(&sums, &multipliers, (pitch, channels), channel, y);
                }
                P
            }

            /// The inputs of one tap of one pixel.
            #[inline]
            #[target_feature(enable = $features)]
            fn gather(&self, tap: &Tap, column: i32, to: *mut i16) {
                let g = &self.params.geometry;
                let inputs = g.in_channels as usize;
                let inside = tap.row.filter(|_| column.cast_unsigned() < g.in_width);
                let start = inside.map(|row| row.wrapping_add((column.cast_unsigned() as usize).wrapping_mul(inputs)));
                let x =
                    start.and_then(|start| self.operands.x.get(start..start.wrapping_add(inputs))).unwrap_or_default();
                let zero_point = self.params.input_zero_point as i16;
                let (blocks, rest) = x.as_chunks::<16>();
                let mut done = 0;
                for block in blocks {
                    // SAFETY: the panel has room for the inputs of every tap.
                    unsafe { centre(block, zero_point, to.wrapping_add(done)) };
                    done = done.wrapping_add(16);
                }
                for &x in rest {
                    // SAFETY: as above.
                    unsafe { to.wrapping_add(done).write(i16::from(x).wrapping_sub(zero_point)) };
                    done = done.wrapping_add(1);
                }
                while done < inputs {
                    // SAFETY: as above.
                    unsafe { to.wrapping_add(done).write(0) };
                    done = done.wrapping_add(1);
                }
            }

            /// The bias and the multipliers of the 16 channels from `channel` on, zero beyond the last.
            #[inline(always)]
            fn requantization(&self, channel: usize) -> ([i32; 16], [f32; 16]) {
                let mut all = ([0; 16], [0.0; 16]);
                let o = self.operands;
                all.0.iter_mut().zip(o.bias.get(channel..).unwrap_or_default()).for_each(|(to, &from)| *to = from);
                all.1
                    .iter_mut()
                    .zip(o.multipliers.get(channel..).unwrap_or_default())
                    .for_each(|(to, &from)| *to = from);
                all
            }
        }
    };
}
pub(super) use transposed;

//! The walk of the AVX2 and AVX-VNNI variants: a panel of gathered inputs, over which every block of weights passes.
//!
//! A file that has it says what differs: `Element` of the panel, `TOGETHER`, the inputs of a step, `HEAD`, the bytes before
//! a block's weights, and the functions `copy`, `start` and `add`.

/// Most pixels of a tile: times 16 channels, 12 sums in registers.
pub(super) const TILE: usize = 6;
/// Bytes of gathered inputs over which a block of weights passes before the next one comes.
pub(super) const GROUP: usize = 24 << 10;

/// `all(job, y)`, compiled for these instruction sets.
macro_rules! gathered {
    ($features:literal) => {
        /// All pixels.
        #[target_feature(enable = $features)]
        fn all(job: &Job<'_>, y: &mut [i8]) {
            let mut memory = Memory::new();
            let panel = Panel::<Element>::new(&mut memory, job.depth, job.flat);
            let finish = Finish::new(&job.params.output, job.operands.multipliers);
            let mut group = Group { job, panel: &panel, finish: &finish, windows: job.windows.clone(), done: 0 };
            let whole = panel.length >= job.depth;
            let tiles =
                GROUP.checked_div(panel.pitch.wrapping_mul(size_of::<Element>() * TILE)).unwrap_or(1).clamp(1, 8);
            let most = if whole { tiles.wrapping_mul(TILE).min(panel.capacity) } else { 1 };
            let mut y = y;
            while group.done < job.pixels {
                let count = job.pixels.wrapping_sub(group.done).min(most);
                let Some((rows, rest)) = y.split_at_mut_checked(count.wrapping_mul(job.channels)) else { return };
                if whole {
                    group.gather(count);
                    group.products(count, rows);
                } else {
                    group.long_pixel(rows);
                }
                group.done = group.done.wrapping_add(count);
                y = rest;
            }
        }

        /// The next pixels, all channels of which are computed from one panel.
        struct Group<'a> {
            job: &'a Job<'a>,
            panel: &'a Panel<Element>,
            finish: &'a Finish,
            windows: Windows,
            /// Pixels before them.
            done: usize,
        }

        impl Group<'_> {
            /// Gathers the next windows, as many as the panel has room for at most.
            #[inline]
            #[target_feature(enable = $features)]
            fn gather(&mut self, count: usize) {
                if let Some(x) = self.job.stretch(self.done, count) {
                    copy(x.as_ptr(), self.panel.rows, x.len());
                    return;
                }
                if self.job.flat {
                    // The stretch ends too near the end of the input, and the walk has not followed.
                    self.windows = self.job.windows_from(self.done);
                }
                for row in 0..count {
                    let window = self.windows.next();
                    self.gather_part(&window, row, &(0..self.job.depth));
                }
            }

            /// Gathers a part of a window into a row of the panel.
            #[inline]
            #[target_feature(enable = $features)]
            fn gather_part(&self, window: &Window, row: usize, part: &Range<usize>) {
                let row = self.panel.rows.wrapping_add(row.wrapping_mul(self.panel.pitch));
                // SAFETY: the panel has room for as many rows, and for more after the last.
                unsafe { self.job.gather(window, part, row, |from, to, n| copy(from, to, n)) };
            }

            /// All channels of the gathered pixels.
            #[target_feature(enable = $features)]
            fn products(&self, count: usize, y: &mut [i8]) {
                let block = self.job.depth.next_multiple_of(TOGETHER).wrapping_mul(16).wrapping_add(HEAD);
                let mut weights = self.job.operands.weights.as_ptr();
                let mut channel = 0;
                while channel < self.job.channels {
                    let mut first = 0usize;
                    while first < count {
                        first = match count.wrapping_sub(first) {
                            TILE.. => self.tile::<TILE>(first, channel, weights, y),
                            4 | 5 => self.tile::<4>(first, channel, weights, y),
                            2 | 3 => self.tile::<2>(first, channel, weights, y),
                            _ => self.tile::<1>(first, channel, weights, y),
                        };
                    }
                    (channel, weights) = (channel.wrapping_add(16), weights.wrapping_add(block));
                }
            }

            /// 16 channels of `P` gathered pixels from `first` on; returns the pixel after them.
            #[inline]
            #[target_feature(enable = $features)]
            fn tile<const P: usize>(&self, first: usize, channel: usize, weights: *const i8, y: &mut [i8]) -> usize {
                let (job, pitch) = (self.job, self.panel.pitch);
                let rows = (self.panel.rows.wrapping_add(first.wrapping_mul(pitch)).cast_const(), pitch);
                let (bias, multipliers) = job.requantization(channel);
                // SAFETY: the weights are those of a block.
                let (sums, steps) = ([unsafe { start(bias, weights) }; P], job.depth.div_ceil(TOGETHER));
                let weights = weights.wrapping_add(HEAD);
                let wide = job.channels.wrapping_sub(channel) > 8;
                // SAFETY: the panel holds these rows of as many steps, a block the weights for each of them.
                let sums = unsafe {
                    match wide {
                        true => add::<P, 2>(sums, rows, weights, steps),
                        false => add::<P, 1>(sums, rows, weights, steps),
                    }
                };
                let y = y.get_mut(first.wrapping_mul(job.channels)..).unwrap_or_default();
                self.finish.store(&sums, multipliers, (job.channels, job.channels), channel, y);
                first.wrapping_add(P)
            }

            /// All channels of the next pixel, whose window is longer than a row of the panel.
            #[target_feature(enable = $features)]
            fn long_pixel(&mut self, y: &mut [i8]) {
                let job = self.job;
                let window = self.windows.next();
                let block = job.depth.next_multiple_of(TOGETHER).wrapping_mul(16).wrapping_add(HEAD);
                let mut weights = job.operands.weights.as_ptr();
                let mut channel = 0;
                while channel < job.channels {
                    let (bias, multipliers) = job.requantization(channel);
                    // SAFETY: the weights are those of a block.
                    let mut sums = [unsafe { start(bias, weights) }];
                    let mut first = 0usize;
                    while first < job.depth {
                        let part = first..job.depth.min(first.wrapping_add(self.panel.length));
                        self.gather_part(&window, 0, &part);
                        let rows = (self.panel.rows.cast_const(), self.panel.pitch);
                        let weights = weights.wrapping_add(HEAD).wrapping_add(first.wrapping_mul(16));
                        // SAFETY: the row holds as many steps, and there are weights for each of them.
                        sums = unsafe { add::<1, 2>(sums, rows, weights, part.len().div_ceil(TOGETHER)) };
                        first = part.end;
                    }
                    self.finish.store(&sums, multipliers, (job.channels, job.channels), channel, y);
                    (channel, weights) = (channel.wrapping_add(16), weights.wrapping_add(block));
                }
            }
        }
    };
}
pub(super) use gathered;

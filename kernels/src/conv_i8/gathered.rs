//! The walk of the SSE4.1, AVX2 and AVX-VNNI variants: a panel of gathered inputs, over which every block of weights passes.
//! In several groups, a block reads the inputs of its own ones, tap by tap.
//!
//! A file that has it says what differs: `Element` of the panel, `TOGETHER`, the inputs of a step, `HEAD`, the bytes before
//! a block's weights, `Sums` of 16 channels and `Finish`, their way to int8, the functions `copy`, `start` and `add`, and
//! `Beside`, what else is known of the gathered inputs: nothing, by `plain!`, where every product is exact.

/// Most pixels of a tile: times 16 channels, 12 sums in registers.
pub(super) const TILE: usize = 6;
/// Most tiles of a panel.
pub(super) const TILES: usize = 16;
/// Bytes of gathered inputs over which a block of weights passes before the next one comes.
pub(super) const GROUP: usize = 24 << 10;
/// More bytes of weights than these should pass over a whole tile, even where that does not fit into the nearest cache.
pub(super) const WEIGHTS: usize = 256 << 10;

/// `all(job, y)`, compiled for these instruction sets.
macro_rules! gathered {
    ($features:literal) => {
        /// All pixels.
        #[target_feature(enable = $features)]
        fn all(job: &Job<'_>, y: &mut [i8]) {
            let tile = job.depth.saturating_mul(size_of::<Element>() * TILE);
            if tile > NEAR && job.operands.weights.len() > WEIGHTS {
                in_memory::<FAR>(job, y);
            } else {
                in_memory::<NEAR>(job, y);
            }
        }

        /// All pixels, with a panel in as much memory.
        #[inline(never)] // Stack that is not needed is not taken.
        #[target_feature(enable = $features)]
        fn in_memory<const N: usize>(job: &Job<'_>, y: &mut [i8]) {
            let mut memory = Memory::<N>::new();
            let panel = Panel::<Element>::new(&mut memory, job.depth, job.flat && Beside::FLAT);
            let finish = Finish::new(&job.params.output, job.operands.multipliers);
            let beside = Beside::new(job);
            let windows = job.windows.clone();
            let mut group = Group { job, panel: &panel, finish: &finish, windows, done: 0, beside };
            let whole = panel.length >= job.depth;
            let tiles =
                GROUP.checked_div(panel.pitch.wrapping_mul(size_of::<Element>() * TILE)).unwrap_or(1).clamp(1, TILES);
            let most = if whole { tiles.wrapping_mul(TILE).min(panel.capacity) } else { 1 };
            let mut y = y;
            while group.done < job.pixels {
                let count = job.pixels.wrapping_sub(group.done).min(most);
                let Some((rows, rest)) = y.split_at_mut_checked(count.wrapping_mul(job.channels)) else { return };
                if whole {
                    group.fill(count);
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
            beside: Beside,
        }

        /// 16 output channels.
        struct Block<'a> {
            /// What their sums start at.
            start: Sums,
            multipliers: &'a [f32; 16],
            channel: usize,
            /// The first input of a row that it reads.
            input: usize,
            weights: *const i8,
        }

        impl Group<'_> {
            /// Gathers the next windows, as many as the panel has room for at most.
            #[inline]
            #[target_feature(enable = $features)]
            fn gather(&mut self, count: usize) {
                let dense = self.panel.pitch == self.job.depth;
                if let Some(x) = self.job.stretch(self.done, count).filter(|_| dense) {
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
                let block = self.job.runs.weights(TOGETHER).wrapping_add(HEAD);
                let mut weights = self.job.operands.weights.as_ptr();
                let mut channel = 0;
                while channel < self.job.channels {
                    let (bias, multipliers) = self.job.requantization(channel);
                    // SAFETY: the weights are those of a block.
                    let start = unsafe { self.beside.start(start(bias, weights), weights) };
                    let input = self.job.runs.first(channel);
                    let here = Block { start, multipliers, channel, input, weights: weights.wrapping_add(HEAD) };
                    let mut first = 0usize;
                    while first < count {
                        first = match count.wrapping_sub(first) {
                            5 => self.tile::<5>(first, &here, y),
                            left if left >= TILE => self.tile::<TILE>(first, &here, y),
                            4.. => self.tile::<4>(first, &here, y),
                            3 => self.tile::<3>(first, &here, y),
                            2 => self.tile::<2>(first, &here, y),
                            _ => self.tile::<1>(first, &here, y),
                        };
                    }
                    (channel, weights) = (channel.wrapping_add(16), weights.wrapping_add(block));
                }
            }

            /// 16 channels of `P` gathered pixels from `first` on; returns the pixel after them.
            #[inline]
            #[target_feature(enable = $features)]
            fn tile<const P: usize>(&self, first: usize, block: &Block<'_>, y: &mut [i8]) -> usize {
                let (job, pitch) = (self.job, self.panel.pitch);
                let place = first.wrapping_mul(pitch).wrapping_add(block.input);
                let rows = (self.panel.rows.wrapping_add(place).cast_const(), pitch);
                let sums = self.beside.sums::<P>(block.start, first);
                let wide = job.channels.wrapping_sub(block.channel) > 8;
                // SAFETY: the panel holds these rows of as many steps, a block the weights for each of them.
                let sums = unsafe {
                    match wide {
                        true => self.beside.add::<P, 2>(sums, rows, block.weights, job.runs, first),
                        false => self.beside.add::<P, 1>(sums, rows, block.weights, job.runs, first),
                    }
                };
                let y = y.get_mut(first.wrapping_mul(job.channels)..).unwrap_or_default();
                self.finish.store(&sums, block.multipliers, (job.channels, job.channels), block.channel, y);
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
                        sums = unsafe { add::<1, 2>(sums, rows, once((0, weights)), part.len().div_ceil(TOGETHER)) };
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

/// Inputs of which nothing else need be known.
macro_rules! plain {
    ($features:literal) => {
        struct Beside;

        impl Beside {
            /// Whether rows of a panel may follow each other without a gap.
            const FLAT: bool = true;

            fn new(_: &Job<'_>) -> Self {
                Self
            }

            /// What the sums of a block start at.
            #[inline(always)]
            unsafe fn start(&self, start: Sums, _: *const i8) -> Sums {
                start
            }

            /// What those of the pixels from `first` on start at.
            #[inline(always)]
            fn sums<const P: usize>(&self, start: Sums, _: usize) -> [Sums; P] {
                [start; P]
            }

            /// The sums with all products added.
            ///
            /// # Safety
            /// As for `add`.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn add<const P: usize, const H: usize>(
                &self,
                sums: [Sums; P],
                rows: (*const Element, usize),
                weights: *const i8,
                runs: Runs,
                _: usize,
            ) -> [Sums; P] {
                // SAFETY: the caller's promise.
                unsafe { add::<P, H>(sums, rows, runs.places(weights, TOGETHER), runs.steps(TOGETHER)) }
            }
        }

        impl Group<'_> {
            /// Fills the panel with the next windows.
            #[inline]
            #[target_feature(enable = $features)]
            fn fill(&mut self, count: usize) {
                self.gather(count);
            }
        }
    };
}
pub(super) use plain;

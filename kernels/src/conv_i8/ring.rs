//! The walk of the variants for first layers: few input channels, whose windows overlap in all but a few elements.
//!
//! Every input row is widened to int16 once, padding included, into a ring of as many rows as the kernel has. Neighbouring
//! windows then are the same elements, a few further on, so that nothing is gathered: the tiles of 6 pixels times 16 channels
//! read the ring itself, row of taps by row of taps.
//!
//! A file that has it brings `Finish`, `add` and `load` of its instruction set.

/// `all(params, operands, pixels, y)`, compiled for these instruction sets.
macro_rules! ring {
    ($features:literal) => {
        /// Most pixels of a tile.
        const TILE: usize = 6;

        /// All pixels, output row by output row.
        #[target_feature(enable = $features)]
        fn all(params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) {
            let (g, mut memory) = (&params.geometry, [MaybeUninit::uninit(); stem::RING]);
            let job = Job::new(params, operands, pixels);
            let finish = Finish::new(&params.output, operands.multipliers);
            let mut ring =
                Ring { job: &job, rows: &mut memory, line: stem::line(g) as usize, image: u32::MAX, next: 0 };
            let work = Work {
                job: &job,
                finish: &finish,
                steps: stem::steps(g),
                pixel: (g.stride_width as usize).wrapping_mul(g.in_channels as usize),
            };
            let (mut pixel, mut y) = (pixels.start, y);
            while pixel < pixels.end {
                let [image, row, column] = place(pixel, g.out_height, g.out_width);
                let count = g.out_width.wrapping_sub(column).min(pixels.end.wrapping_sub(pixel)).max(1);
                let Some((here, rest)) = y.split_at_mut_checked((count as usize).wrapping_mul(job.channels)) else {
                    return;
                };
                ring.turn(image, row);
                work.row(&ring, row, (column as usize, count as usize), here);
                (y, pixel) = (rest, pixel.wrapping_add(count));
            }
        }

        /// The input rows that an output row sees, `line` elements each; row `r`, counted from the first one of the padding, lies
        /// at `r` modulo the rows of the kernel.
        struct Ring<'a> {
            job: &'a Job<'a>,
            rows: &'a mut [MaybeUninit<i16>; stem::RING],
            line: usize,
            /// The rows before `next` of this image have been in the ring.
            image: u32,
            next: u32,
        }

        impl Ring<'_> {
            /// Brings the input rows of an output row in.
            #[target_feature(enable = $features)]
            fn turn(&mut self, image: u32, row: u32) {
                let g = &self.job.params.geometry;
                if image != self.image {
                    (self.image, self.next) = (image, 0);
                }
                let first = row.wrapping_mul(g.stride_height);
                let end = first.wrapping_add(g.kernel_height);
                for r in first.max(self.next)..end {
                    self.widen(r);
                }
                self.next = end;
            }

            /// The place of a row.
            #[inline(always)]
            fn start(&self, r: u32) -> usize {
                let slot = r.checked_rem(self.job.params.geometry.kernel_height).unwrap_or(0);
                (slot as usize).wrapping_mul(self.line)
            }

            /// Widens a row of input, with padding on both sides, or makes one of padding.
            #[inline]
            #[target_feature(enable = $features)]
            fn widen(&mut self, r: u32) {
                let (g, x) = (&self.job.params.geometry, self.job.operands.x);
                let padding = self.job.params.input_zero_point as i16;
                let start = self.start(r);
                let to = self.rows.get_mut(start..start.wrapping_add(self.line)).unwrap_or_default();
                let from = r.wrapping_sub(g.pad_top);
                let width = (g.in_width as usize).wrapping_mul(g.in_channels as usize);
                let line = (self.image as usize).wrapping_mul(g.in_height as usize).wrapping_add(from as usize);
                let first = line.wrapping_mul(width);
                let x = x.get(first..first.wrapping_add(width)).filter(|_| from < g.in_height).unwrap_or_default();
                let before =
                    if x.is_empty() { to.len() } else { (g.pad_left as usize).wrapping_mul(g.in_channels as usize) };
                let mut to = to.iter_mut();
                for to in to.by_ref().take(before) {
                    to.write(padding);
                }
                let inside = to.as_slice().len().min(x.len());
                for (to, &x) in to.by_ref().take(inside).zip(x) {
                    to.write(x.into());
                }
                for to in to {
                    to.write(padding);
                }
            }
        }

        struct Work<'a> {
            job: &'a Job<'a>,
            finish: &'a Finish,
            /// Pairs of a row of taps.
            steps: usize,
            /// Elements from window to window.
            pixel: usize,
        }

        impl Work<'_> {
            /// Pixels of an output row: the first column and their number.
            #[target_feature(enable = $features)]
            fn row(&self, ring: &Ring<'_>, row: u32, (column, count): (usize, usize), y: &mut [i8]) {
                let g = &self.job.params.geometry;
                let block = self.steps.wrapping_mul(g.kernel_height as usize).wrapping_mul(32);
                let mut weights = self.job.operands.weights.as_ptr();
                let mut channel = 0;
                while channel < self.job.channels {
                    let mut done = 0;
                    while done < count {
                        let x = column.wrapping_add(done).wrapping_mul(self.pixel);
                        let y = y.get_mut(done.wrapping_mul(self.job.channels)..).unwrap_or_default();
                        done = done.wrapping_add(match count.wrapping_sub(done) {
                            TILE.. => self.tile::<TILE>(ring, row, x, weights, channel, y),
                            5 => self.tile::<5>(ring, row, x, weights, channel, y),
                            4 => self.tile::<4>(ring, row, x, weights, channel, y),
                            3 => self.tile::<3>(ring, row, x, weights, channel, y),
                            2 => self.tile::<2>(ring, row, x, weights, channel, y),
                            _ => self.tile::<1>(ring, row, x, weights, channel, y),
                        });
                    }
                    (channel, weights) = (channel.wrapping_add(16), weights.wrapping_add(block));
                }
            }

            /// 16 channels of `P` pixels whose windows start at element `x` of their rows; returns `P`.
            #[inline]
            #[target_feature(enable = $features)]
            fn tile<const P: usize>(
                &self,
                ring: &Ring<'_>,
                row: u32,
                x: usize,
                weights: *const i8,
                channel: usize,
                y: &mut [i8],
            ) -> usize {
                let (job, g) = (self.job, &self.job.params.geometry);
                let (bias, multipliers) = job.requantization(channel);
                let sums = [load(bias); P];
                let first = row.wrapping_mul(g.stride_height);
                let wide = job.channels.wrapping_sub(channel) > 8;
                let rows = (0..g.kernel_height).map(|r| {
                    let before = self.steps.wrapping_mul(r as usize).wrapping_mul(32);
                    (ring.start(first.wrapping_add(r)), weights.wrapping_add(before))
                });
                let from = (ring.rows.as_ptr().cast::<i16>().wrapping_add(x), self.pixel);
                // SAFETY: the ring holds these rows, which are as long as `steps` pairs of every window need; there are weights for
                // every pair of every row of taps.
                let sums = unsafe {
                    match wide {
                        true => add::<P, 2>(sums, from, rows, self.steps),
                        false => add::<P, 1>(sums, from, rows, self.steps),
                    }
                };
                self.finish.store(&sums, multipliers, (job.channels, job.channels), channel, y);
                P
            }
        }
    };
}
pub(super) use ring;

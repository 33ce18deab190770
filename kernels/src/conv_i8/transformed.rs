//! The walk of Winograd's F(2x2, 3x3) and F(4x4, 3x3): six tiles of `N` times `N` outputs times 16 channels in registers.
//!
//! The `S` times `S` inputs of a tile are transformed into int16, one panel for each of their `Q` positions; products in
//! pairs of channels with the transformed weights are added, and the sums of the positions give the outputs. All of it is
//! whole numbers modulo 2^32, so that the outputs are those of the definition to the bit.
//!
//! A file that has it says what differs: `Vector`, of `WIDTH` words of 16 bits, its functions, `Sums` of 16 channels in
//! `VECTORS` of them, `load` and `Finish` of its instruction set, and `widened` and `add`, the inputs and the products.

use super::winograd::INPUTS;

/// Tiles whose sums are in registers together.
pub(super) const TOGETHER: usize = 6;
/// Most tiles of a group: each block of weights comes once for all of them.
pub(super) const TILES: usize = 24;
/// Elements of the transformed inputs of a group, which stay in the second-level cache: at least [`TOGETHER`] tiles of the
/// most inputs in 36 positions.
pub(super) const PANEL: usize = 36 * TOGETHER * (INPUTS as usize + 16);

/// `run`, compiled for these instruction sets.
macro_rules! transformed {
    ($features:literal, $level:expr) => {
        /// Convolves with transformed weights; false where the CPU or the layout is another one.
        pub(super) fn run(isa: Isa, params: &Params, operands: &Operands<'_>, pixels: &Pixels, y: &mut [i8]) -> bool {
            if isa.level() < $level {
                return false;
            }
            match params.layout {
                // SAFETY: an `Isa` of this level can only be made on a CPU that has it.
                layout::WINOGRAD => unsafe { all::<2, 4, 16>(params, operands, pixels, y) },
                // SAFETY: as above.
                layout::WINOGRAD_4X4 => unsafe { all::<4, 6, 36>(params, operands, pixels, y) },
                _ => return false,
            }
            true
        }

        /// The transformed inputs `[positions][tiles][pitch]`, the inputs of a tile at a border `[positions][pitch]`, and the sums
        /// of 16 channels `[tiles][positions]`.
        struct Memory<const Q: usize> {
            panel: [MaybeUninit<i16>; PANEL],
            border: [[i8; INPUTS as usize + 16]; Q],
            sums: [[MaybeUninit<Sums>; Q]; TILES],
        }

        /// All pixels.
        #[target_feature(enable = $features)]
        fn all<const N: u32, const S: usize, const Q: usize>(
            params: &Params,
            operands: &Operands<'_>,
            pixels: &Pixels,
            y: &mut [i8],
        ) {
            let mut memory = Memory::<Q> {
                panel: [MaybeUninit::uninit(); PANEL],
                border: [[0; INPUTS as usize + 16]; Q],
                sums: [[MaybeUninit::uninit(); Q]; TILES],
            };
            let job = Job::new(params, operands, pixels);
            let finish = Finish::new(&params.output, operands.multipliers);
            let inputs = params.geometry.in_channels as usize;
            // No power of two, so that rows do not fall into one set of the cache.
            let pitch = inputs.next_multiple_of(16).wrapping_add(16);
            let most = PANEL.checked_div(pitch.wrapping_mul(Q)).unwrap_or(0).min(TILES);
            let most = most.wrapping_sub(most % TOGETHER);
            let work =
                Work::<N, S, Q> { job: &job, finish: &finish, inputs, pitch, position: pitch.wrapping_mul(most) };
            let mut tiles = Tiles::<N>::new(&params.geometry, pixels.clone());
            loop {
                let mut group = [Tile::default(); TILES];
                let mut count = 0;
                while let Some(to) = group.get_mut(count).filter(|_| count < most) {
                    let Some(tile) = tiles.next() else { break };
                    work.transform(&tile, count, &mut memory);
                    (*to, count) = (tile, count.wrapping_add(1));
                }
                match group.get(..count) {
                    Some(group) if count > 0 => work.outputs(&mut memory, group, &tiles, y),
                    _ => return,
                }
            }
        }

        /// Tiles of `N` times `N` outputs and `S` times `S` inputs, `Q` in all.
        struct Work<'a, const N: u32, const S: usize, const Q: usize> {
            job: &'a Job<'a>,
            finish: &'a Finish,
            inputs: usize,
            /// Elements from row to row of the panel, and from position to position.
            pitch: usize,
            position: usize,
        }

        impl<const N: u32, const S: usize, const Q: usize> Work<'_, N, S, Q> {
            /// Transforms the inputs of a tile into row `index` of every position's panel.
            #[inline]
            #[target_feature(enable = $features)]
            fn transform(&self, tile: &Tile<N>, index: usize, memory: &mut Memory<Q>) {
                let (g, x) = (&self.job.params.geometry, self.job.operands.x);
                let to = memory.panel.as_mut_ptr().cast::<i16>().wrapping_add(index.wrapping_mul(self.pitch));
                if let Some(x) = tile.inside(g, x, 15) {
                    let line = (g.in_width as usize).wrapping_mul(self.inputs);
                    // SAFETY: the slice reaches as far as the last vector of the last input, the panel holds the row.
                    unsafe { transform::<S>(x.as_ptr(), line, self.inputs, self.inputs, to, self.position) };
                    return;
                }
                let border = memory.border.as_flattened_mut();
                tile.gather(g, x, self.job.params.input_zero_point as i8, self.pitch, border);
                let line = self.pitch.wrapping_mul(S);
                // SAFETY: the border holds a row of `pitch` inputs for every position, the panel holds the row.
                unsafe { transform::<S>(border.as_ptr(), line, self.pitch, self.inputs, to, self.position) };
            }

            /// All channels of the tiles of a group, which are in the panel.
            #[target_feature(enable = $features)]
            fn outputs(&self, memory: &mut Memory<Q>, group: &[Tile<N>], tiles: &Tiles<'_, N>, y: &mut [i8]) {
                let mut weights = self.job.operands.weights.as_ptr().cast::<i16>();
                let steps = self.inputs / 2;
                let mut channel = 0;
                while channel < self.job.channels {
                    let panel = memory.panel.as_ptr().cast::<i16>();
                    for position in 0..Q {
                        let mut first = 0;
                        while first < group.len() {
                            let row = position.wrapping_mul(self.position).wrapping_add(first.wrapping_mul(self.pitch));
                            let from = (panel.wrapping_add(row), self.pitch, weights, steps);
                            let sums = memory.sums.get_mut(first..).unwrap_or_default();
                            // SAFETY: the panel holds rows of `steps` pairs for the tiles left, a block of weights 64 bytes for
                            // each of them.
                            first = first.wrapping_add(unsafe {
                                match group.len().wrapping_sub(first) {
                                    TOGETHER.. => put::<TOGETHER, Q>(from, sums, position),
                                    5 => put::<5, Q>(from, sums, position),
                                    4 => put::<4, Q>(from, sums, position),
                                    3 => put::<3, Q>(from, sums, position),
                                    2 => put::<2, Q>(from, sums, position),
                                    _ => put::<1, Q>(from, sums, position),
                                }
                            });
                        }
                        weights = weights.wrapping_add(steps.wrapping_mul(32));
                    }
                    let (bias, multipliers) = self.job.requantization(channel);
                    let bias = load(bias);
                    for (tile, sums) in group.iter().zip(&mut memory.sums) {
                        // SAFETY: the sums of every position of the tiles of the group were put there.
                        let sums: &mut [Sums; Q] = unsafe { &mut *core::ptr::from_mut(sums).cast() };
                        columns::<S>(sums);
                        for (line, row) in sums.as_chunks::<S>().0.iter().zip(0..N) {
                            let outputs = outputs::<N, S>(line, row, bias);
                            self.store(&outputs, multipliers, tiles, (tile, row), channel, y);
                        }
                    }
                    channel = channel.wrapping_add(16);
                }
            }

            /// Stores the outputs of a row of a tile that are asked for.
            #[inline]
            #[target_feature(enable = $features)]
            fn store(
                &self,
                line: &[Sums; S],
                multipliers: &[f32; 16],
                tiles: &Tiles<'_, N>,
                (tile, row): (&Tile<N>, u32),
                channel: usize,
                y: &mut [i8],
            ) {
                let (first, column, count) = tiles.outputs(tile, row);
                let y = y.get_mut(first.wrapping_mul(self.job.channels)..).unwrap_or_default();
                let sizes = (self.job.channels, self.job.channels);
                match line.first_chunk::<4>() {
                    Some(all) if N == 4 && count == 4 => return self.finish.store(all, multipliers, sizes, channel, y),
                    Some([a, b, ..]) if N == 2 && count == 2 => {
                        return self.finish.store(&[*a, *b], multipliers, sizes, channel, y);
                    }
                    _ => {}
                }
                for (k, sums) in line.iter().skip(column as usize).take(count as usize).enumerate() {
                    let y = y.get_mut(k.wrapping_mul(self.job.channels)..).unwrap_or_default();
                    self.finish.store(&[*sums], multipliers, sizes, channel, y);
                }
            }
        }

        /// Transforms `S` times `S` pixels of `inputs` channels, `line` and `pixel` apart, into rows that are `position` apart.
        ///
        /// # Safety
        /// Every pixel can be read, and every row written, up to the next multiple of 16 channels.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn transform<const S: usize>(
            x: *const i8,
            line: usize,
            pixel: usize,
            inputs: usize,
            to: *mut i16,
            position: usize,
        ) {
            let mut channel = 0;
            while channel < inputs {
                let (x, to) = (x.wrapping_add(channel), to.wrapping_add(channel));
                let mut columns = [[zero(); S]; S];
                for (c, column) in columns.iter_mut().enumerate() {
                    for (r, d) in column.iter_mut().enumerate() {
                        let x = x.wrapping_add(r.wrapping_mul(line)).wrapping_add(c.wrapping_mul(pixel));
                        // SAFETY: the caller's promise.
                        *d = unsafe { widened(x) };
                    }
                    forward(column);
                }
                let mut place = to;
                for r in 0..S {
                    let mut row = columns.map(|column| column.get(r).copied().unwrap_or(zero()));
                    forward(&mut row);
                    for value in row {
                        // SAFETY: the caller's promise.
                        unsafe { store(place.cast(), value) };
                        place = place.wrapping_add(position);
                    }
                }
                channel = channel.wrapping_add(WIDTH);
            }
        }

        /// The transform of four or six inputs.
        #[inline]
        #[target_feature(enable = $features)]
        fn forward(inputs: &mut [Vector]) {
            let (add, sub) = (|a, b| add_words(a, b), |a, b| sub_words(a, b));
            let (twice, four_times) = (|a| shift_words::<1>(a), |a| shift_words::<2>(a));
            match *inputs {
                [a, b, c, d] => inputs.copy_from_slice(&[sub(a, c), add(b, c), sub(c, b), sub(b, d)]),
                [a, b, c, d, e, f] => {
                    let (even, odd) = (sub(e, four_times(c)), sub(d, four_times(b)));
                    let (outer, inner) = (sub(e, c), twice(sub(d, b)));
                    let first = add(four_times(sub(a, c)), outer);
                    let last = sub(sub(f, d), twice(inner));
                    let middle = [add(even, odd), sub(even, odd), add(outer, inner), sub(outer, inner)];
                    let [g, h, i, j] = middle;
                    inputs.copy_from_slice(&[first, g, h, i, j, last]);
                }
                _ => {}
            }
        }

        /// Puts the sums of `P` tiles at a position; returns `P`.
        ///
        /// # Safety
        /// As for [`add`].
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn put<const P: usize, const Q: usize>(
            (x, pitch, weights, steps): (*const i16, usize, *const i16, usize),
            sums: &mut [[MaybeUninit<Sums>; Q]],
            position: usize,
        ) -> usize {
            // SAFETY: the caller's promise.
            let all = unsafe { add::<P>((x, pitch), weights, steps) };
            for (tile, sum) in sums.iter_mut().zip(all) {
                if let Some(to) = tile.get_mut(position) {
                    to.write(sum);
                }
            }
            P
        }

        /// Puts the sums of every column of a tile together, in place: as many rows of them come first as there are of outputs.
        #[inline]
        #[target_feature(enable = $features)]
        fn columns<const S: usize>(sums: &mut [Sums]) {
            for c in 0..S {
                for part in 0..VECTORS {
                    let mut column = [zero(); S];
                    let mut place = c;
                    for to in &mut column {
                        if let Some(&sum) = sums.get(place).and_then(|parts| parts.get(part)) {
                            *to = sum;
                        }
                        place = place.wrapping_add(S);
                    }
                    backward(&mut column);
                    place = c;
                    for sum in column.into_iter().take(S - 2) {
                        if let Some(to) = sums.get_mut(place).and_then(|parts| parts.get_mut(part)) {
                            *to = sum;
                        }
                        place = place.wrapping_add(S);
                    }
                }
            }
        }

        /// The outputs of a row of a tile, with the bias; there are less outputs than sums.
        #[inline]
        #[target_feature(enable = $features)]
        fn outputs<const N: u32, const S: usize>(line: &[Sums; S], row: u32, bias: Sums) -> [Sums; S] {
            let mut all = *line;
            for (part, bias) in bias.into_iter().enumerate() {
                let mut sums = line.map(|parts| parts.get(part).copied().unwrap_or(zero()));
                backward(&mut sums);
                for ((to, sum), column) in all.iter_mut().zip(sums).zip(0..N) {
                    if let Some(to) = to.get_mut(part) {
                        *to = add_sums(scaled::<N>(sum, row, column), bias);
                    }
                }
            }
            all
        }

        /// The outputs of four or six sums, two or four, which come first: in tiles of four, 24, 12, 6 and 6 times too large.
        #[inline]
        #[target_feature(enable = $features)]
        fn backward(sums: &mut [Vector]) {
            let (add, sub) = (|a, b| add_sums(a, b), |a, b| sub_sums(a, b));
            let twice = |a| shift_sums::<1>(a);
            match sums {
                [a, b, c, d] => (*a, *b) = (add(*a, add(*b, *c)), sub(sub(*b, *c), *d)),
                [a, b, c, d, e, f] => {
                    let (near, nearer) = (add(*b, *c), sub(*b, *c));
                    let (far, farther) = (add(*d, *e), sub(*d, *e));
                    (*a, *b) = (sub(add(*a, far), twice(twice(near))), sub(farther, twice(nearer)));
                    (*c, *d) = (sub(far, near), add(sub(twice(farther), nearer), *f));
                }
                _ => {}
            }
        }

        /// What an output of a row and a column of a tile is, whose sum is too large.
        #[inline]
        #[target_feature(enable = $features)]
        fn scaled<const N: u32>(sum: Vector, row: u32, column: u32) -> Vector {
            if N == 2 {
                return shift_right::<2>(sum);
            }
            // 9 * NINTH is 1 modulo 2^32; the rest are powers of two: 8, 4, 2 and 2 times.
            const NINTH: i32 = 0x38E3_8E39;
            let power = |place: u32| 3u32.wrapping_sub(place).max(1);
            let power = power(row).wrapping_add(power(column)).cast_signed();
            shift_right_by(multiply(sum, spread(NINTH)), _mm_cvtsi32_si128(power))
        }
    };
}
pub(super) use transformed;

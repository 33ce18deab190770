//! Places buffers in the arena.

/// A piece of memory that has to exist from one time to another, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Its size.
    pub bytes: usize,
    /// When it is first written.
    pub first: usize,
    /// When it is last used.
    pub last: usize,
    /// Which of two groups of steps that run at the same time use it.
    pub groups: [bool; 2],
}

impl Buffer {
    /// Whether both exist at one time, or may.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let beside = |a: &Self, b: &Self| a.groups[0] && b.groups[1];
        self.first <= other.last && other.first <= self.last || beside(self, other) || beside(other, self)
    }
}

/// Where every buffer lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// First byte of every buffer.
    pub offsets: Vec<usize>,
    /// Bytes of the arena.
    pub bytes: usize,
    /// The most bytes alive at one time: no placement can do with less.
    pub lower_bound: usize,
}

/// How often the order changes of buffers of which some are used at the same time, by two groups of steps.
const ROUNDS: usize = 64;

/// Places buffers so that those alive at the same time do not overlap.
///
/// - Each buffer goes to the lowest offset that is free during its life (first fit), in an order that decides the result.
/// - Orders tried: by size, by size times life, by first use, by the pressure of the busiest time that it meets.
/// - Where two groups of steps run at the same time, whoever lies at the end comes first in the next order, some times.
/// - The best of them is kept; it stops where one meets the lower bound.
///
/// `align` is a power of two; offsets are multiples of it.
pub fn place(buffers: &[Buffer], align: usize) -> Placement {
    let lower_bound = lower_bound(buffers, align);
    let life = |b: &Buffer| b.last - b.first + 1;
    let pressure = |b: &Buffer| (b.first..=b.last).map(|t| live(buffers, t, align)).max().unwrap_or(0);
    let keys: [&dyn Fn(&Buffer) -> (usize, usize); 4] =
        [&|b| (b.bytes, life(b)), &|b| (b.bytes * life(b), b.bytes), &|b| (usize::MAX - b.first, b.bytes), &|b| {
            (pressure(b), b.bytes)
        }];
    let grouped = buffers.iter().any(|b| b.groups != [false; 2]);
    let mut best: Option<Placement> = None;
    for key in keys {
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(key(&buffers[i])));
        let mut placement = first_fit(buffers, &order, align, lower_bound);
        for _ in 0..if grouped { ROUNDS } else { 0 } {
            if placement.bytes == lower_bound {
                break;
            }
            // Whoever lies at the end chooses first.
            let last = |&i: &usize| placement.offsets[i] + rounded(&buffers[i], align) == placement.bytes;
            let Some(at) = order.iter().position(last) else { break };
            order[..=at].rotate_right(1);
            let next = first_fit(buffers, &order, align, lower_bound);
            if best.as_ref().is_none_or(|b| placement.bytes < b.bytes) {
                best = Some(placement);
            }
            placement = next;
        }
        if best.as_ref().is_none_or(|b| placement.bytes < b.bytes) {
            best = Some(placement);
        }
        if best.as_ref().is_some_and(|b| b.bytes == lower_bound) {
            break;
        }
    }
    best.unwrap_or(Placement { offsets: Vec::new(), bytes: 0, lower_bound })
}

/// The rounded size of a buffer.
fn rounded(b: &Buffer, align: usize) -> usize {
    b.bytes.next_multiple_of(align)
}

/// Bytes alive at a time.
fn live(buffers: &[Buffer], time: usize, align: usize) -> usize {
    buffers.iter().filter(|b| b.first <= time && time <= b.last).map(|b| rounded(b, align)).sum()
}

fn lower_bound(buffers: &[Buffer], align: usize) -> usize {
    buffers.iter().map(|b| live(buffers, b.first, align)).max().unwrap_or(0)
}

fn first_fit(buffers: &[Buffer], order: &[usize], align: usize, lower_bound: usize) -> Placement {
    let mut offsets = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut bytes = 0;
    for &i in order {
        let size = rounded(&buffers[i], align);
        let mut taken: Vec<(usize, usize)> = (placed.iter())
            .filter(|&&k| buffers[k].meets(&buffers[i]))
            .map(|&k| (offsets[k], offsets[k] + rounded(&buffers[k], align)))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (start, end) in taken {
            if at + size <= start {
                break;
            }
            at = at.max(end);
        }
        offsets[i] = at;
        bytes = bytes.max(at + size);
        placed.push(i);
    }
    Placement { offsets, bytes, lower_bound }
}

/// The independent checker: two buffers that are alive at one time and share a byte, if there are any.
pub fn overlaps(buffers: &[Buffer], offsets: &[usize]) -> Option<(usize, usize)> {
    let end = buffers.iter().map(|b| b.last).max().unwrap_or(0);
    for time in 0..=end {
        let mut alive: Vec<(usize, usize, usize)> = (buffers.iter().enumerate())
            .filter(|(_, b)| b.bytes > 0 && b.first <= time && time <= b.last)
            .map(|(i, b)| (offsets[i], offsets[i] + b.bytes, i))
            .collect();
        alive.sort_unstable();
        if let Some(pair) = alive.windows(2).find(|p| p[0].1 > p[1].0) {
            return Some((pair[0].2, pair[1].2));
        }
    }
    let of = |group: usize| (0..buffers.len()).filter(move |&i| buffers[i].groups[group] && buffers[i].bytes > 0);
    let share =
        |a: usize, b: usize| offsets[a] < offsets[b] + buffers[b].bytes && offsets[b] < offsets[a] + buffers[a].bytes;
    of(0).flat_map(|a| of(1).map(move |b| (a, b))).find(|&(a, b)| a != b && share(a, b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_needs_its_two_largest_neighbours() {
        let sizes = [100usize, 400, 300, 50];
        let buffers: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(i, &bytes)| Buffer { bytes, first: i, last: i + 1, ..Buffer::default() })
            .collect();
        let placement = place(&buffers, 4);
        assert_eq!((placement.bytes, placement.lower_bound), (700, 700));
        assert_eq!(overlaps(&buffers, &placement.offsets), None);
    }

    #[test]
    fn the_checker_sees_an_overlap() {
        let buffer = |first, last, groups| Buffer { bytes: 8, first, last, groups };
        let alone = [false; 2];
        let at_one_time = [buffer(0, 2, alone), buffer(2, 3, alone)];
        let beside = [buffer(0, 2, [true, false]), buffer(3, 3, [false, true])];
        for buffers in [at_one_time, beside] {
            assert_eq!(overlaps(&buffers, &[0, 4]), Some((0, 1)));
            assert_eq!(overlaps(&buffers, &[0, 8]), None);
        }
        let one_group = [buffer(0, 2, [true, false]), buffer(3, 3, [true, false])];
        assert_eq!(overlaps(&one_group, &[0, 4]), None);
    }

    proptest! {
        #[test]
        fn no_two_live_buffers_overlap(raw in prop::collection::vec((0usize..2000, 0usize..40, 0usize..10, any::<[bool; 2]>()), 1..60), shift in 0u32..7) {
            let align = 1 << shift;
            let buffers: Vec<_> = raw.iter().map(|&(bytes, first, life, groups)| Buffer { bytes, first, last: first + life, groups }).collect();
            let placement = place(&buffers, align);
            prop_assert_eq!(overlaps(&buffers, &placement.offsets), None);
            prop_assert!(placement.bytes >= placement.lower_bound);
            prop_assert!(placement.offsets.iter().all(|o| o % align == 0));
            prop_assert!(placement.offsets.iter().zip(&buffers).all(|(o, b)| o + b.bytes <= placement.bytes));
        }
    }
}

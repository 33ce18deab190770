//! Places buffers in the arena.

/// First and last time of a life, both included.
pub type Life = (usize, usize);

/// A piece of memory that has to exist for some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Its size.
    pub bytes: usize,
    /// From when it is first written to when it is last used, in either of two ways to run, as bands or as whole steps; `None`
    /// where it is not used so.
    pub lives: [Option<Life>; 2],
    /// The announcements, a bit each, behind which the first of two groups of steps that run at the same time uses it, and the
    /// second.
    pub groups: [u32; 2],
}

impl Buffer {
    /// A buffer that is used from one time to another, both included, whatever the way to run.
    pub fn new(bytes: usize, first: usize, last: usize) -> Self {
        Self { bytes, lives: [Some((first, last)); 2], groups: [0; 2] }
    }

    /// First and last time that it is used in any way.
    pub(crate) fn life(&self) -> Life {
        let lives = || self.lives.iter().flatten();
        let first = lives().map(|life| life.0).min().unwrap_or(0);
        (first, lives().map(|life| life.1).max().unwrap_or(first))
    }

    /// Whether it exists at this time, in a way to run.
    pub(crate) fn lives_at(&self, time: usize, way: usize) -> bool {
        self.lives[way].is_some_and(|(first, last)| first <= time && time <= last)
    }

    /// Whether both exist at one time, or may.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let at_one_time = |(a, b): (&Option<Life>, &Option<Life>)| match (a, b) {
            (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
            _ => false,
        };
        self.lives.iter().zip(&other.lives).any(at_one_time) || self.is_beside(other)
    }

    /// Whether one group uses this one while the other group uses the other.
    fn is_beside(&self, other: &Self) -> bool {
        (self.groups[0] & other.groups[1]) | (other.groups[0] & self.groups[1]) != 0
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
    let life = |b: &Buffer| b.life().1 - b.life().0 + 1;
    let pressure = |b: &Buffer| (b.life().0..=b.life().1).map(|t| live(buffers, t, align)).max().unwrap_or(0);
    let keys: [&dyn Fn(&Buffer) -> (usize, usize); 4] =
        [&|b| (b.bytes, life(b)), &|b| (b.bytes * life(b), b.bytes), &|b| (usize::MAX - b.life().0, b.bytes), &|b| {
            (pressure(b), b.bytes)
        }];
    let grouped = buffers.iter().any(|b| b.groups != [0; 2]);
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

/// Bytes alive at a time, in the way to run that needs more.
pub(crate) fn live(buffers: &[Buffer], time: usize, align: usize) -> usize {
    let in_way =
        |way: usize| -> usize { buffers.iter().filter(|b| b.lives_at(time, way)).map(|b| rounded(b, align)).sum() };
    in_way(0).max(in_way(1))
}

fn lower_bound(buffers: &[Buffer], align: usize) -> usize {
    buffers.iter().flat_map(|b| b.lives).flatten().map(|(first, _)| live(buffers, first, align)).max().unwrap_or(0)
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
    let end = buffers.iter().map(|b| b.life().1).max().unwrap_or(0);
    for (time, way) in (0..=end).flat_map(|time| [(time, 0), (time, 1)]) {
        let mut alive: Vec<(usize, usize, usize)> = (buffers.iter().enumerate())
            .filter(|(_, b)| b.bytes > 0 && b.lives_at(time, way))
            .map(|(i, b)| (offsets[i], offsets[i] + b.bytes, i))
            .collect();
        alive.sort_unstable();
        if let Some(pair) = alive.windows(2).find(|p| p[0].1 > p[1].0) {
            return Some((pair[0].2, pair[1].2));
        }
    }
    let all = (0..buffers.len()).filter(|&i| buffers[i].bytes > 0);
    let share =
        |a: usize, b: usize| offsets[a] < offsets[b] + buffers[b].bytes && offsets[b] < offsets[a] + buffers[a].bytes;
    let mut pairs = all.clone().flat_map(|a| all.clone().map(move |b| (a, b)));
    pairs.find(|&(a, b)| a != b && buffers[a].is_beside(&buffers[b]) && share(a, b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_needs_its_two_largest_neighbours() {
        let sizes = [100usize, 400, 300, 50];
        let buffers: Vec<_> = sizes.iter().enumerate().map(|(i, &bytes)| Buffer::new(bytes, i, i + 1)).collect();
        let placement = place(&buffers, 4);
        assert_eq!((placement.bytes, placement.lower_bound), (700, 700));
        assert_eq!(overlaps(&buffers, &placement.offsets), None);
    }

    #[test]
    fn the_checker_sees_an_overlap() {
        let buffer = |first, last, groups| Buffer { groups, ..Buffer::new(8, first, last) };
        let alone = [0; 2];
        let at_one_time = [buffer(0, 2, alone), buffer(2, 3, alone)];
        let beside = [buffer(0, 2, [1, 0]), buffer(3, 3, [0, 1])];
        for buffers in [at_one_time, beside] {
            assert_eq!(overlaps(&buffers, &[0, 4]), Some((0, 1)));
            assert_eq!(overlaps(&buffers, &[0, 8]), None);
        }
        let bands = |way: usize, first, last| {
            let mut buffer = Buffer { bytes: 8, ..Buffer::default() };
            buffer.lives[way] = Some((first, last));
            buffer
        };
        assert_eq!(overlaps(&[bands(0, 1, 3), bands(1, 2, 5)], &[0, 4]), None);
        assert_eq!(overlaps(&[bands(1, 1, 3), bands(1, 2, 5)], &[0, 4]), Some((0, 1)));
        assert_eq!(overlaps(&[buffer(1, 3, alone), bands(1, 2, 5)], &[0, 4]), Some((0, 1)));
        let one_group = [buffer(0, 2, [1, 0]), buffer(3, 3, [1, 0])];
        assert_eq!(overlaps(&one_group, &[0, 4]), None);
        let two_announcements = [buffer(0, 2, [1, 0]), buffer(3, 3, [0, 2])];
        assert_eq!(overlaps(&two_announcements, &[0, 4]), None);
    }

    proptest! {
        #[test]
        fn no_two_live_buffers_overlap(raw in prop::collection::vec((0usize..2000, 0usize..40, 0usize..10, any::<([u32; 2], [bool; 2])>()), 1..60), shift in 0u32..7) {
            let align = 1 << shift;
            let buffer = |&(bytes, first, life, (groups, ways)): &(usize, usize, usize, ([u32; 2], [bool; 2]))| Buffer {
                bytes,
                lives: ways.map(|lives| lives.then_some((first, first + life))),
                groups: groups.map(|bits| bits & 3),
            };
            let buffers: Vec<_> = raw.iter().map(buffer).collect();
            let placement = place(&buffers, align);
            prop_assert_eq!(overlaps(&buffers, &placement.offsets), None);
            prop_assert!(placement.bytes >= placement.lower_bound);
            prop_assert!(placement.offsets.iter().all(|o| o % align == 0));
            prop_assert!(placement.offsets.iter().zip(&buffers).all(|(o, b)| o + b.bytes <= placement.bytes));
        }
    }
}

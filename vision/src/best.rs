//! The best of many, in a fixed capacity.

use heapless::Vec;

/// The `N` greatest items by score, greatest first; of equal scores the earlier one comes first. What did not fit is
/// counted, never lost in silence.
#[derive(Clone, Debug)]
pub struct Best<T, const N: usize> {
    items: Vec<(f32, T), N>,
    overflow: usize,
}

impl<T, const N: usize> Default for Best<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Best<T, N> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { items: Vec::new(), overflow: 0 }
    }

    /// Offers an item. A score that is no number is refused.
    pub fn offer(&mut self, score: f32, item: T) {
        if score.is_nan() {
            return;
        }
        let place = self.items.iter().take_while(|(s, _)| *s >= score).count();
        if self.items.is_full() {
            self.overflow = self.overflow.saturating_add(1);
            if place >= N {
                return;
            }
            self.items.pop();
        }
        let mut carried = (score, item);
        for slot in self.items.iter_mut().skip(place) {
            core::mem::swap(slot, &mut carried);
        }
        // There is room: the last one was taken away where there was none.
        let _ = self.items.push(carried);
    }

    /// Scores and items, greatest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (f32, &T)> + Clone {
        self.items.iter().map(|(s, t)| (*s, t))
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many were offered and did not fit; the kept ones are the best of all.
    pub fn overflow(&self) -> usize {
        self.overflow
    }

    /// The score that an offer has to exceed once the capacity is full.
    pub fn threshold(&self) -> Option<f32> {
        if self.items.is_full() { self.items.last().map(|(s, _)| *s) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_in_order_and_the_rest_counted() {
        let mut best = Best::<usize, 3>::new();
        for (i, score) in [0.5, 0.1, f32::NAN, 0.9, 0.5, 0.2, 0.9].into_iter().enumerate() {
            best.offer(score, i);
        }
        let kept: std::vec::Vec<_> = best.iter().map(|(s, i)| (s, *i)).collect();
        assert_eq!(kept, [(0.9, 3), (0.9, 6), (0.5, 0)]);
        assert_eq!((best.overflow(), best.len(), best.threshold()), (3, 3, Some(0.5)));
        let mut none = Best::<usize, 0>::new();
        none.offer(1.0, 1);
        assert_eq!((none.len(), none.overflow()), (0, 1));
    }
}

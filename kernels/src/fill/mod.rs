//! Fills a tensor with one value.

use crate::copy::shift;

/// What to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Bytes of an element: 1, 2, 4 or 8.
    pub element_bytes: u32,
    /// The value, little-endian in its lower bytes.
    pub value: u64,
}

impl Params {
    /// Whether there are such elements.
    pub fn check(&self) -> bool {
        shift(self.element_bytes).is_some()
    }
}

/// Writes the value into every element of `y`; what is left over at its end keeps its bytes.
pub fn run(params: &Params, y: &mut [u8]) {
    let [a, b, c, d, e, f, g, h] = params.value.to_le_bytes();
    match params.element_bytes {
        1 => y.fill(a),
        2 => y.as_chunks_mut().0.fill([a, b]),
        4 => y.as_chunks_mut().0.fill([a, b, c, d]),
        8 => y.as_chunks_mut().0.fill([a, b, c, d, e, f, g, h]),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_filled() {
        for element_bytes in [1, 2, 4, 8] {
            for len in [0, 1, 3, 17] {
                let (n, value) = (element_bytes as usize, 0x0807_0605_0403_0201u64);
                let mut y = std::vec![0; n * len];
                let p = Params { element_bytes, value };
                assert!(p.check());
                run(&p, &mut y);
                assert!(y.iter().enumerate().all(|(k, &y)| usize::from(y) == k % n + 1), "{element_bytes} {y:?}");
            }
        }
        assert!(!Params { element_bytes: 3, value: 0 }.check());
    }
}

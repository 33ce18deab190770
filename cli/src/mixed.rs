//! Automatic mixed precision: how many layers have to stay in floats.

use anyhow::Result;

/// What an attempt with so many layers in floats came to.
pub struct Attempt<T> {
    /// Whether it is good enough.
    pub holds: bool,
    /// What came of it.
    pub value: T,
}

/// The attempt with the fewest layers, from 1 to `most`, that is good enough: one layer, two, four, and so on, and then
/// between the last two. Without any the one with `most`.
///
/// # Errors
/// Those of an attempt.
pub fn fewest<T>(most: usize, mut attempt: impl FnMut(usize) -> Result<Attempt<T>>) -> Result<Attempt<T>> {
    let (mut below, mut count) = (0, 1.min(most));
    let mut best = attempt(count)?;
    while !best.holds && count < most {
        below = count;
        count = (2 * count).min(most);
        best = attempt(count)?;
    }
    while best.holds && count - below > 1 {
        let middle = below + (count - below) / 2;
        let found = attempt(middle)?;
        if found.holds {
            (best, count) = (found, middle);
        } else {
            below = middle;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_layers_are_found() {
        for (most, needed, expected) in [(9, 1, 1), (9, 2, 2), (9, 3, 3), (9, 6, 6), (9, 9, 9), (1, 1, 1), (50, 33, 33)]
        {
            let found = fewest(most, |n| Ok(Attempt { holds: n >= needed, value: n })).unwrap();
            assert!(found.holds && found.value == expected, "{needed} of {most}: {}", found.value);
        }
        let found = fewest(9, |n| Ok(Attempt { holds: false, value: n })).unwrap();
        assert!(!found.holds && found.value == 9);
    }
}

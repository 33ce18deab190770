//! What a sentence about a made scene names.

use super::rows;

/// An object that a sentence names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The words: `yellow pear`, or a category where the sentence says only that.
    pub name: &'static str,
    /// The category of it: `fruit`.
    pub category: &'static str,
}

/// The objects that a sentence names, in its order: the longest names that fit, from the left.
pub fn named(sentence: &str) -> Vec<Named> {
    let words = ocellus_trainer::metrics::words(sentence);
    let mut rest: &[String] = &words;
    let mut found = Vec::new();
    while let Some(after) = rest.get(1..) {
        let longest = all().filter(|n| begins(rest, n.name)).max_by_key(|n| n.name.len());
        found.extend(longest);
        let count = longest.map_or(1, |n| n.name.split(' ').count());
        rest = rest.get(count..).unwrap_or(after);
    }
    found
}

/// The sentence with every name replaced by that of its category: `a fruit next to a bird`.
pub fn by_category(sentence: &str) -> String {
    let words = ocellus_trainer::metrics::words(sentence);
    let mut rest: &[String] = &words;
    let mut out: Vec<&str> = Vec::new();
    while let Some(first) = rest.first() {
        let longest = all().filter(|n| begins(rest, n.name)).max_by_key(|n| n.name.len());
        if let (Some(named), Some(article)) = (longest, out.last_mut().filter(|w| matches!(**w, "a" | "an"))) {
            *article = if named.category.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        }
        out.push(longest.map_or(first, |n| n.category));
        rest = &rest[longest.map_or(1, |n| n.name.split(' ').count())..];
    }
    out.join(" ")
}

/// Every name with its category, and every category by itself.
fn all() -> impl Iterator<Item = Named> {
    rows().flat_map(|(category, name, ..)| [Named { name, category }, Named { name: category, category }])
}

fn begins(words: &[String], name: &str) -> bool {
    let mut count = 0;
    let same = name.split(' ').enumerate().all(|(i, part)| {
        count += 1;
        words.get(i).is_some_and(|word| word == part)
    });
    same && count > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_and_their_categories() {
        let found = named("A yellow pear next to an ostrich and a fruit.");
        let names: Vec<_> = found.iter().map(|n| (n.name, n.category)).collect();
        assert_eq!(names, [("yellow pear", "fruit"), ("ostrich", "bird"), ("fruit", "fruit")]);
        assert!(named("nothing").is_empty() && named("").is_empty());
    }

    #[test]
    fn sentences_by_category() {
        assert_eq!(by_category("An ostrich above a yellow pear."), "a bird above a fruit");
        assert_eq!(by_category("a fly and a violin"), "an insect and an instrument");
        assert_eq!(by_category("nothing"), "nothing");
    }
}

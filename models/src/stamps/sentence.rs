//! What can be said of a scene.

/// An object as it is spoken of.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its name: `goat`, `yellow pear`.
    pub name: String,
    /// The centre of its box.
    pub center: [f32; 2],
}

/// `a goat`, `an apple`.
pub fn with_article(name: &str) -> String {
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

/// How the first object stands to the second.
fn relation(first: &Shown, second: &Shown) -> &'static str {
    let [dx, dy] = [first.center[0] - second.center[0], first.center[1] - second.center[1]];
    // Above only where it is clearly more above than beside.
    if dy.abs() > 1.5 * dx.abs() {
        return if dy < 0.0 { "above" } else { "below" };
    }
    "next to"
}

/// The inverse of a relation.
fn turned(relation: &str) -> &'static str {
    match relation {
        "above" => "below",
        "below" => "above",
        _ => "next to",
    }
}

/// Sentences about the objects of a scene, the most telling first; objects come the most visible first. A scene
/// without objects is said to show nothing.
pub fn sentences(objects: &[Shown]) -> Vec<String> {
    let named = |o: &Shown| with_article(&o.name);
    match objects {
        [] => vec!["nothing".to_owned()],
        [one] => vec![named(one), format!("there is {}", named(one)), format!("a picture of {}", named(one))],
        [a, b] => {
            let how = relation(a, b);
            vec![
                format!("{} {how} {}", named(a), named(b)),
                format!("{} {} {}", named(b), turned(how), named(a)),
                format!("{} and {}", named(a), named(b)),
            ]
        }
        [a, b, rest @ ..] => {
            let others: Vec<String> = rest.iter().map(|o| format!(" and {}", named(o))).collect();
            let others = others.concat();
            let how = relation(a, b);
            vec![
                format!("{} {how} {}{others}", named(a), named(b)),
                format!("{} {} {}{others}", named(b), turned(how), named(a)),
                format!("{} and {}{others}", named(a), named(b)),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, x: f32, y: f32) -> Shown {
        Shown { name: name.to_owned(), center: [x, y] }
    }

    #[test]
    fn one_two_and_more() {
        let (goat, apple) = (shown("goat", 10.0, 10.0), shown("apple", 50.0, 20.0));
        assert_eq!(sentences(std::slice::from_ref(&goat))[0], "a goat");
        let two = sentences(&[goat.clone(), apple.clone()]);
        assert_eq!(two, ["a goat next to an apple", "an apple next to a goat", "a goat and an apple"]);
        let below = shown("pear", 12.0, 80.0);
        assert_eq!(sentences(&[goat.clone(), below.clone()])[1], "a pear below a goat");
        assert_eq!(sentences(&[goat, below, apple])[0], "a goat above a pear and an apple");
        assert_eq!(sentences(&[]), ["nothing"]);
    }
}

//! How much code a network needs on a board: the sizes of the operations in use, as they were measured, in `code.tsv`.

use std::collections::BTreeSet;

use ocellus_kernels::Level;

/// Operation, then bytes on Cortex-M4 and M7, on Cortex-M55, and an operation whose code it needs too. The line `program` is
/// what every program has: loader, executor, vectors.
const SIZES: &str = include_str!("code.tsv");

/// Bytes of code for steps of these names, which begin with their operation's; `None` for a processor or an operation that
/// was not measured.
pub(crate) fn code_bytes<'a>(level: Level, steps: impl Iterator<Item = &'a str>) -> Option<usize> {
    let column = match level {
        Level::Dsp => 1,
        Level::Helium => 2,
        _ => return None,
    };
    let fields = |operation: &str| -> Option<Vec<&'static str>> {
        let lines = SIZES.lines().filter(|l| !l.starts_with('#'));
        lines.map(|l| l.split('\t').collect::<Vec<_>>()).find(|f| f.first() == Some(&operation))
    };
    let mut operations = BTreeSet::from(["program"]);
    for operation in steps.filter_map(|name| name.split(' ').next()) {
        operations.extend(fields(operation)?.get(3));
        operations.insert(operation);
    }
    operations.into_iter().map(|operation| fields(operation)?.get(column)?.parse::<usize>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_counts_once() {
        let size = |steps: &[&str]| code_bytes(Level::Dsp, steps.iter().copied());
        let empty = size(&[]).unwrap();
        let one = size(&["conv_i8 first"]).unwrap();
        assert!(empty > 0 && one > empty);
        assert_eq!(size(&["conv_i8 first", "conv_i8 second"]), Some(one));
        let joined = size(&["conv_add_i8 sum"]).unwrap();
        assert!(joined > one, "a sum has the code of a convolution, and its own");
        assert_eq!(size(&["conv_add_i8 sum", "conv_i8 first"]), Some(joined));
        assert_eq!((size(&["frobnicate x"]), code_bytes(Level::Avx2, [].into_iter())), (None, None));
    }
}

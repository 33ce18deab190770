//! Who makes which value, and an order in which every node comes after those it reads from.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use super::error::OnnxProblem;
use super::proto::{GraphProto, NodeProto};

/// How deep bodies of control-flow operators may be nested.
pub(super) const MOST_BODIES: usize = 16;

/// What makes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Input,
    Initializer,
    Node(usize),
}

/// Checks that every value is made once and that every value that is read is made, and sorts the nodes topologically
/// (keeping their order where it is free). A body may also read values of the graphs around it.
///
/// Returns indices into `graph.node`.
pub(super) fn order(graph: &GraphProto, is_body: bool) -> Result<Vec<usize>, OnnxProblem> {
    let makers = makers(graph)?;
    let mut sources: Vec<Vec<usize>> = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        let mut from = Vec::new();
        for name in reads(node, 0)? {
            match makers.get(name) {
                Some(Maker::Node(i)) => from.push(*i),
                Some(_) => {}
                None if is_body => {}
                None => return Err(OnnxProblem::Undefined { value: name.to_owned(), reader: node.label() }),
            }
        }
        sources.push(from);
    }
    for output in &graph.output {
        let name = output.name.as_deref().unwrap_or("");
        if name.is_empty() || !(is_body || makers.contains_key(name)) {
            return Err(OnnxProblem::Undefined { value: name.to_owned(), reader: "the graph's outputs".to_owned() });
        }
    }
    sort(&sources)
        .map_err(|cycle| OnnxProblem::Cycle { nodes: cycle.into_iter().map(|i| graph.node[i].label()).collect() })
}

/// The maker of every value.
fn makers(graph: &GraphProto) -> Result<HashMap<&str, Maker>, OnnxProblem> {
    let mut makers: HashMap<&str, Maker> = HashMap::new();
    let describe = |maker: Maker| match maker {
        Maker::Input => "an input of the graph".to_owned(),
        Maker::Initializer => "an initializer".to_owned(),
        Maker::Node(i) => graph.node[i].label(),
    };
    let twice = |name: &str, first: Maker, second: Maker| OnnxProblem::MadeTwice {
        value: name.to_owned(),
        first: describe(first),
        second: describe(second),
    };
    for tensor in &graph.initializer {
        let name = tensor.name.as_deref().unwrap_or("");
        if name.is_empty() {
            return Err(OnnxProblem::tensor("", "a name for every initializer", "none"));
        }
        if let Some(first) = makers.insert(name, Maker::Initializer) {
            return Err(twice(name, first, Maker::Initializer));
        }
    }
    let mut inputs = HashSet::new();
    for input in &graph.input {
        let name = input.name.as_deref().unwrap_or("");
        if name.is_empty() {
            return Err(OnnxProblem::value("", "a name for every input of the graph", "none"));
        }
        if !inputs.insert(name) {
            return Err(twice(name, Maker::Input, Maker::Input));
        }
        // Before IR version 4 every initializer was listed among the inputs too.
        makers.entry(name).or_insert(Maker::Input);
    }
    for (i, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if let Some(first) = makers.insert(name, Maker::Node(i)) {
                return Err(twice(name, first, Maker::Node(i)));
            }
        }
    }
    Ok(makers)
}

/// What a node reads: its inputs, and what its bodies read from outside of them.
fn reads(node: &NodeProto, depth: usize) -> Result<BTreeSet<&str>, OnnxProblem> {
    let mut names: BTreeSet<&str> = node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    for body in node.bodies() {
        if depth >= MOST_BODIES {
            let expected = format!("bodies nested at most {MOST_BODIES} deep");
            return Err(OnnxProblem::node(node.label(), expected, "a deeper one"));
        }
        let own: HashSet<&str> = (body.input.iter().filter_map(|v| v.name.as_deref()))
            .chain(body.initializer.iter().filter_map(|t| t.name.as_deref()))
            .chain(body.node.iter().flat_map(|n| &n.output).map(String::as_str))
            .collect();
        for inner in &body.node {
            names.extend(reads(inner, depth + 1)?.into_iter().filter(|name| !own.contains(name)));
        }
        let outputs = body.output.iter().filter_map(|v| v.name.as_deref());
        names.extend(outputs.filter(|name| !name.is_empty() && !own.contains(name)));
    }
    Ok(names)
}

/// An order of `0..sources.len()` in which everything comes after its sources, or one cycle.
fn sort(sources: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); sources.len()];
    for (i, from) in sources.iter().enumerate() {
        for &source in from {
            readers[source].push(i);
        }
    }
    let mut waiting: Vec<usize> = sources.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<_> = (0..sources.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(sources.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &reader in &readers[i] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    let Some(stuck) = waiting.iter().position(|&n| n > 0) else { return Ok(order) };
    // Whoever still waits, waits for another that does: walking back must come round.
    let mut path = vec![stuck];
    loop {
        let last = path[path.len() - 1];
        let Some(&next) = sources[last].iter().find(|&&s| waiting[s] > 0) else { return Err(path) };
        if let Some(start) = path.iter().position(|&p| p == next) {
            path.push(next);
            return Err(path.split_off(start));
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::sort;

    #[test]
    fn keeps_a_sorted_order_and_moves_only_what_has_to_wait() {
        assert_eq!(sort(&[vec![], vec![0], vec![], vec![1, 2]]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(sort(&[vec![2], vec![], vec![1, 1]]), Ok(vec![1, 2, 0]));
    }

    #[test]
    fn names_the_nodes_of_a_cycle_only() {
        assert_eq!(sort(&[vec![1], vec![2], vec![1], vec![]]), Err(vec![1, 2, 1]));
        assert_eq!(sort(&[vec![0]]), Err(vec![0, 0]));
    }
}

//! Runs the node cases of ONNX's conformance suite.
//!
//! A case is a model with inputs and the outputs that belong to them. It is brought to opset 21 and typed once
//! ([`prepare`]); every *column* (the float evaluation, a compiled plan, …) is one function from there to outputs. A
//! case ends as passed, not supported, or failed. Not supported means refused before anything was run, with a reason;
//! a wrong answer, a panic, or an error that only running shows is a failure. The few cases whose data are not followed
//! on purpose are in `conformance/deviations.txt`, each with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ocellus_graph::{Model, Shape, Tensor};

/// Relative and absolute tolerance of ONNX's own backend test.
pub const TOLERANCE: (f64, f64) = (1e-3, 1e-7);

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every output is right.
    Passed,
    /// Refused before running, for this reason.
    NotSupported(String),
    /// Wrong, for this reason.
    Failed(String),
}

/// A case that is ready to run: opset 21, all types and sizes known.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The model.
    pub model: Model,
    /// Its inputs by name. Those that operators need as constants are initializers of the model instead.
    pub inputs: Vec<(String, Tensor)>,
    /// The right outputs, in the order of the model's.
    pub expected: Vec<Tensor>,
}

/// One way to run a case.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name; the list of the cases that must pass is `conformance/expected_NAME.txt`.
    pub name: &'static str,
    /// Runs a case and returns its outputs in the order of the model's. `Err(NotSupported)` only before running.
    pub run: fn(&Prepared) -> Result<Vec<Tensor>, Outcome>,
}

/// The column of the operators' float evaluation.
pub const EVAL: Column = Column { name: "eval", run: evaluate };

/// One case in one column.
#[derive(Clone, Debug)]
pub struct Report {
    /// The case: the name of its folder.
    pub case: String,
    /// The operator of a model with one node; `composite` of others, `unread` where the model could not be read.
    pub op: String,
    /// How it ended.
    pub outcome: Outcome,
}

fn evaluate(case: &Prepared) -> Result<Vec<Tensor>, Outcome> {
    let unknown: Vec<_> = (case.model.graph.nodes.iter())
        .filter(|n| ocellus_ops::find(&n.domain, &n.op).is_none_or(|d| d.eval.is_none()))
        .map(|n| n.op.clone())
        .collect();
    if !unknown.is_empty() {
        return Err(Outcome::NotSupported(format!("no evaluation of {}", unknown.join(", "))));
    }
    let inputs: Vec<_> = case.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    let values = ocellus_ops::evaluate_values(&case.model.graph, &inputs);
    let values = values.map_err(|e| Outcome::Failed(format!("only running shows: {e}")))?;
    let output = |id| values.get(id).cloned().ok_or_else(|| Outcome::Failed("an output is missing".to_owned()));
    case.model.graph.outputs.iter().map(output).collect()
}

/// All cases of a folder in one column, in the order of their names, on every core.
///
/// # Errors
/// A folder that cannot be listed.
pub fn run_all(folder: &Path, column: Column) -> Result<Vec<Report>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut cases: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    cases.retain(|p| p.join("model.onnx").is_file());
    cases.sort();
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::with_capacity(cases.len()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run_case(case, column);
                    reports.lock().unwrap_or_else(|e| e.into_inner()).push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(|e| e.into_inner());
    reports.sort_by(|a, b| a.case.cmp(&b.case));
    Ok(reports)
}

/// One case in one column: every data set of it has to be right.
pub fn run_case(folder: &Path, column: Column) -> Report {
    let case = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (model, op) = match Model::load(folder.join("model.onnx")) {
        Ok(model) => {
            let op = operator(&model);
            (model, op)
        }
        Err(e) => {
            return Report { case, op: "unread".to_owned(), outcome: Outcome::NotSupported(e.problem.to_string()) };
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| run_sets(folder, &model, column))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Outcome::Failed(format!("panics: {}", text.unwrap_or_default()))
    });
    Report { case, op, outcome }
}

fn operator(model: &Model) -> String {
    match model.graph.nodes.as_slice() {
        [node] if node.domain.is_empty() => node.op.clone(),
        [node] => format!("{}.{}", node.domain, node.op),
        _ => "composite".to_owned(),
    }
}

fn run_sets(folder: &Path, model: &Model, column: Column) -> Outcome {
    let mut sets = 0;
    loop {
        let set = folder.join(format!("test_data_set_{sets}"));
        if !set.is_dir() {
            break;
        }
        let outcome = prepare(model, &set).and_then(|case| {
            let found = (column.run)(&case)?;
            compare_all(&case, &found).map_err(Outcome::Failed)
        });
        if let Err(outcome) = outcome {
            return outcome;
        }
        sets += 1;
    }
    if sets == 0 { Outcome::Failed("there are no data sets".to_owned()) } else { Outcome::Passed }
}

/// Brings a case to opset 21 with all types known.
///
/// Rules that need an input to be a constant get it as one, since in a case everything is an input: first only those of
/// rank 0 and 1 (shapes, axes, bounds), then all. The answer is the same either way.
///
/// # Errors
/// [`Outcome::NotSupported`] where the model or a type is not, [`Outcome::Failed`] where the data does not go with it.
pub fn prepare(model: &Model, set: &Path) -> Result<Prepared, Outcome> {
    prepare_with(model, set, &[|_| false, |t| t.rank() <= 1, |_| true])
}

/// As [`prepare`], with other choices of the inputs that become constants: the first that the rules accept.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_with(model: &Model, set: &Path, constants: &[fn(&Tensor) -> bool]) -> Result<Prepared, Outcome> {
    let names: Vec<String> = model.graph.inputs.iter().map(|&v| model.graph.value(v).name.clone()).collect();
    let mut inputs = Vec::with_capacity(names.len());
    for (i, name) in names.into_iter().enumerate() {
        inputs.push((name, tensor(&set.join(format!("input_{i}.pb")))?));
    }
    let count = model.graph.outputs.len();
    let expected = (0..count).map(|i| tensor(&set.join(format!("output_{i}.pb")))).collect::<Result<Vec<_>, _>>()?;
    let mut problem = String::new();
    for constant in constants {
        let (fixed, free): (Vec<_>, Vec<_>) = inputs.iter().cloned().partition(|(_, t)| constant(t));
        match typed(model.clone(), &fixed, &free) {
            Ok(model) => return Ok(Prepared { model, inputs: free, expected }),
            // The first refusal names what is wrong; the later ones are about the same node.
            Err(e) if problem.is_empty() => problem = e,
            Err(_) => {}
        }
    }
    Err(Outcome::NotSupported(problem))
}

fn typed(mut model: Model, fixed: &[(String, Tensor)], free: &[(String, Tensor)]) -> Result<Model, String> {
    for (name, tensor) in fixed {
        let id = model.graph.find(name).ok_or_else(|| format!("no input {name:?}"))?;
        model.graph.inputs.retain(|&v| v != id);
        model.graph.value_mut(id).shape = Some(Shape::fixed(tensor.shape()));
        model.graph.initializers.insert(id, tensor.clone());
    }
    let missing = ocellus_ops::unsupported(&model);
    if !missing.is_empty() {
        let ops: BTreeSet<_> = missing.into_iter().map(|(_, op)| op).collect();
        return Err(format!("no operator {}", ops.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let shapes: Vec<_> = free.iter().map(|(name, t)| (name.clone(), t.shape().to_vec())).collect();
    ocellus_ops::bind_shapes(&mut model, &shapes).map_err(|e| e.to_string())?;
    ocellus_ops::upgrade(&mut model).map_err(|e| e.to_string())?;
    ocellus_ops::infer(&mut model).map_err(|e| e.to_string())?;
    Ok(model)
}

fn tensor(path: &Path) -> Result<Tensor, Outcome> {
    let bytes = fs::read(path).map_err(|e| Outcome::Failed(format!("{}: {e}", path.display())))?;
    Tensor::from_onnx_bytes(&bytes).map_err(|e| Outcome::NotSupported(e.to_string()))
}

fn compare_all(case: &Prepared, found: &[Tensor]) -> Result<(), String> {
    if found.len() != case.expected.len() {
        return Err(format!("expected {} outputs, found {}", case.expected.len(), found.len()));
    }
    for ((expected, found), &id) in case.expected.iter().zip(found).zip(&case.model.graph.outputs) {
        compare(expected, found).map_err(|e| format!("output {:?}: {e}", case.model.graph.value(id).name))?;
    }
    Ok(())
}

/// Holds a tensor against the right one: type and shape equal; integers, truth values and texts equal; floats within
/// [`TOLERANCE`] as numpy's `assert_allclose` has it (NaN meets NaN, infinities are equal).
///
/// # Errors
/// The first element that is wrong.
pub fn compare(expected: &Tensor, found: &Tensor) -> Result<(), String> {
    if (expected.dtype(), expected.shape()) != (found.dtype(), found.shape()) {
        let describe = |t: &Tensor| format!("{} {:?}", t.dtype(), t.shape());
        return Err(format!("expected {}, found {}", describe(expected), describe(found)));
    }
    if !expected.dtype().is_float() {
        return if expected == found {
            Ok(())
        } else {
            Err(format!("expected {}, found {}", few(expected), few(found)))
        };
    }
    // Next to an infinity every distance would be within a relative tolerance.
    let within = |a: f64, b: f64| a.is_finite() && (a - b).abs() <= TOLERANCE.1 + TOLERANCE.0 * a.abs();
    let near = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || within(a, b);
    let (a, b) = (expected.to_f64(), found.to_f64());
    match (0..a.len()).find(|&i| !near(a[i], b[i])) {
        None => Ok(()),
        Some(i) => {
            let wrong = (0..a.len()).filter(|&i| !near(a[i], b[i])).count();
            Err(format!("element {i}: expected {}, found {} ({wrong} of {} are wrong)", a[i], b[i], a.len()))
        }
    }
}

/// The first elements of a tensor, for messages.
fn few(tensor: &Tensor) -> String {
    let text = format!("{:?}", tensor.data());
    text.chars().take(120).collect()
}

/// Passed, not supported, failed.
pub type Counts = [usize; 3];

/// How many cases of each operator a list promises, for tables that are made without running the cases.
pub fn listed_by_operator(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(op) = line.split_whitespace().nth(1) {
            *counts.entry(op).or_default() += 1;
        }
    }
    counts
}

/// The counts by operator.
pub fn totals(reports: &[Report]) -> BTreeMap<&str, Counts> {
    let mut totals: BTreeMap<&str, Counts> = BTreeMap::new();
    for report in reports {
        let place = match report.outcome {
            Outcome::Passed => 0,
            Outcome::NotSupported(_) => 1,
            Outcome::Failed(_) => 2,
        };
        totals.entry(&report.op).or_default()[place] += 1;
    }
    totals
}

/// The file of the cases that must pass in a column: one `CASE OPERATOR` a line, sorted.
pub fn list_path(column: Column) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("conformance/expected_{}.txt", column.name))
}

/// The cases of such a file.
pub fn read_list(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.split_whitespace().next()).filter(|case| !case.starts_with('#')).collect()
}

/// The text of such a file.
pub fn write_list(reports: &[Report]) -> String {
    let passed = reports.iter().filter(|r| r.outcome == Outcome::Passed);
    passed.map(|r| format!("{} {}\n", r.case, r.op)).collect()
}

/// The cases whose expected outputs are not followed on purpose, the same in every column.
pub fn deviations() -> BTreeSet<&'static str> {
    read_list(include_str!("../conformance/deviations.txt"))
}

/// Whether the column keeps what the list promises.
///
/// # Errors
/// Every case that failed without being among the deviations, every deviation that passes, and every listed case that
/// did not pass (or is no more).
pub fn judge(reports: &[Report], listed: &BTreeSet<&str>, deviations: &BTreeSet<&str>) -> Result<(), String> {
    let mut problems = Vec::new();
    for report in reports {
        let deviates = deviations.contains(report.case.as_str());
        match &report.outcome {
            Outcome::Passed if deviates => problems.push(format!("{} passes: no deviation any more", report.case)),
            Outcome::Failed(why) if !deviates => problems.push(format!("{} failed: {why}", report.case)),
            Outcome::NotSupported(why) if listed.contains(report.case.as_str()) => {
                problems.push(format!("{} is listed, but is not supported: {why}", report.case));
            }
            _ => {}
        }
    }
    let known: BTreeSet<&str> = reports.iter().map(|r| r.case.as_str()).collect();
    problems.extend(listed.difference(&known).map(|case| format!("{case} is listed, but there is no such case")));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(case: &str, outcome: Outcome) -> Report {
        Report { case: case.into(), op: "Abs".into(), outcome }
    }

    #[test]
    fn comparison_is_that_of_numpy() {
        let f = |v: &[f32]| Tensor::vector(v);
        assert!(
            compare(&f(&[1.0, f32::NAN, f32::INFINITY, 0.0]), &f(&[1.0009, f32::NAN, f32::INFINITY, 5e-8])).is_ok()
        );
        assert!(compare(&f(&[1.0]), &f(&[1.0011])).unwrap_err().contains("element 0"));
        assert!(compare(&f(&[0.0]), &f(&[2e-7])).is_err());
        assert!(compare(&f(&[f32::INFINITY]), &f(&[f32::NEG_INFINITY])).is_err());
        assert!(compare(&f(&[f32::INFINITY]), &f(&[1.0])).is_err());
        assert!(compare(&f(&[1.0]), &f(&[f32::NAN])).is_err());
        assert!(compare(&f(&[f32::NAN]), &f(&[1.0])).is_err());
        assert!(compare(&f(&[1.0]), &Tensor::of(&[1, 1], vec![1.0f32])).unwrap_err().contains("f32 [1, 1]"));
        assert!(compare(&f(&[1.0]), &Tensor::vector(&[1.0f64])).is_err());
        let big = Tensor::vector(&[(1i64 << 53) + 1]);
        assert!(compare(&big, &Tensor::vector(&[1i64 << 53])).is_err(), "integers beyond f64 are compared exactly");
    }

    #[test]
    fn judging() {
        let passed = report("a", Outcome::Passed);
        let refused = report("b", Outcome::NotSupported("why".into()));
        let failed = report("c", Outcome::Failed("wrong".into()));
        let none = BTreeSet::new();
        let all = [passed.clone(), refused.clone(), failed.clone()];
        assert!(judge(&[passed.clone(), refused.clone()], &read_list("a Abs\n"), &none).is_ok());
        assert!(judge(std::slice::from_ref(&passed), &read_list("# note\n\n"), &none).is_ok());
        assert!(judge(&[passed.clone(), failed.clone()], &none, &BTreeSet::from(["c"])).is_ok());
        assert!(judge(&all[..1], &none, &BTreeSet::from(["a"])).unwrap_err().contains("no deviation any more"));
        let problems = judge(&all, &read_list("a\nb\nz\n"), &none).unwrap_err();
        assert!(problems.contains("b is listed") && problems.contains("c failed: wrong") && problems.contains("z is"));
        assert_eq!(totals(&[passed.clone(), refused.clone(), failed])["Abs"], [1, 1, 1]);
        assert_eq!(write_list(&[passed, refused]), "a Abs\n");
        assert_eq!(listed_by_operator("# note\na Abs\nb Abs\nc Add\n"), BTreeMap::from([("Abs", 2), ("Add", 1)]));
    }
}

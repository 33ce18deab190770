//! Whole networks as firmware: answers, memory and instructions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bare::{code_bytes, forbidden};
use super::count::Counter;
use super::emulate::{self, output};
use super::pictures;
use super::row::Row;
use super::targets::{BOARDS, Board};
use crate::process::{cargo, has, program, read, root, run};
use crate::toolchain::{Library, Toolchain, advice, linker};

/// The networks, with their multiply-accumulates.
pub const NETS: [(&str, u64); 5] = [
    ("image_classification", 12_501_632),
    ("visual_wake_words", 7_489_664),
    ("keyword_spotting", 2_656_768),
    ("anomaly_detection", 264_192),
    ("lenet5", 3_024_384),
];

/// A network that ships, on the processor that it is for, with the RAM that it may need at most.
const SHIPPED: (&str, &str, &str) = ("detector_micro", "cortex-m7", "256k");

/// Inputs on which answers are compared.
const ANSWERS: &str = "3";

/// The network whose plan for another processor is offered to the boards; it is small enough for their memory.
const FOREIGN: (&str, &str) = ("keyword_spotting", "x86-64-v3");

/// A network compiled for a board.
struct Compiled {
    plan: PathBuf,
    module: PathBuf,
    arena: usize,
    /// Multiply-accumulates.
    macs: u64,
    /// The most bytes of stack.
    stack: usize,
    /// Bytes of code, as the compiler estimates them; `None` for an operation that was never measured.
    code: Option<usize>,
}

/// Runs every network on every board.
///
/// # Errors
/// Something does not build, or does not run to its end.
pub fn rows() -> Result<Vec<Row>, String> {
    let counter = Counter::build();
    if let Err(why) = &counter {
        println!("skipped: instructions are not counted: {why}");
    }
    let mut rows = Vec::new();
    for board in &BOARDS {
        if !has("qemu-system-arm") {
            rows.push(Row::skipped(board.name, "needs qemu-system-arm"));
            continue;
        }
        let Some(toolchain) = Toolchain::find(board.target, Library::Core)? else {
            rows.push(Row::skipped(board.name, advice(board.target)));
            continue;
        };
        for (net, macs) in NETS {
            rows.push(net_row(board, &toolchain, net, macs, counter.as_ref().ok())?);
        }
        if board.name == SHIPPED.1 {
            rows.push(shipped_row(board, &toolchain, counter.as_ref().ok())?);
        }
    }
    Ok(rows)
}

/// The network that ships. Its work is what the compiler says.
fn shipped_row(board: &Board, toolchain: &Toolchain, counter: Option<&Counter>) -> Result<Row, String> {
    let net = SHIPPED.0;
    if !model_file(net).is_file() {
        return Ok(Row::skipped(&format!("{} {net}", board.name), "no weights of it ship"));
    }
    let macs = compile(board, net)?.macs;
    net_row(board, toolchain, net, macs, counter)
}

/// The file of a network: of those that only boards run, or of those that ship.
pub fn model_file(net: &str) -> PathBuf {
    if net == SHIPPED.0 {
        return root().join(format!("models/shipped/{net}.onnx"));
    }
    root().join(format!("tests/boards/models/{net}.int8.onnx"))
}

fn net_row(
    board: &Board,
    toolchain: &Toolchain,
    net: &str,
    macs: u64,
    counter: Option<&Counter>,
) -> Result<Row, String> {
    let compiled = compile(board, net)?;
    let program = build(board, toolchain, &compiled.module)?;
    let mut row = answers(board, net, &compiled, &program)?;
    if let Some(counter) = counter {
        let count = |more: &str| counter.count(&emulate::board(board, &program, &["1", more]));
        let instructions = count("1")?.since(&count("0")?);
        row.instr_per_mac = Some(instructions.total() as f64 / macs as f64);
        eprintln!("{}: {} instructions", row.target, instructions.total());
        eprint!("{}", instructions.largest(6));
    } else {
        row.skipped.push("instructions are not counted".to_owned());
    }
    faults(&mut row, board, net, &compiled, &program)?;
    match pictures::answers(board, net, &compiled.plan, &program)? {
        Some(Ok(answers)) => row.pictures(answers),
        Some(Err(why)) => row.skipped.push(format!("pictures: {why}")),
        None => {}
    }
    code(&mut row, &compiled, &program.with_file_name("bare"))?;
    Ok(row)
}

/// Answers, memory and stack, against the workstation and what was promised.
fn answers(board: &Board, net: &str, compiled: &Compiled, program: &Path) -> Result<Row, String> {
    let text = output(&mut emulate::board(board, program, &[ANSWERS]))?;
    let want = expected(&compiled.plan)?;
    let (layers, mismatches) = compared(&want, &text);
    let number = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<usize>().ok());
    let mut row = Row {
        target: format!("{} {net}", board.name),
        layers,
        mismatches,
        ram_predicted: Some(compiled.arena),
        ram_measured: number("arena "),
        ..Row::default()
    };
    if alike(&want) {
        row.fails("every input has the same answer, so that nothing is compared".to_owned());
    }
    let stack = number("stack ").unwrap_or(usize::MAX);
    if stack > compiled.stack {
        row.fails(format!("{stack} bytes of stack, {} were promised", compiled.stack));
    }
    eprintln!("{}: {stack} bytes of stack, at most {} were promised", row.target, compiled.stack);
    Ok(row)
}

/// Whether all answers are one.
fn alike(answers: &str) -> bool {
    let mut answers = answers.lines();
    let first = answers.next();
    answers.all(|answer| Some(answer) == first)
}

/// How many answers there are, and how many are not the workstation's.
fn compared(want: &str, text: &str) -> (usize, usize) {
    let answers: Vec<&str> = text.lines().filter(|l| l.starts_with("answer ")).collect();
    let unlike = want.lines().zip(&answers).filter(|(a, b)| a != *b).count();
    (answers.len(), unlike + want.lines().count().abs_diff(answers.len()))
}

/// What a plan, an arena or an input can have wrong, each refused; then right answers on the same core.
fn faults(row: &mut Row, board: &Board, net: &str, compiled: &Compiled, program: &Path) -> Result<(), String> {
    let mut foreign = None;
    if net == FOREIGN.0 {
        let plan = compiled.plan.with_extension(FOREIGN.1);
        read(ocellus_compile(net, FOREIGN.1, &plan)?.arg("--json"))?;
        foreign = Some(plan.to_str().ok_or("the folder's name is not UTF-8")?.to_owned());
    }
    let arguments: Vec<&str> = [ANSWERS, "0", "1"].into_iter().chain(foreign.as_deref()).collect();
    let text = output(&mut emulate::board(board, program, &arguments))?;
    let refused = text.lines().filter(|l| l.starts_with("fault ") && l.ends_with(" refused")).count();
    let (answers, mismatches) = compared(&expected(&compiled.plan)?, &text);
    eprintln!("{}: {refused} faults refused, then {answers} answers, {mismatches} wrong", row.target);
    if refused < if foreign.is_some() { 12 } else { 9 } {
        row.fails(format!("only {refused} faults were refused"));
    }
    row.layers += answers;
    row.mismatches += mismatches;
    Ok(())
}

/// What is linked: no panic, no allocator, and not more than the compiler estimates, nor much less.
fn code(row: &mut Row, compiled: &Compiled, bare: &Path) -> Result<(), String> {
    let bytes = code_bytes(bare, &compiled.plan)?;
    match compiled.code {
        Some(most) => {
            eprintln!("{}: {bytes} bytes of code, at most {most} were estimated", row.target);
            if bytes > most {
                row.fails(format!("{bytes} bytes of code, {most} were estimated"));
            }
        }
        None => row.skipped.push("the code of an operation was never measured".to_owned()),
    }
    match forbidden(bare) {
        Ok(found) => {
            found.iter().for_each(|symbol| row.fails(format!("{symbol} is linked")));
        }
        Err(why) => row.skipped.push(why),
    }
    Ok(())
}

/// Compiles a network for a board.
fn compile(board: &Board, net: &str) -> Result<Compiled, String> {
    let folder = std::path::absolute(Toolchain::folder().join("nets").join(board.name)).map_err(|e| e.to_string())?;
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let (plan, module) = (folder.join(format!("{net}.plan")), folder.join(format!("{net}.rs")));
    let mut command = ocellus_compile(net, board.name, &plan)?;
    command.args(["--json", "--rust"]).arg(&module);
    if net == SHIPPED.0 {
        command.args(["--max-ram", SHIPPED.2]);
    }
    let said = read(&mut command)?;
    let number = |key: &str| -> Result<usize, String> {
        let digits = said.split(&format!("\"{key}\":")).nth(1).map(str::trim_start).unwrap_or_default();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().map_err(|_| format!("the compiler does not say its {key}"))
    };
    Ok(Compiled {
        plan,
        module,
        arena: number("arena_bytes")?,
        macs: number("macs")? as u64,
        stack: number("stack_bytes")?,
        code: number("code_bytes").ok(),
    })
}

/// `ocellus compile` of a network for a processor.
fn ocellus_compile(net: &str, processor: &str, plan: &Path) -> Result<Command, String> {
    let mut command = program("ocellus")?;
    command.arg("compile");
    // The name of one that ships stands for its 8-bit form.
    if net == SHIPPED.0 {
        command.arg(net)
    } else {
        command.arg(model_file(net))
    };
    command.args(["--target", processor, "-o"]).arg(plan);
    Ok(command)
}

/// The workstation's answers, with portable kernels.
fn expected(plan: &Path) -> Result<String, String> {
    let package = ["run", "--quiet", "--release", "--locked", "-p", "ocellus-boards", "--features", "std"];
    read(cargo(&package).args(["--bin", "plan", "--"]).arg(plan).arg(ANSWERS))
}

/// Builds the firmware around a module.
fn build(board: &Board, toolchain: &Toolchain, module: &Path) -> Result<PathBuf, String> {
    let linker = linker().map(|l| format!("-Clinker={}", l.display()));
    let flags: Vec<&str> = board.flags.iter().copied().chain(linker.as_deref()).collect();
    let mut command =
        toolchain.cargo(&["build", "--quiet", "--release", "--locked", "--bin", "net", "--bin", "bare"], &flags);
    command.args(["--features", board.machine]).current_dir(root().join("firmware"));
    run(command.env("OCELLUS_MODULE", module))?;
    Ok(toolchain.program("net"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_all_one_compare_nothing() {
        assert!(alike("answer 1\nanswer 1\nanswer 1\n") && alike("answer 1\n") && alike(""));
        assert!(!alike("answer 1\nanswer 1\nanswer 2\n"));
    }

    #[test]
    fn missing_and_other_answers_are_counted() {
        assert_eq!(compared("answer 1\nanswer 2\n", "stack 5\nanswer 1\nanswer 3\n"), (2, 1));
        assert_eq!(compared("answer 1\nanswer 2\n", "answer 1\n"), (1, 1));
    }
}

//! `cargo xtask`: the project's own commands. No dependencies, so that it builds in a second.

mod arrows;
mod boards;
mod demo;
mod device_check;
mod install;
mod ops_table;
mod process;
mod test;
mod toolchain;

use std::process::ExitCode;

/// What a command says when it cannot go on.
type Outcome = Result<(), String>;

const HELP: &str = "\
cargo xtask COMMAND

  demo           train, quantize, compile and run on the pictures that ship; leaves the folder ocellus-demo
  test           install what the tests need, then run all of them (--no-install: skip what is missing)
  arrows         prove which crate uses which
  device-check   check every device crate alone, also for a bare-metal target where a compiler for one is at hand
  boards         run what boards run under emulation and compare it with this machine (--full: ten thousand layers,
                 the device crates' tests, and the command as one file for 64-bit Arm;
                 --kernels: only the instructions of every int8 kernel; --json: one object as the last line;
                 --no-install: skip what is missing)
  ops-table      write docs/ops.md (--check: fail where it is not up to date)
  gpu-check      compare training steps on CPU and CUDA, where a GPU and ONNX Runtime's GPU library are found
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let outcome = match (command.as_str(), rest.as_slice()) {
        ("demo", arguments) => demo::demo(arguments),
        ("test", []) => test::test(true),
        ("test", ["--no-install"]) => test::test(false),
        ("arrows", []) => arrows::arrows(),
        ("device-check", []) => device_check::device_check().map(|_| ()),
        ("boards", arguments) if boards::Options::read(arguments).is_some() => {
            boards::Options::read(arguments).map_or(Ok(()), boards::boards)
        }
        ("ops-table", []) => ops_table::ops_table(false),
        ("ops-table", ["--check"]) => ops_table::ops_table(true),
        ("gpu-check", arguments) => demo::gpu_check(arguments),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("unknown command: {}\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(1)
        }
    }
}

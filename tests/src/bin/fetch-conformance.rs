//! Fetches ONNX's conformance cases into the cache folder (see `ocellus_tests::fetch`).

use std::process::ExitCode;

fn main() -> ExitCode {
    match ocellus_tests::fetch::fetch() {
        Ok((folder, what)) => {
            println!("conformance cases: {} ({what})", folder.display());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("no conformance cases: {problem}");
            ExitCode::FAILURE
        }
    }
}

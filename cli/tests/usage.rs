//! Wrong usage ends with status 2, help with 0; verbs that need no model.

mod common;

use std::process::Command;

use common::*;

#[test]
fn wrong_usage_is_status_2() {
    let cases: [&[&str]; 22] = [
        &[],
        &["frobnicate"],
        &["check"],
        &["check", "m.onnx", "--nonsense"],
        &["check", "m.onnx", "--shape", "input"],
        &["compile", "m.onnx"],
        &["compile", "m.onnx", "-o", "m.plan", "--max-ram", "64kb"],
        &["compile", "m.onnx", "-o", "m.plan", "--target", "z80"],
        &["run", "m.onnx"],
        &["run", "m.onnx", "--input", "x", "--output-dir", "out"],
        &["bench", "m.onnx", "--seconds", "-1"],
        &["bench", "m.onnx", "--threads", "0"],
        &["quantize", "m.onnx", "-o", "q.onnx"],
        &["quantize", "m.onnx", "--calibration", "x", "-o", "q.onnx", "--method", "guess"],
        &["quantize", "m.onnx", "--calibration", "x", "-o", "q.onnx", "--max-drop", "1"],
        &["train"],
        &["train", "lenet6"],
        &["train", "lenet5", "--data", "what"],
        &["fetch", "imagenet"],
        &["train", "detector_micro", "--data", "samples"],
        &["import", "w.pth", "--arch", "vgg"],
        &["scenes", "moon", "-o", "out"],
    ];
    for case in cases {
        let said = ocellus(case);
        assert_eq!(said.status, 2, "{case:?}: {}{}", said.out, said.err);
        assert!(!said.err.is_empty(), "{case:?}");
    }
}

#[test]
fn every_verb_has_help() {
    let verbs = [
        "check", "compile", "run", "bench", "verify", "quantize", "train", "eval", "inspect", "ops", "fetch", "import",
        "scenes", "detect", "segment", "caption",
    ];
    let all = ocellus(&["--help"]).ends(0).out;
    for verb in verbs {
        assert!(all.contains(verb), "{verb} in {all}");
        let help = ocellus(&[verb, "--help"]).ends(0).out;
        let about = help.lines().next().unwrap_or_default();
        assert!(help.contains("--json") && all.contains(about), "{help}");
    }
    assert!(ocellus(&["--version"]).ends(0).out.starts_with("ocellus "));
}

#[test]
fn ops_lists_the_table() {
    let value = ocellus(&["ops", "--json"]).ends(0).json();
    let ops = value["ops"].as_array().unwrap();
    let conv = ops.iter().find(|o| o["op"] == "Conv").unwrap();
    assert!(["infer", "eval", "grad", "quantize", "lower"].iter().all(|k| conv[k] == true), "{conv}");
    assert!(ocellus(&["ops", "--markdown"]).ends(0).out.contains("| Conv | yes |"));
    ocellus(&["ops", "--markdown", "--eval-cases", "no-such-file"]).ends(1);
}

#[test]
fn fetch_says_what_there_is_and_what_is_missing() {
    let value = ocellus(&["fetch", "--json"]).ends(0).json();
    assert_eq!(value["sets"][0]["name"], "fashion-mnist");
    let cache = folder();
    // Without Debian's tools on the path.
    let output = Command::new(env!("CARGO_BIN_EXE_ocellus"))
        .args(["fetch", "fashion-mnist"])
        .env("PATH", cache.path())
        .env("OCELLUS_CACHE", cache.path().join("cache"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("idx:FOLDER"), "{said}");
    assert_eq!(std::fs::read_dir(cache.path().join("cache")).unwrap().count(), 0, "nothing half-done stays");
    let output = Command::new(env!("CARGO_BIN_EXE_ocellus"))
        .args(["train", "lenet5", "--data", "fashion-mnist", "-o"])
        .arg(cache.path().join("run"))
        .env("OCELLUS_CACHE", cache.path().join("cache"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("ocellus fetch fashion-mnist"), "{said}");
}

#[test]
fn gpu_check_is_skipped_with_a_reason_or_passes() {
    let said = ocellus(&["gpu-check", "--json", "--steps", "2", "--timed", "2"]).ends(0);
    let value = said.json();
    assert!(value["skipped"].is_string() || value["ok"] == true, "{value}");
    if let Some(reason) = value["skipped"].as_str() {
        println!("skipped: {reason}");
    }
}

//! train, eval, quantize on small data, through all formats.

mod common;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::*;

fn train_arguments(data: &Path, output: &Path, more: &[&str]) -> Vec<OsString> {
    let fixed =
        arguments!["train", "lenet5", "--data", idx(data), "-o", output, "--batch", "12", "--seed", "3", "--json"];
    fixed.into_iter().chain(more.iter().map(OsString::from)).collect()
}

fn train(data: &Path, output: &Path, more: &[&str]) -> Said {
    ocellus(&train_arguments(data, output, more))
}

#[test]
fn from_training_to_the_plan() {
    let dir = folder();
    let (data, run) = (at(&dir, "data"), at(&dir, "run"));
    std::fs::create_dir(&data).unwrap();
    write_idx(&data, "train", 120);
    write_idx(&data, "t10k", 60);
    let value = train(&data, &run, &["--epochs", "20"]).ends(0).json();
    assert_eq!((value["steps"].as_u64(), value["ending"].as_str()), (Some(200), Some("finished")));
    assert!(value["accuracy"].as_f64() > Some(0.9), "{value}");
    for file in ["model.onnx", "curve.svg", "checkpoint.ocellus", "events"] {
        assert!(run.join(file).exists(), "{file}");
    }
    let data = idx(&data);
    let (model, int8, plan) = (run.join("model.onnx"), at(&dir, "int8.onnx"), at(&dir, "m.plan"));
    let float = ocellus(&arguments!["eval", &model, "--data", &data, "--json"]).ends(0).json();
    assert_eq!(float["accuracy"], value["accuracy"]);
    let quantize = arguments![
        "quantize",
        &model,
        "--calibration",
        &data,
        "-o",
        &int8,
        "--limit",
        "60",
        "--max-drop",
        "5",
        "--json"
    ];
    let report = ocellus(&quantize).ends(0).json();
    assert!(report["accuracy"]["int8"].as_f64() > Some(0.85), "{report}");
    assert!(report["layers"].as_array().map(Vec::len) >= Some(4), "{report}");
    let compiled = ocellus(&arguments!["compile", &int8, "-o", &plan, "--json"]).ends(0).json();
    let floats = ocellus(&arguments!["compile", &model, "-o", at(&dir, "f.plan"), "--json"]).ends(0).json();
    assert!(compiled["weights_bytes"].as_u64() < floats["weights_bytes"].as_u64());
    let found = ocellus(&arguments!["eval", &plan, "--data", &data, "--all-targets", "--json"]).ends(0).json();
    assert_eq!(found["identical"], true);
    assert!(
        (found["accuracy"].as_f64().unwrap() - report["accuracy"]["int8"].as_f64().unwrap()).abs() < 0.05,
        "{found}"
    );
    let verified = ocellus(&arguments!["verify", &int8, "--json"]).ends(0).json();
    assert_eq!(verified["ok"], true);
    exported(&run, &data, &at(&dir, "out"));
    assert_eq!(
        ocellus(&arguments!["inspect", run.join("checkpoint.ocellus"), "--json"]).ends(0).json()["kind"],
        "checkpoint"
    );
}

/// What leaves the workstation: models, plans with self-tests that hold, a card with the figures.
fn exported(run: &Path, data: &str, out: &Path) {
    let export = arguments![
        "export",
        run,
        "-o",
        out,
        "--calibration",
        data,
        "--limit",
        "60",
        "--target",
        "portable",
        "--target",
        "cortex-m4",
        "--json"
    ];
    let value = ocellus(&export).ends(0).json();
    assert_eq!(value["plans"].as_array().map(Vec::len), Some(2), "{value}");
    for plan in value["plans"].as_array().unwrap() {
        assert_eq!((plan["self_tests"].as_u64(), plan["accuracy"].as_f64() > Some(0.85)), (Some(4), true), "{plan}");
        let file = out.join(plan["file"].as_str().unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().len(), plan["plan_bytes"].as_u64().unwrap());
        let verified = ocellus(&arguments!["verify", &file, "--json"]).ends(0).json();
        assert_eq!((verified["ok"].as_bool(), verified["self_tests"].as_u64()), (Some(true), Some(4)));
        ocellus(&arguments!["verify", &file, "--shape", "input=1,1,28,28"]).ends(2);
    }
    let card = std::fs::read_to_string(out.join("card.md")).unwrap();
    assert!(card.contains("bit-equal on every CPU") && card.contains("lenet5.portable.plan"), "{card}");
    let float = ocellus(&arguments!["export", run, "-o", out.join("float"), "--json"]).ends(0).json();
    assert_eq!(float["plans"][0]["self_tests"], 0, "the last bits of float sums are a CPU's own");
    let plan = out.join("float").join(float["plans"][0]["file"].as_str().unwrap());
    let said = ocellus(&arguments!["verify", plan]).ends(1);
    assert!(said.err.contains("ocellus export"), "{}", said.err);
}

#[test]
fn an_interrupted_run_is_resumed_to_the_same_weights() {
    let dir = folder();
    write_idx(dir.path(), "train", 48);
    write_idx(dir.path(), "t10k", 12);
    let (whole, parts) = (at(&dir, "whole"), at(&dir, "parts"));
    let settings = ["--epochs", "30", "--rate", "0.01"];
    let resume = [&settings[..], &["--resume"]].concat();
    let said = train(dir.path(), &parts, &resume).ends(1);
    assert!(said.err.contains("checkpoint"), "{}", said.err);
    train(dir.path(), &whole, &settings).ends(0);

    let value = interrupted(dir.path(), &parts, &settings).ends(0).json();
    assert!(parts.join("checkpoint.ocellus").is_file());
    if value["ending"] == "interrupted" {
        assert!(value["steps"].as_u64() < Some(120), "{value}");
    } else {
        println!("skipped: the run had ended before it was interrupted");
    }
    let again = train(dir.path(), &parts, &resume).ends(0).json();
    assert_eq!((again["steps"].as_u64(), again["ending"].as_str()), (Some(120), Some("finished")));
    let read = |folder: &Path| std::fs::read(folder.join("model.onnx")).unwrap();
    assert!(read(&whole) == read(&parts), "the interrupted run has to end with the same model");

    let said = train(dir.path(), &parts, &["--epochs", "31", "--rate", "0.01", "--resume"]).ends(1);
    assert!(said.err.contains("checkpoint.ocellus"), "{}", said.err);
}

/// A training run that gets the signal of Ctrl-C once it has written its first checkpoint.
fn interrupted(data: &Path, output: &Path, more: &[&str]) -> Said {
    let child = Command::new(env!("CARGO_BIN_EXE_ocellus"))
        .args(train_arguments(data, output, more))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let limit = Instant::now() + Duration::from_secs(60);
    while !output.join("checkpoint.ocellus").is_file() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|s| s.success()), "the signal is sent");
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { status: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn data_that_are_broken_are_named() {
    let dir = folder();
    write_idx(dir.path(), "train", 12);
    write_idx(dir.path(), "t10k", 12);
    let images = at(&dir, "train-images-idx3-ubyte");
    let whole = std::fs::read(&images).unwrap();
    std::fs::write(&images, &whole[..whole.len() - 5]).unwrap();
    let said = train(dir.path(), &at(&dir, "run"), &["--epochs", "1"]).ends(1);
    assert!(said.err.contains("train-images-idx3-ubyte") && said.err.contains("length"), "{}", said.err);
    assert!(said.json()["error"].is_string());
    std::fs::remove_file(&images).unwrap();
    train(dir.path(), &at(&dir, "run"), &["--epochs", "1"]).ends(1);
    let said = ocellus(&arguments!["train", "lenet5", "--data", "folder:/nowhere", "-o", at(&dir, "run")]).ends(2);
    assert!(said.err.contains("--size"), "{}", said.err);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let dir = folder();
    write_idx(dir.path(), "train", 48);
    write_idx(dir.path(), "t10k", 12);
    let said = train(dir.path(), &at(&dir, "run"), &["--epochs", "40", "--rate", "1e30"]).ends(1);
    assert!(said.err.contains("step") && said.err.contains("learning rate"), "{}", said.err);
    assert!(!at(&dir, "run").join("model.onnx").exists());
}

#[test]
fn calibration_comes_from_folders_and_archives() {
    let dir = folder();
    let (model, out, arrays) = (at(&dir, "m.onnx"), at(&dir, "q.onnx"), at(&dir, "arrays"));
    save(&small_network(), &model);
    std::fs::create_dir(&arrays).unwrap();
    let quantize =
        |calibration: &Path| ocellus(&arguments!["quantize", &model, "--calibration", calibration, "-o", &out]);
    let said = quantize(&arrays).ends(1);
    assert!(said.err.contains("no .npy or .npz"), "{}", said.err);
    (0..4).for_each(|i| write_picture(&arrays.join(format!("{i}.npy")), i));
    quantize(&arrays).ends(0);
    let first = std::fs::read(&out).unwrap();
    std::fs::remove_file(&out).unwrap();

    let archive = at(&dir, "x.npz");
    let values: Vec<u8> = (0..4).flat_map(|i| f32_bytes(&read_f32(&arrays.join(format!("{i}.npy"))))).collect();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&archive).unwrap());
    zip.start_file("input.npy", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&npy("<f4", "(4, 1, 8, 8)", &values)).unwrap();
    zip.finish().unwrap();
    quantize(&archive).ends(0);
    assert_eq!(std::fs::read(&out).unwrap(), first, "the same data give the same model");

    let said = ocellus(&arguments!["quantize", &out, "--calibration", &archive, "-o", at(&dir, "qq.onnx")]).ends(1);
    assert!(said.err.contains("quantized already"), "{}", said.err);
    quantize(&at(&dir, "nothing")).ends(1);
    std::fs::write(arrays.join("9.npy"), npy("<f4", "(2, 2)", &[0; 16])).unwrap();
    let said = quantize(&arrays).ends(1);
    assert!(said.err.contains("9.npy"), "{}", said.err);
}

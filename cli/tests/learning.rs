//! train, eval, quantize on small data, through all formats.

mod common;

use std::io::Write;
use std::path::Path;

use common::*;

fn train(data: &Path, output: &Path, more: &[&str]) -> Said {
    let mut all =
        arguments!["train", "lenet5", "--data", idx(data), "-o", output, "--batch", "12", "--seed", "3", "--json"]
            .to_vec();
    all.extend(more.iter().map(std::ffi::OsString::from));
    ocellus(&all)
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
    assert_eq!(
        ocellus(&arguments!["inspect", run.join("checkpoint.ocellus"), "--json"]).ends(0).json()["kind"],
        "checkpoint"
    );
}

#[test]
fn a_run_is_resumed_to_the_same_weights() {
    let dir = folder();
    write_idx(dir.path(), "train", 48);
    write_idx(dir.path(), "t10k", 12);
    let (whole, parts) = (at(&dir, "whole"), at(&dir, "parts"));
    train(dir.path(), &whole, &["--epochs", "2", "--rate", "0.01"]).ends(0);
    // The first part keeps a checkpoint in every step of the same plan of two epochs, and ends after the first.
    let settings = ["--epochs", "2", "--rate", "0.01"];
    let said = train(dir.path(), &parts, &[&settings[..], &["--resume"]].concat()).ends(1);
    assert!(said.err.contains("checkpoint"), "{}", said.err);
    train(dir.path(), &parts, &settings).ends(0);
    let again = train(dir.path(), &parts, &[&settings[..], &["--resume"]].concat()).ends(0).json();
    assert_eq!(again["steps"].as_u64(), Some(8));
    let read = |folder: &Path| std::fs::read(folder.join("model.onnx")).unwrap();
    assert!(read(&whole) == read(&parts), "the same seed gives the same model");
    let said = train(dir.path(), &parts, &["--epochs", "3", "--rate", "0.01", "--resume"]).ends(1);
    assert!(said.err.contains("checkpoint.ocellus"), "{}", said.err);
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

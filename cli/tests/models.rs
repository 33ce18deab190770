//! check, compile, run, bench, verify, inspect on small models.

mod common;

use common::*;

#[test]
fn check_lists_every_unsupported_node_at_once() {
    let dir = folder();
    let (good, bad) = (at(&dir, "good.onnx"), at(&dir, "bad.onnx"));
    save(&small_network(), &good);
    save(&unknown_network(), &bad);
    let said = ocellus(&arguments!["check", &good]).ends(0);
    assert!(said.out.contains("can run on the device"), "{}", said.out);
    let said = ocellus(&arguments!["check", &bad]).ends(1);
    assert!(said.out.contains("Frobnicate") && said.out.contains("Defenestrate"), "{}", said.out);
    let value = ocellus(&arguments!["check", "--json", &bad]).ends(1).json();
    assert_eq!(value["supported"], false);
    assert_eq!(value["unsupported"].as_array().map(Vec::len), Some(2));
    assert_eq!(ocellus(&arguments!["check", "--json", &good]).ends(0).json()["supported"], true);
}

#[test]
fn compile_reports_memory_and_holds_the_limit() {
    let dir = folder();
    let (model, plan, rust) = (at(&dir, "m.onnx"), at(&dir, "m.plan"), at(&dir, "m.rs"));
    save(&small_network(), &model);
    let said = ocellus(&arguments!["compile", &model, "-o", &plan, "--max-ram", "20"]).ends(1);
    assert!(said.err.contains("--max-ram allows 20") && said.err.contains("peak"), "{}", said.err);
    assert!(!plan.exists());
    let value = ocellus(&arguments!["compile", &model, "-o", &plan, "--rust", &rust, "--max-ram", "64k", "--json"]);
    let value = value.ends(0).json();
    assert_eq!(value["plan_bytes"].as_u64(), Some(std::fs::metadata(&plan).unwrap().len()));
    assert!(value["arena_bytes"].as_u64() >= value["arena_lower_bound"].as_u64());
    assert!(value["weights_bytes"].as_u64() > Some(0) && value["peak"][0]["op"].is_string(), "{value}");
    assert_eq!(value["macs"].as_u64(), Some(4 * 9 * 64 + 64 * 3));
    assert!(std::fs::read_to_string(&rust).unwrap().contains("ARENA_BYTES"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing half-written stays");
    ocellus(&arguments!["compile", &model, "-o", at(&dir, "no/such/folder.plan")]).ends(1);
}

#[test]
#[cfg(unix)]
fn a_full_disk_leaves_what_was_there() {
    let dir = folder();
    let (model, plan) = (at(&dir, "m.onnx"), at(&dir, "m.plan"));
    save(&small_network(), &model);
    std::fs::write(&plan, b"the plan of yesterday").unwrap();
    // A limit for the size of files, of one block, stands for a disk that becomes full in the middle of a file.
    let limited = "ulimit -f 1; trap '' XFSZ; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_ocellus"), "compile"]).arg(&model).arg("-o").arg(&plan);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("m.plan"), "{said}");
    assert_eq!(std::fs::read(&plan).unwrap(), b"the plan of yesterday");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing half-written stays");
}

#[test]
fn run_gives_the_same_from_model_and_plan() {
    let dir = folder();
    let (model, plan, picture) = (at(&dir, "m.onnx"), at(&dir, "m.plan"), at(&dir, "x=y.npy"));
    save(&small_network(), &model);
    write_picture(&picture, 7);
    ocellus(&arguments!["compile", &model, "-o", &plan]).ends(0);
    let input = format!("input={}", picture.display());
    // The file's own name holds an `=`, so the split would be wrong; a name without one is used.
    ocellus(&arguments!["run", &model, "--input", &input, "--output-dir", at(&dir, "no")]).ends(1);
    let picture = at(&dir, "x.npy");
    write_picture(&picture, 7);
    let input = format!("input={}", picture.display());
    let (a, b) = (at(&dir, "a"), at(&dir, "b"));
    ocellus(&arguments!["run", &model, "--input", &input, "--output-dir", &a]).ends(0);
    let value = ocellus(&arguments!["run", &plan, "--input", &input, "--output-dir", &b, "--json"]).ends(0).json();
    assert_eq!(value["outputs"][0]["name"], "scores:0");
    let (a, b) = (read_f32(&a.join("scores_0.npy")), read_f32(&b.join("scores_0.npy")));
    assert_eq!((a.len(), &a), (3, &b));
    let tensor = ocellus_graph::Tensor::of(&[1, 1, 8, 8], read_f32(&picture));
    let expected = ocellus_ops::evaluate(&small_network(), &[("input", tensor)]).unwrap()["scores:0"].to_f32();
    assert!(a.iter().zip(&expected).all(|(a, e)| (a - e).abs() < 1e-4), "{a:?} {expected:?}");
}

#[test]
fn run_names_what_is_wrong_with_inputs() {
    let dir = folder();
    let (model, x) = (at(&dir, "m.onnx"), at(&dir, "x.npy"));
    save(&small_network(), &model);
    let run = |name: &str| {
        let input = format!("{name}={}", x.display());
        ocellus(&arguments!["run", &model, "--input", input, "--output-dir", at(&dir, "out")]).ends(1).err
    };
    write_picture(&x, 1);
    assert!(run("inptu").contains("the inputs are \"input\" (f32 [1, 1, 8, 8])"));
    write_npy(&x, "<f4", "(1, 64)", &f32_bytes(&[0.0; 64]));
    assert!(run("input").contains("[1, 64]"));
    write_npy(&x, "<f8", "(1, 1, 8, 8)", &[0; 512]);
    assert!(run("input").contains("f64"));
    std::fs::write(&x, b"nothing").unwrap();
    assert!(run("input").contains("x.npy"));
    let said = ocellus(&arguments!["run", &model, "--output-dir", at(&dir, "out")]).ends(1);
    assert!(said.err.contains("is not given"), "{}", said.err);
    assert!(!at(&dir, "out").exists());
}

#[test]
fn bench_and_verify_answer_in_json() {
    let dir = folder();
    let (model, plan) = (at(&dir, "m.onnx"), at(&dir, "m.plan"));
    save(&small_network(), &model);
    ocellus(&arguments!["compile", &model, "-o", &plan]).ends(0);
    for file in [&model, &plan] {
        let value = ocellus(&arguments!["bench", file, "--seconds", "0.05", "--json", "--threads", "2"]).ends(0).json();
        for key in ["min_ms", "median_ms", "p95_ms", "arena_bytes", "weights_bytes", "macs"] {
            assert!(value[key].as_f64() > Some(0.0), "{key} in {value}");
        }
        assert!(value["min_ms"].as_f64() <= value["median_ms"].as_f64());
        assert!(value["median_ms"].as_f64() <= value["p95_ms"].as_f64());
    }
    let value = ocellus(&arguments!["verify", &model, "--json"]).ends(0).json();
    assert_eq!(value["ok"], true);
    assert!(value["layers"].as_array().map(Vec::len) >= Some(3), "{value}");
    let said = ocellus(&arguments!["verify", &plan]).ends(1);
    assert!(said.err.contains("no self-test vectors"), "{}", said.err);
}

#[test]
fn arithmetic_in_bf16_is_asked_for_and_the_same_on_every_target() {
    let dir = folder();
    let (model, plan, picture) = (at(&dir, "m.onnx"), at(&dir, "m.plan"), at(&dir, "x.npy"));
    save(&small_network(), &model);
    write_picture(&picture, 7);
    let input = format!("input={}", picture.display());
    let norm = |options: &[&str]| {
        let arguments: Vec<std::ffi::OsString> = arguments!["verify", &model, "--json"].into();
        let arguments = arguments.into_iter().chain(options.iter().map(Into::into)).collect::<Vec<_>>();
        let value = ocellus(&arguments).ends(0).json();
        assert!(value["layers"][0]["relative_norm"].is_f64(), "{value}");
        value["outputs"][0]["relative_norm"].as_f64().unwrap()
    };
    let [single, half] = [norm(&[]), norm(&["--float", "bf16", "--bf16-arithmetic"])];
    assert!(single < 1e-6 && half > 1e-5 && half < 0.03, "{single} {half}");
    let outputs = |target: &str| {
        let to = at(&dir, target);
        let options = arguments!["--float", "bf16", "--bf16-arithmetic", "--target", target, "--output-dir", &to];
        let arguments = arguments!["run", &model, "--input", &input].into_iter().chain(options).collect::<Vec<_>>();
        ocellus(&arguments).ends(0);
        read_f32(&to.join("scores_0.npy"))
    };
    assert_eq!(outputs("portable"), outputs("native"));
    ocellus(&arguments!["compile", &model, "-o", &plan, "--target", "x86-64-v4+bf16"]).ends(0);
    assert!(ocellus(&arguments!["inspect", &plan]).ends(0).out.contains("conv_bf16"));
}

#[test]
fn symbolic_sizes_are_said_or_given() {
    let dir = folder();
    let (model, plan) = (at(&dir, "m.onnx"), at(&dir, "m.plan"));
    save(&symbolic_network(), &model);
    let said = ocellus(&arguments!["compile", &model, "-o", &plan, "--json"]).ends(0);
    assert!(said.err.contains("batch") && said.err.contains("--shape"), "{}", said.err);
    let one = said.json()["arena_bytes"].as_u64();
    let said = ocellus(&arguments!["compile", &model, "-o", &plan, "--shape", "input=5,1,8,8", "--json"]).ends(0);
    assert!(said.err.is_empty(), "{}", said.err);
    assert!(said.json()["arena_bytes"].as_u64() > one);
    ocellus(&arguments!["compile", &model, "-o", &plan, "--shape", "nobody=5,1,8,8"]).ends(1);
    ocellus(&arguments!["compile", &model, "-o", &plan, "--shape", "input=5,3,8,8"]).ends(1);
}

#[test]
fn inspect_opens_every_kind_of_file() {
    let dir = folder();
    let (model, plan, array) = (at(&dir, "m.onnx"), at(&dir, "m.plan"), at(&dir, "x.npy"));
    save(&small_network(), &model);
    ocellus(&arguments!["compile", &model, "-o", &plan]).ends(0);
    write_picture(&array, 1);
    write_idx(dir.path(), "train", 3);
    let idx = at(&dir, "train-images-idx3-ubyte");
    for (file, kind) in [(&model, "onnx"), (&plan, "plan"), (&array, "array"), (&idx, "idx")] {
        assert_eq!(ocellus(&arguments!["inspect", file, "--json"]).ends(0).json()["kind"], kind);
        assert!(!ocellus(&arguments!["inspect", file]).ends(0).out.is_empty());
    }
    let layouts = ocellus(&arguments!["inspect", &plan, "--json"]).ends(0).json()["layouts"].clone();
    assert!(layouts.as_array().unwrap().iter().any(|l| l.is_string()), "a convolution has a layout: {layouts}");
    let garbage = at(&dir, "garbage");
    std::fs::write(&garbage, b"neither fish nor fowl").unwrap();
    ocellus(&arguments!["inspect", &garbage]).ends(1);
}

#[test]
fn damaged_files_are_errors() {
    let dir = folder();
    let (model, plan) = (at(&dir, "m.onnx"), at(&dir, "m.plan"));
    save(&small_network(), &model);
    ocellus(&arguments!["compile", &model, "-o", &plan]).ends(0);
    let (onnx, whole) = (std::fs::read(&model).unwrap(), std::fs::read(&plan).unwrap());
    for cut in [0, 7, 40, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&plan, &whole[..cut]).unwrap();
        ocellus(&arguments!["bench", &plan, "--seconds", "0.01"]).ends(1);
    }
    for place in [9, 20, 33, 64, whole.len() / 2] {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        std::fs::write(&plan, &flipped).unwrap();
        let said = ocellus(&arguments!["inspect", &plan, "--json"]).ends(1);
        assert!(said.json()["error"].is_string(), "{}", said.out);
    }
    for cut in [1, onnx.len() / 3, onnx.len() - 1] {
        std::fs::write(&model, &onnx[..cut]).unwrap();
        let said = ocellus(&arguments!["check", &model]).ends(1);
        assert!(said.err.contains("m.onnx"), "{}", said.err);
    }
    ocellus(&arguments!["check", at(&dir, "missing.onnx")]).ends(1);
}

//! The C interface: its header compiles as C and C++, its structs are as Rust has them, and the example gives the
//! runtime's answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{Model, Tensor};
use ocellus_runtime::Isa;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"))
}

/// Runs a command and returns what it printed; panics with its errors.
fn said(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

/// Compiles a C source with every warning as an error.
fn compiler(name: &str) -> Command {
    let mut command = Command::new(name);
    command.args(["-Wall", "-Wextra", "-Werror", "-O1", "-I"]).arg(root().join("capi/include"));
    command
}

/// The library of the C interface.
fn library() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    said(
        Command::new(cargo)
            .args(["rustc", "--release", "--locked", "--package", "ocellus-capi", "--crate-type", "staticlib"])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(root()),
    );
    target.join("release/libocellus_capi.a")
}

#[test]
fn the_example_answers_as_the_runtime_does() {
    if !(cfg!(target_os = "linux") && has("cc")) {
        println!("skipped: needs cc on Linux");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = Model::load(root().join("tests/boards/models/lenet5.int8.onnx")).unwrap();
    let plan = compile(&prepare(model, &[]).unwrap(), &Options::default()).unwrap().bytes;
    let picture: Vec<f32> = (0..784).map(|k| ((k * 37) % 255) as f32 / 255.0).collect();
    std::fs::write(at("m.plan"), &plan).unwrap();
    std::fs::write(at("x.f32"), picture.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    said(
        compiler("cc")
            .args(["-std=c11", "-pedantic"])
            .arg(root().join("capi/examples/classify.c"))
            .arg(library())
            .args(["-lpthread", "-ldl", "-lm", "-o"])
            .arg(at("classify")),
    );
    let text = said(Command::new(at("classify")).arg(at("m.plan")).arg(at("x.f32")));
    let input = Tensor::of(&[1, 1, 28, 28], picture);
    let scores = &ocellus_tests::device::outputs(&plan, Isa::best(), &[("input", input)]).unwrap()[0];
    let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a))).unwrap();
    assert!(text.contains(&format!("\nclass {best}, score {:.6},", scores[best])), "{text}{scores:?}");

    // What is wrong is said in words, and nothing else happens.
    std::fs::write(at("short.plan"), &plan[..plan.len() - 64]).unwrap();
    std::fs::write(at("short.f32"), [0; 12]).unwrap();
    std::fs::write(at("nan.f32"), [255; 12]).unwrap();
    for (plan, picture, words) in [
        ("short.plan", "x.f32", "truncated"),
        ("m.plan", "short.f32", "number of elements"),
        ("m.plan", "nan.f32", "not a number"),
    ] {
        let output = run(Command::new(at("classify")).arg(at(plan)).arg(at(picture)));
        let words_found = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && words_found.contains(words), "{words_found}");
    }
}

#[test]
fn the_header_is_c_and_cpp_and_agrees_with_rust() {
    if !(cfg!(target_os = "linux") && has("cc")) {
        println!("skipped: needs cc on Linux");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("sizes.c");
    let structs = [
        ("ocellus_plan_sizes", size_of::<ocellus_capi::PlanSizes>()),
        ("ocellus_port", size_of::<ocellus_capi::PortInfo>()),
        ("ocellus_class", size_of::<ocellus_capi::Class>()),
        ("ocellus_session", 128),
    ];
    let checks: Vec<String> =
        structs.iter().map(|(name, size)| format!("char {name}_[sizeof({name}) == {size} ? 1 : -1];")).collect();
    let top = format!("char top[OCELLUS_TOP_MAX == {} ? 1 : -1];", ocellus_capi::TOP_MAX);
    std::fs::write(&source, format!("#include <ocellus.h>\n{}\n{top}\n", checks.join("\n"))).unwrap();
    said(compiler("cc").args(["-std=c99", "-pedantic", "-c", "-o"]).arg(folder.path().join("c.o")).arg(&source));
    if has("c++") {
        let object = folder.path().join("cpp.o");
        said(compiler("c++").args(["-x", "c++", "-std=c++11", "-pedantic", "-c", "-o"]).arg(object).arg(&source));
    } else {
        println!("skipped: needs c++");
    }
}

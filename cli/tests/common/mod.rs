//! What the tests of the command share: the command itself, small models, small data.
#![allow(dead_code)] // every test program uses a part of it

use std::path::{Path, PathBuf};
use std::process::Command;

use ocellus_graph::{DataType, Dim, Model, Node, Shape, Tensor};
use ocellus_ops::{Builder, Window, check::numbers};
use serde_json::Value;
use tempfile::TempDir;

/// How the command ended and what it said.
pub struct Said {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The one JSON object on standard output.
    pub fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {:?}\n{}", self.out, self.err));
        assert!(value.is_object(), "{value}");
        value
    }

    /// Checks the exit status.
    #[track_caller]
    pub fn ends(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.out, self.err);
        self
    }
}

/// Runs `ocellus` with these arguments.
pub fn ocellus<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_ocellus")).args(arguments).output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { status: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Arguments of several kinds as one list.
#[macro_export]
macro_rules! arguments {
    ($($a:expr),* $(,)?) => { [$(std::ffi::OsString::from($a)),*] };
}

/// A temporary folder.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    let values: Vec<f32> = numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect();
    Tensor::of(shape, values)
}

/// Convolution, clamp, pooling, dense layer: `input` `[1, 1, 8, 8]` to `scores:0` `[1, 3]`.
pub fn small_network() -> Model {
    let mut b = Builder::new("small");
    let x = b.input("input", DataType::F32, &[1, 1, 8, 8]);
    let (w, bias) = (b.constant("w", random(&[4, 1, 3, 3], 1)), b.constant("b", random(&[4], 2)));
    let y = b.conv(x, w, Some(bias), &Window::square(3, 1, 1)).expect("a convolution");
    let y = b.relu(y).expect("a clamp");
    let y = b.max_pool(y, &Window::square(2, 2, 0)).expect("a pooling");
    let y = b.flatten(y, 1).expect("a row");
    let w = b.constant("v", random(&[64, 3], 3));
    let y = b.matmul(y, w).expect("a product");
    b.output(y, "scores:0");
    b.finish()
}

/// The small network with a batch of unknown size.
pub fn symbolic_network() -> Model {
    let mut model = small_network();
    let input = model.graph.inputs[0];
    for (index, value) in model.graph.values.iter_mut().enumerate() {
        let id = ocellus_graph::ValueId(index as u32);
        if id == input {
            let sizes = [1usize, 8, 8].map(Dim::Known);
            value.shape = Some(Shape([Dim::Symbol("batch".to_owned())].into_iter().chain(sizes).collect()));
        } else if !model.graph.initializers.contains_key(&id) {
            value.shape = None;
        }
    }
    model
}

/// The small network with two operators that nobody knows.
pub fn unknown_network() -> Model {
    let mut model = small_network();
    let graph = &mut model.graph;
    for (index, name) in ["Frobnicate", "Defenestrate"].into_iter().enumerate() {
        let old = graph.outputs[0];
        let new = graph.add_value(&format!("strange{index}"), Some(DataType::F32), Some(Shape::fixed(&[1, 3])));
        let mut node = Node::new(name, [Some(old)], [Some(new)]);
        node.name = format!("node{index}");
        graph.nodes.push(node);
        graph.outputs = vec![new];
    }
    model
}

/// Writes a model.
pub fn save(model: &Model, path: &Path) {
    model.save(path).expect("a file");
}

/// Writes an array as NumPy does.
pub fn write_npy(path: &Path, descr: &str, shape: &str, data: &[u8]) {
    std::fs::write(path, npy(descr, shape, data)).expect("a file");
}

/// The bytes of an array as NumPy writes it.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// The bytes of an array of f32.
pub fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A picture for the small network, as .npy.
pub fn write_picture(path: &Path, seed: u64) {
    write_npy(path, "<f4", "(1, 1, 8, 8)", &f32_bytes(&random(&[1, 1, 8, 8], seed).to_f32()));
}

/// The numbers in a .npy file of f32.
pub fn read_f32(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + len..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Idx files of 8 x 8 pictures: bright on the left (class 0), on the right (1), or above (2).
pub fn write_idx(folder: &Path, part: &str, count: usize) {
    let (mut images, mut labels) = (vec![0u8, 0, 8, 3], vec![0u8, 0, 8, 1]);
    [count, 8, 8].iter().for_each(|&n| images.extend((n as u32).to_be_bytes()));
    labels.extend((count as u32).to_be_bytes());
    for i in 0..count {
        for (y, x) in (0..64).map(|k| (k / 8, k % 8)) {
            let lit = match i % 3 {
                // Classes that a horizontal flip, which the recipes train with, leaves as they are.
                0 => y < 4,
                1 => y >= 4,
                _ => (2..6).contains(&x),
            };
            images.push(if lit { 200 + ((i * 7 + x * 3 + y) % 50) as u8 } else { ((i * 5 + x + y * 11) % 60) as u8 });
        }
        labels.push((i % 3) as u8);
    }
    std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).expect("a file");
    std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).expect("a file");
}

/// `idx:FOLDER`
pub fn idx(folder: &Path) -> String {
    format!("idx:{}", folder.display())
}

/// A path inside a folder.
pub fn at(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

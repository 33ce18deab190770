//! Gives the linker the memory map of the board that a feature names.

use std::path::PathBuf;
use std::{env, fs};

const BOARDS: [&str; 3] = ["mps2-an386", "mps2-an500", "mps3-an547"];

fn main() {
    let named = |board: &&&str| {
        let feature = board.to_uppercase().replace('-', "_");
        env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
    };
    let board = BOARDS.iter().find(named).expect("a feature names the board");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where output goes"));
    fs::copy(format!("boards/{board}.x"), out.join("memory.x")).expect("the memory map is copied");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg=-Tlink.x");
    println!("cargo::rerun-if-changed=boards");
}

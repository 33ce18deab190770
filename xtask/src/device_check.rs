//! Checks every device crate alone, so that no feature of another crate hides what it lacks: for this machine, and for
//! boards and WebAssembly where a compiler for them is at hand.

use crate::process::{cargo, run};
use crate::toolchain::{Library, Toolchain, advice};

/// The crates that run on the device.
const DEVICE: [&str; 5] = ["ocellus-plan", "ocellus-kernels", "ocellus-runtime", "ocellus-vision", "ocellus-capi"];

/// A Cortex-M4 or M7 with floating point.
pub const TARGET: &str = "thumbv7em-none-eabihf";

/// Targets without an operating system: Cortex-M4 and M7, M33 to M85, a small RISC-V, WebAssembly.
const TARGETS: [&str; 4] =
    [TARGET, "thumbv8m.main-none-eabihf", "riscv32imac-unknown-none-elf", "wasm32-unknown-unknown"];

/// Checks; returns how many checks were skipped.
pub fn device_check() -> Result<usize, String> {
    for package in DEVICE {
        for features in ["--no-default-features", "--all-features"] {
            println!("checking {package} alone, {features}");
            run(&mut cargo(&["check", "--quiet", "--release", "--locked", features, "--package", package]))?;
        }
    }
    let mut skipped = 0;
    for target in TARGETS {
        let Some(toolchain) = Toolchain::find(target, Library::Core)? else {
            println!("skipped: {}", advice(target));
            skipped += 1;
            continue;
        };
        for package in DEVICE {
            println!("checking {package} alone for {target}");
            let arguments =
                ["check", "--quiet", "--release", "--locked", "--no-default-features", "--package", package];
            run(&mut toolchain.cargo(&arguments, &[]))?;
        }
    }
    Ok(skipped)
}

//! Checks every device crate alone, so that no feature of another crate hides what it lacks: for this machine, and for a
//! bare-metal target where a compiler for one is at hand.

use crate::process::{cargo, run};
use crate::toolchain::{Library, Toolchain, advice};

/// The crates that run on the device.
const DEVICE: [&str; 4] = ["ocellus-plan", "ocellus-kernels", "ocellus-runtime", "ocellus-vision"];

/// A Cortex-M4 or M7 with floating point.
pub const TARGET: &str = "thumbv7em-none-eabihf";

/// Checks; returns how many checks were skipped.
pub fn device_check() -> Result<usize, String> {
    for package in DEVICE {
        for features in ["--no-default-features", "--all-features"] {
            println!("checking {package} alone, {features}");
            run(&mut cargo(&["check", "--quiet", "--release", "--locked", features, "--package", package]))?;
        }
    }
    let Some(toolchain) = Toolchain::find(TARGET, Library::Core)? else {
        println!("skipped: {}", advice(TARGET));
        return Ok(1);
    };
    for package in DEVICE {
        println!("checking {package} alone for {TARGET}");
        let arguments = ["check", "--quiet", "--release", "--locked", "--no-default-features", "--package", package];
        run(&mut toolchain.cargo(&arguments, &[]))?;
    }
    Ok(0)
}

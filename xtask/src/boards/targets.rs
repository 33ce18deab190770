//! The processors that are emulated.

/// A bare-metal board.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// The processor.
    pub name: &'static str,
    /// QEMU's machine, which is also the feature of the firmware.
    pub machine: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// Flags for the compiler.
    pub flags: &'static [&'static str],
}

/// The boards.
pub const BOARDS: [Board; 3] = [
    Board {
        name: "cortex-m4",
        machine: "mps2-an386",
        target: "thumbv7em-none-eabihf",
        flags: &["-Ctarget-cpu=cortex-m4"],
    },
    Board {
        name: "cortex-m7",
        machine: "mps2-an500",
        target: "thumbv7em-none-eabihf",
        flags: &["-Ctarget-cpu=cortex-m4"],
    },
    Board {
        name: "cortex-m55",
        machine: "mps3-an547",
        target: "thumbv8m.main-none-eabihf",
        flags: &["-Ctarget-cpu=cortex-m55"],
    },
];

/// A processor that runs Linux programs.
#[derive(Clone, Copy, Debug)]
pub struct Linux {
    /// The processor.
    pub name: &'static str,
    /// QEMU's model of it.
    pub cpu: &'static str,
}

/// The compiler's target of all of [`LINUX`].
pub const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// 64-bit Arm processors: one with everything, two older ones on which the fallbacks run.
pub const LINUX: [Linux; 3] = [
    Linux { name: "aarch64 max", cpu: "max" },
    Linux { name: "aarch64 cortex-a72", cpu: "cortex-a72" },
    Linux { name: "aarch64 cortex-a53", cpu: "cortex-a53" },
];

/// WebAssembly, without and with vectors (which the compiler makes of the portable code).
pub const WASM: [(&str, &[&str]); 2] = [("wasm32", &[]), ("wasm32 simd128", &["-Ctarget-feature=+simd128"])];

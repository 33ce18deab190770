//! Compiles the network.

fn main() -> Result<(), ocellus_build::BuildError> {
    ocellus_build::Module::new("lenet5", "../../tests/boards/models/lenet5.int8.onnx").max_ram(16 * 1024).write()
}

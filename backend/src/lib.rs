//! Who executes an ONNX graph on the host: tract, ONNX Runtime on CPU and CUDA.

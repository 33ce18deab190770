//! The device file format: checked reader, writer, stable op numbers, arguments.

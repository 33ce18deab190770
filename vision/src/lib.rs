//! Pixels in, answers out: prepare, classify, decode.

//! Pixels in, answers out: prepare, classify, decode.
#![no_std]
#![forbid(unsafe_code)]

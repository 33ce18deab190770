//! Load a plan once, run it in a caller-owned arena, without allocation.

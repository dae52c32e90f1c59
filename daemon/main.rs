//! The `zkrs` binary.
fn main() {}

//! The parts of the kill test: the process, those who write to it, and one who does not come back.

pub mod random;
pub mod server;
pub mod sleeper;
pub mod writer;

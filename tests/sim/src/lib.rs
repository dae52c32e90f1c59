//! Crash campaigns over simulated disks.
//!
//! [`disk`] is a disk in memory that keeps what is durable apart from what is only written, and can be cut off at any
//! moment. [`prng`] is the only source of chance: the same seed gives the same run.

pub mod disk;
pub mod prng;

pub use disk::{Crash, Disk, DiskView, Fault, FaultKind, FaultOp};
pub use prng::Prng;

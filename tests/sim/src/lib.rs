//! Crash campaigns over simulated disks.
//!
//! [`disk`] is a disk in memory that keeps what is durable apart from what is only written, and can be cut off at any
//! moment. [`prng`] is the only source of chance: the same seed gives the same run. [`host`] is a whole server on
//! such a disk, in one thread; [`workload`] its clients; [`history`] what must be true of it; [`campaign`] runs them
//! and cuts the power again and again.

pub mod campaign;
pub mod disk;
pub mod history;
pub mod host;
pub mod prng;
pub mod workload;

pub use disk::{Crash, Disk, DiskView, Fault, FaultKind, FaultOp};
pub use prng::Prng;

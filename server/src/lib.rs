//! The server shell around the core: it moves bytes and keeps time, the core decides everything.
//!
//! - [`config`] reads `zoo.cfg`;
//! - `start` makes a [`Server`] of it, and ends it;
//! - `accept` lets clients in, `io` reads what they send, `frames` cuts it, `out` sends what they get;
//! - `driver` holds the peer behind its lock and carries out its effects;
//! - `lane` is the log's thread, `snapshots` the snapshots', `timers` the clock's, `recovery` the way back;
//! - `four_letter` answers admin words, from `stats` among others;
//! - `throttle` limits connect requests, `fatal` is the way out when the disk or we ourselves fail.
//!
//! A process may run several servers: there are no globals, and no logger, signal handler or allocator is installed.

mod accept;
mod clock;
pub mod config;
mod conn;
mod driver;
mod fatal;
mod four_letter;
mod frames;
mod io;
mod lane;
mod out;
mod recovery;
mod snapshots;
mod start;
mod stats;
mod throttle;
mod timers;
mod version;

pub use fatal::{EXIT_DISK, EXIT_PANIC, Fatal, OnFatal};
pub use start::{Progress, Server, StartError, StartOptions};
pub use version::FULL_VERSION;

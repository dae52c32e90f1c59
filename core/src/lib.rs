//! The deterministic heart of zkrs: everything a coordination server decides, and nothing it touches.
//!
//! No clock, file, socket, thread or random source lives here. Time and randomness are arguments, disk and
//! network are effects: [`peer::Peer`] takes inputs and yields effects, and a thin shell moves the bytes. That
//! is what lets tests and the simulator run whole servers in one thread from one seed.
//!
//! Where things live, from the wire inwards: [`jute`] (Apache's encoding), [`proto`] (client requests and
//! replies), [`prep`] (a request becomes a transaction or an error), [`txn`] (transactions and their bytes),
//! [`tree`] (znodes), [`watch`] (who wants to know), [`session`] (who is there), [`sasl`] (who can prove it),
//! [`peer`] (the state machine that joins them), [`client`] (the other end of the wire).
#![no_std]

extern crate alloc;

pub mod acl;
pub mod client;
pub mod jute;
pub mod path;
pub mod peer;
pub mod prep;
pub mod proto;
pub mod sasl;
pub mod session;
pub mod tree;
pub mod txn;
pub mod watch;

/// A transaction id: epoch in the high 32 bits, counter in the low 32, compared as a signed 64-bit integer.
pub type Zxid = i64;

/// The two clocks a step is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds on a clock that never jumps; session expiry and timers use only this one.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch; goes into transactions (ctime, mtime) and TTL checks, nothing else.
    pub wall_ms: i64,
}

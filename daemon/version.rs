//! What this program calls itself.

/// The version of the protocol and files that it keeps to, then its own.
pub const FULL: &str = concat!("3.9.5-zkrs", env!("CARGO_PKG_VERSION"));

/// Its own version.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

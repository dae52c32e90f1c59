//! Configuration: `zoo.cfg` as Apache ZooKeeper reads it, typed, with all that is wrong said at once.
//!
//! - [`properties`] knows the syntax of the file and no keys;
//! - [`keys`] is the table of all keys, from which `docs/zoo-cfg.md` is made;
//! - `settings` merges the sources and checks values by the table;
//! - `build` makes a [`ServerConfig`] of them and holds the rules between keys, `ensemble` those between servers;
//! - `jaas` reads the file of SASL's users;
//! - `zoo_cfg` reads the files; [`container`] makes one of a container's environment.
//!
//! This module stands on the standard library alone, and its reading of a text touches no disk.

mod build;
pub mod container;
#[cfg(test)]
mod doc;
mod ensemble;
mod jaas;
pub mod keys;
mod peers;
mod problem;
pub mod properties;
mod secret;
mod server_config;
mod settings;
mod suggest;
#[cfg(test)]
mod tests;
mod value;
mod zoo_cfg;

pub use peers::{HostPort, PeerAddress, PeerRole, PeersConfig, ServerSpec};
pub use problem::{ConfigError, ConfigWarning, WarningKind};
pub use secret::Secret;
pub use server_config::*;
pub use zoo_cfg::{ConfigResult, LoadOptions};

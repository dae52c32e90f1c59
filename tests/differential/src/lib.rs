//! Seeded comparison of zkrs with Apache ZooKeeper 3.9.5.
//!
//! The differential tester sends the same random sequence of requests to two servers and compares every
//! reply, event, closed connection and, at the end, the tree: `cargo run --release -p zkrs-differential -- -h`.
//! A seed is all that a report needs: `--replay SEED` prints what both servers said.
//!
//! Where things live: [`generate`] makes steps from a seed ([`step`], [`request`], [`material`]); [`pair`] runs them at two
//! servers ([`side`], [`conn`], [`server`]); [`reply`] turns answers into comparable text; [`shrink`] makes a
//! diverging sequence short; [`explained`] lists the differences that are meant. [`files`] hands data directories
//! from one server to the other.

pub mod client;
pub mod conn;
pub mod explained;
pub mod files;
pub mod generate;
pub mod material;
pub mod op;
pub mod pair;
pub mod reply;
pub mod request;
pub mod rng;
pub mod server;
pub mod shrink;
pub mod side;
pub mod step;
pub mod tree;
pub mod wire;

//! The asynchronous Rust client for ZooKeeper and everything that speaks its protocol.
//!
//! ```no_run
//! use zkrs_client::{Client, CreateMode, Options};
//!
//! # async fn example() -> Result<(), zkrs_client::Error> {
//! let client = Client::connect("127.0.0.1:2181/app", Options::default()).await?;
//! client.create("/greeting", "hello", CreateMode::Persistent).await?;
//! let (data, stat, changed) = client.get_data_and_watch("/greeting").await?;
//! assert_eq!((&data[..], stat.version), (&b"hello"[..], 0));
//! client.set_data("/greeting", "goodbye", Some(stat.version)).await?;
//! println!("{:?}", changed.await.kind);
//! client.close().await
//! # }
//! ```
//!
//! One [`Client`] is one session; clones share it. Every operation may be called from any task, as many at a
//! time as wanted: they are pipelined over one connection, written in batches, and answered in order. Dropping
//! an operation's future abandons its result, not the operation.
//!
//! What a client decides (which server, when to ping, who is told of an event) is decided by
//! [`zkrs_core::client`]; this crate moves its bytes with tokio, in one task on the runtime that opened the
//! client.

#![warn(missing_docs)]

mod client;
mod connect_string;
mod create;
mod data;
mod driver;
mod error;
mod multi;
mod operations;
mod options;
pub mod raw;
mod retry;
mod shared;
mod watch;

pub use client::{Client, StateEvents};
pub use create::CreateOptions;
pub use data::{Data, DataRef};
pub use error::Error;
pub use multi::{MultiError, Op, OpResult, ReadOp, ReadResult};
pub use operations::{Reconfig, Version};
pub use options::{Builder, Options};
pub use retry::RetryPolicy;
pub use watch::{OneShotWatch, Watcher};
pub use zkrs_core::acl::{Acl, Id, perms};
pub use zkrs_core::client::{ClientInfo, EventKind, Response, SessionInfo, SessionState, WatchedEvent};
pub use zkrs_core::proto::{AddWatchMode, CreateMode, ErrorCode, Stat, WatcherType};

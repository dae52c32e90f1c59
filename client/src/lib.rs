//! The asynchronous Rust client.

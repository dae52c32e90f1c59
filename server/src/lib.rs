//! The server shell around the core.

pub mod config;

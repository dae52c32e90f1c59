//! The server shell around the core.

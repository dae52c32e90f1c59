//! The deterministic heart of zkrs.
#![no_std]
extern crate alloc;

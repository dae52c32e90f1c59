//! Fuzz targets: each is a function of bytes that panics when something is wrong.
//!
//! libFuzzer (`bin/fuzz.rs`) and the plain replay of the committed inputs (`bin/replay.rs`) run the same
//! functions. Memory is part of what is checked: a target runs under a limit of the heap, and an allocation beyond
//! it ends the process.
#![forbid(unsafe_code)]

pub mod client_port;
pub mod client_replies;
pub mod input;
pub mod jute_records;
pub mod request;
pub mod snapshot;
pub mod txn_log;
pub mod zoo_cfg;

use std::alloc::System;
use std::sync::Once;

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is also that of its corpus folder.
    pub name: &'static str,
    /// The longest input that libFuzzer should try, bytes.
    pub input_bytes_max: usize,
    /// How much of the heap one run may hold at any moment, bytes.
    pub heap_bytes_max: usize,
    /// The check.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "client_port",
        input_bytes_max: 4096,
        heap_bytes_max: 16 << 20,
        check: client_port::check,
    },
    Target {
        name: "jute_records",
        input_bytes_max: 4096,
        heap_bytes_max: 2 << 20,
        check: jute_records::check,
    },
    Target { name: "txn_log", input_bytes_max: 8192, heap_bytes_max: 16 << 20, check: txn_log::check },
    Target { name: "snapshot", input_bytes_max: 8192, heap_bytes_max: 24 << 20, check: snapshot::check },
    Target { name: "zoo_cfg", input_bytes_max: 4096, heap_bytes_max: 4 << 20, check: zoo_cfg::check },
    Target {
        name: "client_replies",
        input_bytes_max: 4096,
        heap_bytes_max: 16 << 20,
        check: client_replies::check,
    },
];

impl Target {
    /// The target of this name.
    pub fn find(name: &str) -> Option<Target> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Runs the check under the target's heap limit.
    ///
    /// # Panics
    /// When the check finds something.
    pub fn run(&self, input: &[u8]) {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // The report of a finding may take what it needs.
                ALLOCATOR.set_limit(usize::MAX).expect("there is no higher limit");
                report(info);
            }));
        });
        let before = ALLOCATOR.allocated();
        ALLOCATOR.set_limit(before + self.heap_bytes_max).expect("what is held is below the limit");
        (self.check)(input);
        ALLOCATOR.set_limit(usize::MAX).expect("there is no higher limit");
    }
}

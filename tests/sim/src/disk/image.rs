//! What is left on a disk after a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::inode::Inode;
use super::{Control, Dir, DirChange, Disk, State};
use crate::prng::Prng;

/// Which of the changes since the last syncs survive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// None.
    DropAll,
    /// All.
    KeepAll,
    /// A random subset, in pieces.
    Random,
}

impl State {
    pub(super) fn crash(&self, prng: &mut Prng, crash: Crash) -> Disk {
        let mut dirs = BTreeMap::new();
        for (path, dir) in &self.dirs {
            let names = surviving_names(dir, prng, crash);
            dirs.insert(path.clone(), Dir { live: names.clone(), durable: names, pending: Vec::new() });
        }
        let mut inodes = BTreeMap::new();
        for &id in dirs.values().flat_map(|dir| dir.live.values()) {
            let inode = &self.inodes[&id];
            let bytes = match crash {
                Crash::DropAll => inode.durable(),
                Crash::KeepAll => inode.all(),
                Crash::Random => inode.torn(prng),
            };
            inodes.insert(id, Inode::with(bytes));
        }
        Disk(Arc::new(Mutex::new(State {
            inodes,
            dirs,
            next_inode: self.next_inode,
            core: Control::default(),
        })))
    }
}

fn surviving_names(dir: &Dir, prng: &mut Prng, crash: Crash) -> BTreeMap<String, u64> {
    if crash == Crash::KeepAll {
        return dir.live.clone();
    }
    let mut names = dir.durable.clone();
    if crash == Crash::DropAll {
        return names;
    }
    for change in &dir.pending {
        if prng.chance(1, 2) {
            continue;
        }
        match change {
            DirChange::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            DirChange::Unlink(name) => {
                names.remove(name);
            }
            DirChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
    names
}

//! One file: what is durable, what is written since, what reads see.

use std::sync::Arc;

use crate::prng::Prng;

/// The piece of a write that survives a crash, or does not, on its own.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(crate) struct Inode {
    pub live: Vec<u8>,
    durable: Arc<Vec<u8>>,
    /// Changes since the last sync, in order.
    pending: Vec<Change>,
}

/// A change of a file's bytes.
#[derive(Clone)]
pub(crate) enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Change {
    /// The length that the file has at least afterwards; 0 for a cut.
    pub fn end(&self) -> u64 {
        match self {
            Change::Write(offset, bytes) => offset + bytes.len() as u64,
            Change::SetLen(len) => *len,
        }
    }
}

impl Inode {
    /// A file whose bytes are all durable.
    pub fn with(bytes: Vec<u8>) -> Inode {
        Inode { durable: Arc::new(bytes.clone()), live: bytes, pending: Vec::new() }
    }

    pub fn apply(&mut self, change: Change) {
        apply(&mut self.live, &change);
        self.pending.push(change);
    }

    pub fn sync(&mut self) {
        let durable = Arc::make_mut(&mut self.durable);
        for change in self.pending.drain(..) {
            apply(durable, &change);
        }
    }

    /// What a failed sync does: the changes are in memory still, but no later sync writes them.
    pub fn lose_pending(&mut self) {
        self.pending.clear();
    }

    /// The bytes that survive if no change since the last sync does.
    pub fn durable(&self) -> Vec<u8> {
        self.durable.to_vec()
    }

    /// The bytes that survive if every change does that a sync could still make durable.
    pub fn all(&self) -> Vec<u8> {
        let mut bytes = self.durable();
        for change in &self.pending {
            apply(&mut bytes, change);
        }
        bytes
    }

    /// The bytes that survive if a random part of the changes does.
    pub fn torn(&self, prng: &mut Prng) -> Vec<u8> {
        let mut bytes = self.durable();
        for change in &self.pending {
            match change {
                Change::SetLen(_) if prng.chance(1, 2) => apply(&mut bytes, change),
                Change::SetLen(_) => {}
                Change::Write(offset, data) => write_in_pieces(&mut bytes, *offset as usize, data, prng),
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, data) => write(bytes, *offset as usize, data),
        Change::SetLen(len) => bytes.resize(*len as usize, 0),
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

fn write_in_pieces(bytes: &mut Vec<u8>, offset: usize, data: &[u8], prng: &mut Prng) {
    // Whole writes survive or vanish often enough to be seen, whatever their length.
    match prng.below(4) {
        0 => return,
        1 => return write(bytes, offset, data),
        _ => {}
    }
    let mut at = 0;
    while at < data.len() {
        let end = ((offset + at) / SECTOR_BYTES + 1) * SECTOR_BYTES - offset;
        let piece = &data[at..end.min(data.len())];
        match prng.below(4) {
            0 => {}
            1 => {
                let kept = prng.below(piece.len() as u64 + 1) as usize;
                write(bytes, offset + at, &piece[..kept]);
            }
            _ => write(bytes, offset + at, piece),
        }
        at += piece.len();
    }
}

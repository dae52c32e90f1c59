//! Memory for znode records: size classes cut from chunks, so that a million small records cost their bytes.
//!
//! Knows nothing of what it stores. A general allocator would round each record up to a coarse class and
//! hang a 16-byte pointer on it; here a handle is 5 bytes and the classes are 16 bytes apart where it matters.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle {
    /// Which place in its class.
    pub index: u32,
    /// Which class; [`HUGE`] for records with an allocation of their own.
    pub class: u8,
}

/// Classes up to this size are [`STEP_BYTES`] apart; above, eight to a doubling.
const FINE_BYTES_MAX: usize = 512;
const STEP_BYTES: usize = 16;
const FINE_CLASSES: usize = FINE_BYTES_MAX / STEP_BYTES;
const COARSE_BYTES_MAX: usize = 64 << 10;
const COARSE_CLASSES: usize = 7 * 8;
const CHUNK_BYTES: usize = 64 << 10;
const HUGE: u8 = u8::MAX;

/// The records of all classes.
#[derive(Debug, Default)]
pub(super) struct Slab {
    classes: Vec<Class>,
    huge: Vec<Box<[u8]>>,
    huge_free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Class {
    chunks: Vec<Box<[u8]>>,
    free: Vec<u32>,
    /// Places handed out so far, freed ones included.
    used: u32,
}

impl Slab {
    /// A place of at least `len` bytes; its contents are unspecified.
    pub fn alloc(&mut self, len: usize) -> Handle {
        let class = class_of(len);
        if class == HUGE {
            let record = vec![0; len].into_boxed_slice();
            let index = match self.huge_free.pop() {
                Some(index) => {
                    self.huge[index as usize] = record;
                    index
                }
                None => {
                    self.huge.push(record);
                    self.huge.len() as u32 - 1
                }
            };
            return Handle { index, class };
        }
        if self.classes.is_empty() {
            self.classes.resize_with(FINE_CLASSES + COARSE_CLASSES, Class::default);
        }
        let size = class_bytes(class);
        let slots = slots_per_chunk(size);
        let entry = &mut self.classes[class as usize];
        let index = entry.free.pop().unwrap_or_else(|| {
            let index = entry.used;
            if index as usize == entry.chunks.len() * slots {
                entry.chunks.push(vec![0; slots * size].into_boxed_slice());
            }
            entry.used += 1;
            index
        });
        Handle { index, class }
    }

    /// Gives a place back.
    pub fn free(&mut self, handle: Handle) {
        if handle.class == HUGE {
            self.huge[handle.index as usize] = Box::default();
            self.huge_free.push(handle.index);
        } else {
            self.classes[handle.class as usize].free.push(handle.index);
        }
    }

    /// The whole place, which may be longer than what was asked for.
    pub fn get(&self, handle: Handle) -> &[u8] {
        if handle.class == HUGE {
            return &self.huge[handle.index as usize];
        }
        let (chunk, start, size) = locate(handle);
        &self.classes[handle.class as usize].chunks[chunk][start..start + size]
    }

    /// The whole place, for writing.
    pub fn get_mut(&mut self, handle: Handle) -> &mut [u8] {
        if handle.class == HUGE {
            return &mut self.huge[handle.index as usize];
        }
        let (chunk, start, size) = locate(handle);
        &mut self.classes[handle.class as usize].chunks[chunk][start..start + size]
    }

    /// Whether a record of `len` bytes belongs where `handle` is.
    pub fn fits(&self, handle: Handle, len: usize) -> bool {
        match class_of(len) {
            HUGE => handle.class == HUGE && self.huge[handle.index as usize].len() == len,
            class => class == handle.class,
        }
    }
}

fn slots_per_chunk(size: usize) -> usize {
    (CHUNK_BYTES / size).max(4)
}

fn locate(handle: Handle) -> (usize, usize, usize) {
    let size = class_bytes(handle.class);
    let slots = slots_per_chunk(size);
    let index = handle.index as usize;
    (index / slots, index % slots * size, size)
}

fn class_of(len: usize) -> u8 {
    if len <= FINE_BYTES_MAX {
        return (len.max(1).div_ceil(STEP_BYTES) - 1) as u8;
    }
    if len > COARSE_BYTES_MAX {
        return HUGE;
    }
    // 513..=1024 is the first doubling, cut into eighths of 512.
    let doubling = (len - 1).ilog2() - FINE_BYTES_MAX.ilog2();
    let base = FINE_BYTES_MAX << doubling;
    let eighth = (len - base).div_ceil(base / 8) - 1;
    (FINE_CLASSES + doubling as usize * 8 + eighth) as u8
}

fn class_bytes(class: u8) -> usize {
    let class = class as usize;
    if class < FINE_CLASSES {
        return (class + 1) * STEP_BYTES;
    }
    let (doubling, eighth) = ((class - FINE_CLASSES) / 8, (class - FINE_CLASSES) % 8);
    let base = FINE_BYTES_MAX << doubling;
    base + (eighth + 1) * (base / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_fits_its_class_tightly() {
        for len in 1..=COARSE_BYTES_MAX {
            let class = class_of(len);
            assert_ne!(class, HUGE);
            let size = class_bytes(class);
            assert!(size >= len, "{len} in {size}");
            assert!(size <= (len + STEP_BYTES - 1).max(len + len / 8), "{len} in {size}");
            assert!(class == 0 || class_bytes(class - 1) < len);
        }
        assert_eq!(class_of(COARSE_BYTES_MAX + 1), HUGE);
    }

    #[test]
    fn places_do_not_overlap_and_are_reused() {
        let mut slab = Slab::default();
        let handles: Vec<Handle> = (0..3000).map(|i| slab.alloc(20 + i % 90)).collect();
        for (i, handle) in handles.iter().enumerate() {
            slab.get_mut(*handle).fill(i as u8);
        }
        for (i, handle) in handles.iter().enumerate() {
            assert!(slab.get(*handle).iter().all(|b| *b == i as u8));
        }
        slab.free(handles[7]);
        assert_eq!(slab.alloc(27), handles[7]);
        let huge = slab.alloc(100_000);
        assert_eq!(slab.get(huge).len(), 100_000);
        slab.free(huge);
        assert_eq!(slab.alloc(70_000), huge);
    }
}

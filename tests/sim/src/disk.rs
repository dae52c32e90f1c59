//! A disk in memory that keeps durable and live bytes apart.
//!
//! What a program reads is the live state. What survives a crash is the durable state plus any subset of the
//! operations since the last sync of the file (or of the directory), each of them whole, dropped, or torn: a write is
//! taken apart into 512-byte sectors, of which each may survive, vanish, or keep only its first bytes. That is more
//! than real disks do, so what passes here passes there.

mod image;
mod inode;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use zkrs_storage::fs::{Access, Fs, FsFile};

pub use image::Crash;
use inode::{Change, Inode};

use crate::prng::Prng;

/// A disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// What happens on a disk, seen from inside an operation on it.
pub struct DiskView<'a> {
    state: &'a State,
    /// The number of changing operations so far, this one included.
    pub op: u64,
}

/// An error to be injected.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operations it may hit.
    pub op: FaultOp,
    /// Only files whose path contains this.
    pub path_contains: String,
    /// How many matching operations go well before it.
    pub after: u64,
    /// The error.
    pub kind: FaultKind,
    /// Whether the matching operations after it fail as well.
    pub lasting: bool,
}

/// Operations that an injected error may hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultOp {
    /// Any that changes something.
    Any,
    /// Writes and growth of files.
    Write,
    /// Syncs of files.
    Sync,
    /// Creations.
    Create,
    /// Renames.
    Rename,
    /// Removals.
    Remove,
    /// Syncs of directories.
    SyncDir,
    /// Reads.
    Read,
}

/// Errors that can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// `ENOSPC`. A write may have been done in part.
    NoSpace,
    /// `EIO`. A failed sync loses what it should have made durable, for good, while reads still see it.
    Io,
}

#[derive(Default, Clone)]
pub(crate) struct State {
    inodes: BTreeMap<u64, Inode>,
    dirs: BTreeMap<PathBuf, Dir>,
    next_inode: u64,
    core: Control,
}

/// What is not part of the stored state.
#[derive(Default)]
struct Control {
    ops: u64,
    locks: BTreeSet<PathBuf>,
    faults: Vec<Fault>,
    capacity_bytes: Option<u64>,
    tap: Option<Tap>,
}

type Tap = Box<dyn FnMut(&DiskView<'_>) + Send>;

/// A crash image starts without locks, faults and observers.
impl Clone for Control {
    fn clone(&self) -> Control {
        Control::default()
    }
}

#[derive(Default, Clone)]
struct Dir {
    live: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<DirChange>,
}

#[derive(Clone)]
enum DirChange {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Disk {
        Disk::default()
    }

    /// Calls `tap` after every operation that changed something, with a view from which crash images can be made.
    pub fn on_op(&self, tap: impl FnMut(&DiskView<'_>) + Send + 'static) {
        self.state().core.tap = Some(Box::new(tap));
    }

    /// Stops calling the observer.
    pub fn clear_tap(&self) {
        self.state().core.tap = None;
    }

    /// The number of operations so far that changed something.
    pub fn ops(&self) -> u64 {
        self.state().core.ops
    }

    /// Plans an error.
    pub fn inject(&self, fault: Fault) {
        self.state().core.faults.push(fault);
    }

    /// Forgets all planned errors.
    pub fn heal(&self) {
        self.state().core.faults.clear();
    }

    /// Limits the sum of all files' lengths.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().core.capacity_bytes = bytes;
    }

    /// What the disk may hold if the power fails now.
    pub fn crash(&self, prng: &mut Prng, crash: Crash) -> Disk {
        self.state().crash(prng, crash)
    }

    /// What the disk holds after the death of the process alone: all that was written.
    pub fn kill(&self) -> Disk {
        let mut state = self.state().clone();
        state.settle();
        Disk(Arc::new(Mutex::new(state)))
    }

    /// A file's live bytes.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        let inode = state.find(path).unwrap_or_else(|| panic!("{} does not exist", path.display()));
        state.inodes[&inode].live.clone()
    }

    /// Puts a file on the disk, durably, with these bytes: for damage, and for files of another program.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let (dir, name) = split(path);
        let inode = state.next_inode;
        state.next_inode += 1;
        state.inodes.insert(inode, Inode::with(bytes));
        let dir = state.dirs.entry(dir).or_default();
        dir.live.insert(name.clone(), inode);
        dir.durable.insert(name, inode);
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        let state = self.state();
        state.dirs.iter().flat_map(|(dir, d)| d.live.keys().map(|name| dir.join(name))).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while the disk is locked")
    }
}

impl DiskView<'_> {
    /// What the disk may hold if the power fails now.
    pub fn crash(&self, prng: &mut Prng, crash: Crash) -> Disk {
        self.state.crash(prng, crash)
    }
}

impl State {
    fn find(&self, path: &Path) -> Option<u64> {
        let (dir, name) = split(path);
        self.dirs.get(&dir)?.live.get(&name).copied()
    }

    fn dir(&mut self, path: &Path) -> io::Result<(&mut Dir, String)> {
        let (dir, name) = split(path);
        self.dirs.get_mut(&dir).map(|d| (d, name)).ok_or_else(not_found)
    }

    /// Everything written becomes durable.
    fn settle(&mut self) {
        for inode in self.inodes.values_mut() {
            *inode = Inode::with(std::mem::take(&mut inode.live));
        }
        for dir in self.dirs.values_mut() {
            dir.durable = dir.live.clone();
            dir.pending.clear();
        }
    }

    /// The injected error for this operation, if one is due.
    fn fault(&mut self, op: FaultOp, path: &Path) -> Option<FaultKind> {
        let text = path.to_string_lossy();
        for fault in &mut self.core.faults {
            let hit = fault.op == op || (fault.op == FaultOp::Any && op != FaultOp::Read);
            if !hit || !text.contains(&fault.path_contains) || fault.after == u64::MAX {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if !fault.lasting {
                fault.after = u64::MAX;
            }
            return Some(fault.kind);
        }
        None
    }

    fn check(&mut self, op: FaultOp, path: &Path) -> io::Result<()> {
        self.fault(op, path).map_or(Ok(()), |kind| Err(error(kind)))
    }

    /// Whether the file may grow to `len`.
    fn check_space(&self, inode: u64, len: u64) -> io::Result<()> {
        let Some(capacity) = self.core.capacity_bytes else { return Ok(()) };
        let used: u64 =
            self.inodes.iter().filter(|&(&id, _)| id != inode).map(|(_, i)| i.live.len() as u64).sum();
        if used + len.max(self.inodes[&inode].live.len() as u64) > capacity {
            return Err(error(FaultKind::NoSpace));
        }
        Ok(())
    }

    fn changed(&mut self) {
        self.core.ops += 1;
        if let Some(mut tap) = self.core.tap.take() {
            tap(&DiskView { state: self, op: self.core.ops });
            self.core.tap = Some(tap);
        }
    }
}

impl Fs for Disk {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        Ok(state.dirs.get(dir).ok_or_else(not_found)?.live.keys().cloned().collect())
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.state().dirs.contains_key(path)
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        state.dirs.contains_key(path) || state.find(path).is_some()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        for path in dir.ancestors() {
            state.dirs.entry(path.to_owned()).or_default();
        }
        Ok(())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FsFile>> {
        let inode = self.state().find(path).ok_or_else(not_found)?;
        Ok(Box::new(Handle { disk: self.clone(), inode, path: path.to_owned(), access }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut state = self.state();
        state.check(FaultOp::Create, path)?;
        if state.find(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.next_inode;
        state.next_inode += 1;
        let (dir, name) = state.dir(path)?;
        dir.live.insert(name.clone(), inode);
        dir.pending.push(DirChange::Link(name, inode));
        state.inodes.insert(inode, Inode::default());
        state.changed();
        drop(state);
        Ok(Box::new(Handle { disk: self.clone(), inode, path: path.to_owned(), access: Access::ReadWrite }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(from.parent(), to.parent(), "a rename across directories is not simulated");
        let mut state = self.state();
        state.check(FaultOp::Rename, to)?;
        let (_, to_name) = split(to);
        let (dir, from_name) = state.dir(from)?;
        let inode = dir.live.remove(&from_name).ok_or_else(not_found)?;
        dir.live.insert(to_name.clone(), inode);
        dir.pending.push(DirChange::Rename(from_name, to_name));
        state.changed();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(FaultOp::Remove, path)?;
        let (dir, name) = state.dir(path)?;
        dir.live.remove(&name).ok_or_else(not_found)?;
        dir.pending.push(DirChange::Unlink(name));
        state.changed();
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(FaultOp::SyncDir, dir)?;
        let d = state.dirs.get_mut(dir).ok_or_else(not_found)?;
        d.durable = d.live.clone();
        d.pending.clear();
        state.changed();
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.state().core.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(LockGuard(self.clone(), path.to_owned())))
    }
}

struct LockGuard(Disk, PathBuf);

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.0.state().core.locks.remove(&self.1);
    }
}

struct Handle {
    disk: Disk,
    inode: u64,
    path: PathBuf,
    access: Access,
}

impl Handle {
    fn change(&self, change: Change) -> io::Result<()> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.disk.state();
        if let Some(kind) = state.fault(FaultOp::Write, &self.path) {
            // The first half may have got through.
            if let Change::Write(offset, bytes) = change {
                let half = bytes[..bytes.len() / 2].to_vec();
                state.inodes.get_mut(&self.inode).expect("open").apply(Change::Write(offset, half));
            }
            return Err(error(kind));
        }
        state.check_space(self.inode, change.end())?;
        state.inodes.get_mut(&self.inode).expect("open").apply(change);
        state.changed();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.fault(FaultOp::Sync, &self.path);
        let inode = state.inodes.get_mut(&self.inode).expect("open");
        if let Some(kind) = fault {
            inode.lose_pending();
            return Err(error(kind));
        }
        inode.sync();
        state.changed();
        Ok(())
    }
}

impl FsFile for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[&self.inode].live.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.check(FaultOp::Read, &self.path)?;
        let live = &state.inodes[&self.inode].live;
        let start = (offset as usize).min(live.len());
        let n = buf.len().min(live.len() - start);
        buf[..n].copy_from_slice(&live[start..start + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write(offset, bytes.to_vec()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.len()? < len { self.set_len(len) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok((offset < self.len()?).then_some(offset))
    }

    fn done_with(&self, _offset: u64, _len: u64) {}
}

fn split(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().expect("a file's path").to_string_lossy().into_owned();
    (path.parent().unwrap_or(Path::new("")).to_owned(), name)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn error(kind: FaultKind) -> io::Error {
    match kind {
        FaultKind::NoSpace => io::Error::from(io::ErrorKind::StorageFull),
        FaultKind::Io => io::Error::from_raw_os_error(5),
    }
}

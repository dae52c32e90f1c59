//! Who wants to hear of which paths.
//!
//! Two managers, as in Apache (`WatchManager`): data watches, which also hold those of `exists` and all
//! recursive ones, and child watches. Knows neither znodes nor how an event travels.

use crate::peer::ConnId;
use crate::proto::{AddWatchMode, EventType, WatcherType};
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

const STANDARD: u8 = 1;
const PERSISTENT: u8 = 2;
const RECURSIVE: u8 = 4;

/// All watches of one server.
#[derive(Debug)]
pub struct Watches {
    data: Manager,
    child: Manager,
}

impl Watches {
    /// No watches; `seed` is for the hash of client-chosen paths.
    pub fn new(seed: u64) -> Self {
        Self { data: Manager::new(seed), child: Manager::new(seed) }
    }

    /// A one-shot watch of `exists` or `getData`.
    pub fn add_data(&mut self, conn: ConnId, path: &str) {
        self.data.add(conn, path, STANDARD);
    }

    /// A one-shot watch of `getChildren`.
    pub fn add_child(&mut self, conn: ConnId, path: &str) {
        self.child.add(conn, path, STANDARD);
    }

    /// A watch of `addWatch`.
    pub fn add(&mut self, conn: ConnId, path: &str, mode: AddWatchMode) {
        match mode {
            AddWatchMode::Persistent => {
                self.data.add(conn, path, PERSISTENT);
                self.child.add(conn, path, PERSISTENT);
            }
            AddWatchMode::PersistentRecursive => self.data.add(conn, path, RECURSIVE),
        }
    }

    /// Whether the connection has a watch of this type on this path.
    pub fn contains(&self, conn: ConnId, path: &str, kind: WatcherType) -> bool {
        let (data, child) = (self.data.modes(conn, path), self.child.modes(conn, path));
        match kind {
            WatcherType::Children => child & STANDARD != 0,
            WatcherType::Data => data & STANDARD != 0,
            WatcherType::Persistent => data & PERSISTENT != 0,
            WatcherType::PersistentRecursive => data & RECURSIVE != 0,
            WatcherType::Any => data | child != 0,
        }
    }

    /// Removes the connection's watches of this type on this path; whether there were any.
    pub fn remove(&mut self, conn: ConnId, path: &str, kind: WatcherType) -> bool {
        match kind {
            WatcherType::Children => self.child.remove(conn, path, STANDARD),
            WatcherType::Data => self.data.remove(conn, path, STANDARD),
            WatcherType::Persistent => {
                let child = self.child.remove(conn, path, PERSISTENT);
                self.data.remove(conn, path, PERSISTENT) || child
            }
            WatcherType::PersistentRecursive => self.data.remove(conn, path, RECURSIVE),
            WatcherType::Any => {
                let every = STANDARD | PERSISTENT | RECURSIVE;
                let child = self.child.remove(conn, path, every);
                self.data.remove(conn, path, every) || child
            }
        }
    }

    /// Forgets a connection.
    pub fn remove_conn(&mut self, conn: ConnId) {
        self.data.remove_conn(conn);
        self.child.remove_conn(conn);
    }

    /// `path` was created: tells its data watchers, then the child watchers of `parent`.
    pub fn on_created(&mut self, path: &str, parent: &str, tell: &mut dyn FnMut(ConnId, EventType, &str)) {
        for conn in self.data.trigger(path) {
            tell(conn, EventType::NodeCreated, path);
        }
        for conn in self.child.trigger(parent) {
            tell(conn, EventType::NodeChildrenChanged, parent);
        }
    }

    /// `path` was deleted: tells its data watchers, its child watchers that were not told yet, then the child
    /// watchers of `parent`.
    pub fn on_deleted(&mut self, path: &str, parent: &str, tell: &mut dyn FnMut(ConnId, EventType, &str)) {
        let told = self.data.trigger(path);
        for conn in &told {
            tell(*conn, EventType::NodeDeleted, path);
        }
        for conn in self.child.trigger(path) {
            if !told.contains(&conn) {
                tell(conn, EventType::NodeDeleted, path);
            }
        }
        for conn in self.child.trigger(parent) {
            tell(conn, EventType::NodeChildrenChanged, parent);
        }
    }

    /// The data of `path` was set: tells its data watchers.
    pub fn on_data_changed(&mut self, path: &str, tell: &mut dyn FnMut(ConnId, EventType, &str)) {
        for conn in self.data.trigger(path) {
            tell(conn, EventType::NodeDataChanged, path);
        }
    }

    /// Number of (path, connection) pairs in both managers.
    pub fn count(&self) -> usize {
        self.data.count + self.child.count
    }

    /// The data watches as the admin words list them: each path with its watchers, by path.
    pub fn data_by_path(&self) -> Vec<(&str, Vec<ConnId>)> {
        let mut all: Vec<_> = self
            .data
            .by_path
            .iter()
            .map(|(path, watchers)| (&**path, watchers.iter().map(|(conn, _)| *conn).collect()))
            .collect();
        all.sort();
        all
    }

    /// Checks that the two directions of each manager agree.
    ///
    /// # Panics
    /// If they do not, or if `is_open` denies a watcher.
    pub fn check_invariants(&self, is_open: impl Fn(ConnId) -> bool) {
        for manager in [&self.data, &self.child] {
            let by_conn: usize = manager.by_conn.values().map(HashSet::len).sum();
            let by_path: usize = manager.by_path.values().map(Vec::len).sum();
            assert_eq!((by_conn, by_path), (manager.count, manager.count), "watches by path and connection");
            assert!(manager.by_conn.keys().all(|conn| is_open(*conn)), "every watcher is connected");
        }
    }
}

#[derive(Debug)]
struct Manager {
    /// Watchers of a path, sorted by connection, with their modes.
    by_path: HashMap<Arc<str>, Vec<(ConnId, u8)>, FixedState>,
    by_conn: HashMap<ConnId, HashSet<Arc<str>, FixedState>, FixedState>,
    count: usize,
    /// Recursive watches; while there are none, nothing looks at ancestors.
    recursive: usize,
    seed: u64,
}

impl Manager {
    fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self {
            by_path: HashMap::with_hasher(hasher.clone()),
            by_conn: HashMap::with_hasher(hasher),
            count: 0,
            recursive: 0,
            seed,
        }
    }

    fn add(&mut self, conn: ConnId, path: &str, mode: u8) {
        let path: Arc<str> = match self.by_path.get_key_value(path) {
            Some((path, _)) => path.clone(),
            None => path.into(),
        };
        let watchers = self.by_path.entry(path.clone()).or_default();
        let before = match watchers.binary_search_by_key(&conn, |(conn, _)| *conn) {
            Ok(at) => {
                let before = watchers[at].1;
                watchers[at].1 |= mode;
                before
            }
            Err(at) => {
                watchers.insert(at, (conn, mode));
                let hasher = FixedState::with_seed(self.seed);
                self.by_conn.entry(conn).or_insert_with(|| HashSet::with_hasher(hasher)).insert(path);
                self.count += 1;
                0
            }
        };
        self.recursive += usize::from(mode & !before & RECURSIVE != 0);
    }

    fn modes(&self, conn: ConnId, path: &str) -> u8 {
        self.by_path
            .get(path)
            .and_then(|watchers| {
                let at = watchers.binary_search_by_key(&conn, |(conn, _)| *conn).ok()?;
                Some(watchers[at].1)
            })
            .unwrap_or(0)
    }

    fn remove(&mut self, conn: ConnId, path: &str, modes: u8) -> bool {
        let Some(watchers) = self.by_path.get_mut(path) else { return false };
        let Ok(at) = watchers.binary_search_by_key(&conn, |(conn, _)| *conn) else { return false };
        let removed = watchers[at].1 & modes;
        watchers[at].1 &= !modes;
        self.recursive -= usize::from(removed & RECURSIVE != 0);
        if watchers[at].1 == 0 {
            watchers.remove(at);
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
            self.forget(conn, path);
        }
        removed != 0
    }

    fn forget(&mut self, conn: ConnId, path: &str) {
        self.count -= 1;
        if let Some(paths) = self.by_conn.get_mut(&conn) {
            paths.remove(path);
            if paths.is_empty() {
                self.by_conn.remove(&conn);
            }
        }
    }

    fn remove_conn(&mut self, conn: ConnId) {
        for path in self.by_conn.remove(&conn).into_iter().flatten() {
            let Some(watchers) = self.by_path.get_mut(&path) else { continue };
            if let Ok(at) = watchers.binary_search_by_key(&conn, |(conn, _)| *conn) {
                let (_, modes) = watchers.remove(at);
                self.recursive -= usize::from(modes & RECURSIVE != 0);
                self.count -= 1;
            }
            if watchers.is_empty() {
                self.by_path.remove(&path);
            }
        }
    }

    /// The connections to be told of a change of `path`, each once, by connection; one-shot watches are spent.
    fn trigger(&mut self, path: &str) -> Vec<ConnId> {
        let mut told = self.spend(path);
        if self.recursive > 0 {
            let mut at = path;
            while let Some(parent) = crate::path::parent(at) {
                if let Some(watchers) = self.by_path.get(parent) {
                    told.extend(watchers.iter().filter(|(_, m)| m & RECURSIVE != 0).map(|(c, _)| *c));
                }
                at = parent;
            }
            told.sort_unstable();
            told.dedup();
        }
        told
    }

    fn spend(&mut self, path: &str) -> Vec<ConnId> {
        let Some(watchers) = self.by_path.get_mut(path) else { return Vec::new() };
        let told: Vec<ConnId> = watchers.iter().map(|(conn, _)| *conn).collect();
        let mut spent = Vec::new();
        watchers.retain_mut(|(conn, modes)| {
            *modes &= !STANDARD;
            if *modes == 0 {
                spent.push(*conn);
            }
            *modes != 0
        });
        if watchers.is_empty() {
            self.by_path.remove(path);
        }
        for conn in spent {
            self.forget(conn, path);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::String;

    fn deleted(watches: &mut Watches, path: &str) -> Vec<(ConnId, EventType, String)> {
        let mut told = Vec::new();
        let parent = crate::path::parent(path).unwrap_or("/");
        watches.on_deleted(path, parent, &mut |conn, kind, path| told.push((conn, kind, path.to_owned())));
        told
    }

    #[test]
    fn a_deletion_is_told_once_to_each() {
        let mut watches = Watches::new(0);
        watches.add_data(1, "/a");
        watches.add_child(1, "/a");
        watches.add_child(2, "/a");
        watches.add_child(1, "/");
        let told = deleted(&mut watches, "/a");
        assert_eq!(
            told,
            [
                (1, EventType::NodeDeleted, "/a".into()),
                (2, EventType::NodeDeleted, "/a".into()),
                (1, EventType::NodeChildrenChanged, "/".into()),
            ]
        );
        assert_eq!(watches.count(), 0);
        watches.check_invariants(|_| false);
    }

    #[test]
    fn recursive_and_persistent_watches_stay() {
        let mut watches = Watches::new(0);
        watches.add(1, "/", AddWatchMode::PersistentRecursive);
        watches.add(2, "/a", AddWatchMode::Persistent);
        watches.add_data(2, "/a");
        for _ in 0..2 {
            let told = deleted(&mut watches, "/a");
            assert_eq!(told.iter().map(|(c, ..)| *c).collect::<Vec<_>>(), [1, 2]);
        }
        assert!(!watches.contains(2, "/a", WatcherType::Data));
        assert!(watches.contains(2, "/a", WatcherType::Persistent));
        assert!(watches.remove(2, "/a", WatcherType::Persistent));
        assert!(!watches.remove(2, "/a", WatcherType::Any));
        watches.remove_conn(1);
        assert_eq!(watches.count(), 0);
        assert!(deleted(&mut watches, "/a").is_empty());
    }
}

//! Who watches what: the client's copy of the watches a server holds for it.
//!
//! The server forgets them when a connection ends; this table is what they are set anew from. The rules which
//! lists an event empties are those of `ZKWatchManager`. Paths are the server's.

use super::EventKind;
use crate::proto::{EventType, WatcherType};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The name of one watcher: one registration of one caller. Never used twice.
pub type WatcherId = u64;

/// The lists a watcher can be in. The first three are emptied by what they wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchList {
    Data,
    /// Left by `exists` on a missing znode.
    Exist,
    Child,
    Persistent,
    Recursive,
}

impl WatchList {
    pub const ALL: [WatchList; 5] = [Self::Data, Self::Exist, Self::Child, Self::Persistent, Self::Recursive];

    pub fn is_persistent(self) -> bool {
        matches!(self, Self::Persistent | Self::Recursive)
    }

    /// The type under which a server removes it.
    pub fn watcher_type(self) -> WatcherType {
        match self {
            Self::Data | Self::Exist => WatcherType::Data,
            Self::Child => WatcherType::Children,
            Self::Persistent => WatcherType::Persistent,
            Self::Recursive => WatcherType::PersistentRecursive,
        }
    }

    fn is_of(self, kind: WatcherType) -> bool {
        kind == WatcherType::Any || kind == self.watcher_type()
    }

    fn removed_event(self) -> EventKind {
        match self {
            Self::Data | Self::Exist => EventKind::DataWatchRemoved,
            Self::Child => EventKind::ChildWatchRemoved,
            Self::Persistent | Self::Recursive => EventKind::PersistentWatchRemoved,
        }
    }
}

/// Where a watcher stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Its request has not been answered.
    Pending,
    /// Listed under this path.
    Listed(WatchList, Arc<str>),
}

/// Every watcher, by its name and by what it waits for.
#[derive(Debug, Default)]
pub(super) struct WatchTable {
    lists: [BTreeMap<Arc<str>, Vec<WatcherId>>; 5],
    places: BTreeMap<WatcherId, Place>,
    last_id: WatcherId,
}

impl WatchTable {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// A new watcher, not listed yet.
    pub fn reserve(&mut self) -> WatcherId {
        self.last_id += 1;
        self.places.insert(self.last_id, Place::Pending);
        self.last_id
    }

    /// Lists a reserved watcher. `false` if it was forgotten meanwhile.
    pub fn list(&mut self, id: WatcherId, list: WatchList, path: &Arc<str>) -> bool {
        match self.places.get_mut(&id) {
            None => return false,
            Some(Place::Listed(..)) => return true,
            Some(place) => *place = Place::Listed(list, path.clone()),
        }
        self.lists[list as usize].entry(path.clone()).or_default().push(id);
        true
    }

    /// Where a watcher is listed.
    pub fn place(&self, id: WatcherId) -> Option<(WatchList, Arc<str>)> {
        match self.places.get(&id)? {
            Place::Pending => None,
            Place::Listed(list, path) => Some((*list, path.clone())),
        }
    }

    /// Whether anybody but `except` is in the list under this path.
    pub fn is_shared(&self, list: WatchList, path: &str, except: WatcherId) -> bool {
        self.lists[list as usize].get(path).is_some_and(|ids| ids.iter().any(|id| *id != except))
    }

    /// Takes a watcher out of everything; where it was listed, if it was.
    pub fn forget(&mut self, id: WatcherId) -> Option<(WatchList, Arc<str>)> {
        let Place::Listed(list, path) = self.places.remove(&id)? else { return None };
        let ids = self.lists[list as usize].get_mut(&path)?;
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            self.lists[list as usize].remove(&path);
        }
        Some((list, path))
    }

    /// Whom an event concerns, each with whether it is done waiting; those that are, are taken out.
    ///
    /// Child events of other watches must not reach recursive watchers (ZOOKEEPER-4475).
    pub fn trigger(&mut self, kind: EventType, path: &str) -> Vec<(WatcherId, bool)> {
        let emptied: &[WatchList] = match kind {
            EventType::NodeCreated | EventType::NodeDataChanged => &[WatchList::Data, WatchList::Exist],
            EventType::NodeChildrenChanged => &[WatchList::Child],
            EventType::NodeDeleted => &[WatchList::Data, WatchList::Exist, WatchList::Child],
        };
        let mut told = Vec::new();
        for list in emptied {
            for id in self.lists[*list as usize].remove(path).unwrap_or_default() {
                self.places.remove(&id);
                told.push((id, true));
            }
        }
        let mut tell =
            |ids: Option<&Vec<WatcherId>>| told.extend(ids.into_iter().flatten().map(|id| (*id, false)));
        tell(self.lists[WatchList::Persistent as usize].get(path));
        let recursive = &self.lists[WatchList::Recursive as usize];
        if kind != EventType::NodeChildrenChanged && !recursive.is_empty() {
            let mut ancestor = Some(path);
            while let Some(at) = ancestor {
                tell(recursive.get(at));
                ancestor = crate::path::parent(at);
            }
        }
        told
    }

    /// Takes out the watchers of a type at a path (or one of them) and names the event each is to be told.
    pub fn remove(
        &mut self,
        path: &str,
        kind: WatcherType,
        only: Option<WatcherId>,
    ) -> Vec<(WatcherId, EventKind)> {
        let mut removed = Vec::new();
        for list in WatchList::ALL.into_iter().filter(|list| list.is_of(kind)) {
            let ids = self.lists[list as usize].get(path).cloned().unwrap_or_default();
            for id in ids.into_iter().filter(|id| only.is_none_or(|only| only == *id)) {
                self.forget(id);
                removed.push((id, list.removed_event()));
            }
        }
        removed
    }

    /// Takes out all standard, or all persistent, watchers.
    pub fn remove_all(&mut self, persistent: bool) -> Vec<(WatcherId, EventKind, Arc<str>)> {
        let mut removed = Vec::new();
        for list in WatchList::ALL.into_iter().filter(|list| list.is_persistent() == persistent) {
            for (path, ids) in core::mem::take(&mut self.lists[list as usize]) {
                for id in ids {
                    self.places.remove(&id);
                    removed.push((id, list.removed_event(), path.clone()));
                }
            }
        }
        removed
    }

    /// The paths of a list, each once, in order.
    pub fn paths(&self, list: WatchList) -> impl Iterator<Item = &Arc<str>> {
        self.lists[list as usize].keys()
    }

    /// Those who are told of every change of the session's state.
    pub fn persistent(&self) -> Vec<WatcherId> {
        let listed = |list: WatchList| self.lists[list as usize].values().flatten().copied();
        let mut ids: Vec<WatcherId> =
            listed(WatchList::Persistent).chain(listed(WatchList::Recursive)).collect();
        ids.sort_unstable();
        ids
    }

    /// Empties the table; everybody who was in it.
    pub fn drain(&mut self) -> Vec<WatcherId> {
        self.lists = Default::default();
        core::mem::take(&mut self.places).into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(WatchList, &str)]) -> WatchTable {
        let mut table = WatchTable::default();
        for (list, path) in entries {
            let id = table.reserve();
            assert!(table.list(id, *list, &Arc::from(*path)));
        }
        table
    }

    #[test]
    fn events_reach_and_empty_the_lists_that_apache_names() {
        use EventType::*;
        let entries = [
            (WatchList::Data, "/a"),
            (WatchList::Exist, "/a"),
            (WatchList::Child, "/a"),
            (WatchList::Persistent, "/a"),
            (WatchList::Recursive, "/"),
            (WatchList::Recursive, "/a"),
            (WatchList::Recursive, "/a/b"),
        ];
        let cases: [(EventType, &[(WatcherId, bool)]); 4] = [
            (NodeCreated, &[(1, true), (2, true), (4, false), (6, false), (5, false)]),
            (NodeDataChanged, &[(1, true), (2, true), (4, false), (6, false), (5, false)]),
            (NodeDeleted, &[(1, true), (2, true), (3, true), (4, false), (6, false), (5, false)]),
            (NodeChildrenChanged, &[(3, true), (4, false)]),
        ];
        for (kind, told) in cases {
            let mut table = table(&entries);
            assert_eq!(table.trigger(kind, "/a"), told, "{kind:?}");
            let again: Vec<_> = told.iter().filter(|(_, gone)| !gone).copied().collect();
            assert_eq!(table.trigger(kind, "/a"), again, "{kind:?} again");
            assert_eq!(table.len(), entries.len() - (told.len() - again.len()));
        }
    }

    #[test]
    fn removal_by_type_leaves_the_others() {
        let entries = [
            (WatchList::Data, "/a"),
            (WatchList::Exist, "/a"),
            (WatchList::Child, "/a"),
            (WatchList::Persistent, "/a"),
            (WatchList::Recursive, "/a"),
        ];
        let removed = |kind: WatcherType| {
            table(&entries).remove("/a", kind, None).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(removed(WatcherType::Data), [1, 2]);
        assert_eq!(removed(WatcherType::Children), [3]);
        assert_eq!(removed(WatcherType::Persistent), [4]);
        assert_eq!(removed(WatcherType::PersistentRecursive), [5]);
        assert_eq!(removed(WatcherType::Any), [1, 2, 3, 4, 5]);
        assert_eq!(
            table(&entries).remove("/a", WatcherType::Any, Some(3)),
            [(3, EventKind::ChildWatchRemoved)]
        );
    }

    #[test]
    fn a_forgotten_watcher_is_not_listed_by_its_late_answer() {
        let mut table = WatchTable::default();
        let id = table.reserve();
        assert_eq!(table.forget(id), None);
        assert!(!table.list(id, WatchList::Data, &Arc::from("/a")));
        assert_eq!(table.trigger(EventType::NodeDeleted, "/a"), []);
        assert_eq!(table.len(), 0);
    }
}

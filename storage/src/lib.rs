//! Apache ZooKeeper transaction logs and snapshots.

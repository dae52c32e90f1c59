//! A snapshot file as a tree.

use std::path::Path;

use zkrs_core::tree::{ImageLoader, NodeId, Tree, TreeConfig};
use zkrs_storage::names::{SnapshotName, parse_snapshot};
use zkrs_storage::snapshot::{Chunk, SnapshotPart};
use zkrs_storage::{Compression, RealFs, SnapshotReader};

use crate::tools::ToolError;

/// What a snapshot holds.
pub struct Loaded {
    pub tree: Tree,
    /// Ids and timeouts in milliseconds, sorted.
    pub sessions: Vec<(i64, i32)>,
    /// The zxid in the file's name; -1 for a name without one.
    pub file_zxid: i64,
    /// The tree's digest and the zxid it belongs to.
    pub digest: Option<(i64, i64)>,
    /// The last zxid applied when the snapshot was finished.
    pub last_zxid: Option<i64>,
}

/// Reads and verifies a snapshot.
///
/// # Errors
/// What Apache's tools say of a path that is no readable file; damage.
pub fn load(path: &Path) -> Result<Loaded, ToolError> {
    check_is_file(path)?;
    let name = name_of(path);
    let file_zxid = name.zxid;
    let mut reader = SnapshotReader::open(&RealFs, &name)?;
    // The tool sums nothing up by the digest, and must show TTLs even where the server would not know them.
    let config = TreeConfig { seed: 0, digest_enabled: false, extended_types: true };
    let mut loader = ImageLoader::new(config, file_zxid);
    let (mut digest, mut last_zxid) = (None, None);
    let damaged = |error: &dyn std::fmt::Display| ToolError::new(format!("{}: {error}", path.display()));
    while let Some(chunk) = reader.next_chunk()? {
        match chunk {
            Chunk::Body(bytes) => {
                let progress = loader.feed(bytes).map_err(|error| damaged(&error))?;
                if progress.consumed < bytes.len() {
                    return Err(damaged(&"bytes follow the end of the tree"));
                }
            }
            Chunk::Part(SnapshotPart::Digest { zxid, digest: sum, .. }) => digest = Some((zxid, sum)),
            Chunk::Part(SnapshotPart::LastZxid(zxid)) => last_zxid = Some(zxid),
        }
    }
    let (tree, mut sessions) = loader.finish().map_err(|error| damaged(&error))?;
    sessions.sort_unstable();
    Ok(Loaded { tree, sessions, file_zxid, digest, last_zxid })
}

/// One znode of a walk.
pub struct Place {
    pub id: NodeId,
    pub path: String,
    /// 0 for where the walk began.
    pub depth: usize,
    /// Its parent's place in the list, except for the first.
    pub parent: usize,
}

impl Place {
    /// The last segment; "/" for the root.
    pub fn name(&self) -> &str {
        if self.path == "/" { "/" } else { zkrs_core::path::name(&self.path) }
    }
}

/// All znodes from `start` down, parents before children, siblings sorted. Needs no stack of its own for deep trees.
pub fn walk(tree: &Tree, start: &str) -> Option<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    let mut waiting = vec![Place { id: tree.find(start)?, path: start.to_owned(), depth: 0, parent: 0 }];
    while let Some(place) = waiting.pop() {
        let (parent, depth) = (places.len(), place.depth + 1);
        let mut names: Vec<&str> = tree.children(place.id).collect();
        names.sort_unstable_by(|one, other| other.cmp(one));
        let base = if place.path == "/" { "" } else { &place.path };
        for name in names {
            let path = format!("{base}/{name}");
            // Children of a znode in the tree are in the tree.
            let id = tree.find(&path)?;
            waiting.push(Place { id, path, depth, parent });
        }
        places.push(place);
    }
    Some(places)
}

fn check_is_file(path: &Path) -> Result<(), ToolError> {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let shown = shown.display();
    match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => {
            Err(ToolError::usage(format!("'{shown}' is a directory. it must be a file.")))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(ToolError::usage(format!("File '{shown}' does not exist.")))
        }
        Err(_) => Err(ToolError::usage(format!("Read permission is denied on the file '{shown}'"))),
    }
}

/// The file's name taken apart; any other name is read as an uncompressed snapshot unless its ending says otherwise.
fn name_of(path: &Path) -> SnapshotName {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (zxid, compression) = parse_snapshot(&name).unwrap_or_else(|| {
        let compression = match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Compression::Gz,
            Some("snappy") => Compression::Snappy,
            _ => Compression::None,
        };
        (-1, compression)
    });
    SnapshotName { zxid, compression, path: path.to_owned() }
}

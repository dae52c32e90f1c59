//! `SnapshotRecursiveSummary`: for every znode with children, how many there are below it and how much data.

use std::io::Write;

use super::load::{Loaded, walk};
use crate::tools::ToolError;

/// Prints the summary from `start` down to `depth_max` levels below it (0: all), as indented text or JSON lines.
pub fn print(
    out: &mut dyn Write,
    loaded: &Loaded,
    start: &str,
    depth_max: usize,
    json: bool,
) -> Result<(), ToolError> {
    let places = walk(&loaded.tree, start);
    let places = places.ok_or_else(|| ToolError::new(format!("{start} is not in the snapshot")))?;
    let own = |index: usize| loaded.tree.meta_and_data(places[index].id).1.map_or(0, <[u8]>::len) as u64;
    let mut bytes: Vec<u64> = (0..places.len()).map(own).collect();
    let mut below = vec![0_u64; places.len()];
    for index in (1..places.len()).rev() {
        let parent = places[index].parent;
        bytes[parent] += bytes[index];
        below[parent] += below[index] + 1;
    }
    for (index, place) in places.iter().enumerate() {
        if below[index] == 0 || (depth_max > 0 && place.depth > depth_max) {
            continue;
        }
        let (path, below, bytes) = (&place.path, below[index], bytes[index]);
        if json {
            writeln!(out, "{}", serde_json::json!({ "path": path, "children": below, "data": bytes }))?;
        } else {
            let tab = "--".repeat(place.depth);
            writeln!(out, "{tab} {path}\n{tab}   children: {below}\n{tab}   data: {bytes}")?;
        }
    }
    if !json {
        writeln!(out)?;
    }
    Ok(())
}

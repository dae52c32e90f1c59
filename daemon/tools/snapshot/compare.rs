//! `SnapshotComparer`: where two snapshots differ in data and descendants, level by level.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::load::{load, walk};
use crate::tools::ToolError;

/// What is compared, and what is worth a line.
#[derive(Debug, Clone)]
pub struct Options {
    pub left: PathBuf,
    pub right: PathBuf,
    /// A difference of more bytes is printed.
    pub bytes: i64,
    /// A difference of more descendants is printed.
    pub nodes: i64,
    pub debug: bool,
    pub interactive: bool,
}

/// Compares the two.
pub fn compare(out: &mut dyn Write, options: &Options) -> Result<(), ToolError> {
    let left = Summary::read(out, &options.left)?;
    let right = Summary::read(out, &options.right)?;
    left.print(out)?;
    right.print(out)?;
    let comparison = Comparison { left, right, options };
    if options.interactive {
        comparison.ask(out)?
    } else {
        comparison.all(out)?
    }
    Ok(writeln!(out, "All layers compared.")?)
}

/// A znode, with what lies below it summed up.
struct Znode {
    /// The path; empty for the root.
    label: String,
    bytes: i64,
    /// Data of the znode and of all below it.
    total_bytes: i64,
    /// Znodes below it.
    descendants: i64,
    children: Vec<usize>,
}

/// A snapshot summed up.
struct Summary {
    znodes: Vec<Znode>,
    /// Places in `znodes` by depth, sorted by label.
    depths: Vec<Vec<usize>>,
    by_label: HashMap<String, usize>,
}

impl Summary {
    fn read(out: &mut dyn Write, path: &Path) -> Result<Self, ToolError> {
        let start = Instant::now();
        let loaded = load(path)?;
        let name = path.file_name().unwrap_or_default().display().to_string();
        let seconds = start.elapsed().as_secs_f64();
        writeln!(out, "Deserialized snapshot in {name} in {seconds:.6} seconds")?;
        let start = Instant::now();
        let places = walk(&loaded.tree, "/").ok_or_else(|| ToolError::new("the snapshot has no root"))?;
        let (mut znodes, mut depths): (Vec<Znode>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        for (index, place) in places.into_iter().enumerate() {
            let (_, data) = loaded.tree.meta_and_data(place.id);
            let bytes = data.map_or(0, <[u8]>::len) as i64;
            let label = if place.path == "/" { String::new() } else { place.path };
            znodes.push(Znode { label, bytes, total_bytes: 0, descendants: 0, children: Vec::new() });
            if index > 0 {
                znodes[place.parent].children.push(index);
            }
            if depths.len() == place.depth {
                depths.push(Vec::new());
            }
            depths[place.depth].push(index);
        }
        sum_up(&mut znodes);
        for depth in &mut depths {
            depth.sort_unstable_by(|one, other| znodes[*one].label.cmp(&znodes[*other].label));
        }
        let by_label = znodes.iter().enumerate().map(|(index, znode)| (znode.label.clone(), index)).collect();
        let seconds = start.elapsed().as_secs_f64();
        writeln!(out, "Processed data tree in {seconds:.6} seconds")?;
        Ok(Self { znodes, depths, by_label })
    }

    fn print(&self, out: &mut dyn Write) -> Result<(), ToolError> {
        writeln!(out, "Node count: {}", self.znodes.len())?;
        writeln!(out, "Total size: {}", self.znodes.first().map_or(0, |root| root.total_bytes))?;
        writeln!(out, "Max depth: {}", self.depths.len())?;
        for (depth, places) in self.depths.iter().enumerate() {
            writeln!(out, "Count of nodes at depth {depth}: {}", places.len())?;
        }
        Ok(writeln!(out)?)
    }

    fn at_depth(&self, depth: usize) -> Vec<&Znode> {
        self.depths.get(depth).into_iter().flatten().map(|index| &self.znodes[*index]).collect()
    }

    fn below(&self, label: &str) -> Option<Vec<&Znode>> {
        let index = *self.by_label.get(label)?;
        Some(self.znodes[index].children.iter().map(|child| &self.znodes[*child]).collect())
    }
}

/// Children come after their parents, so from the end everything below a znode is summed up before it is.
fn sum_up(znodes: &mut [Znode]) {
    for index in (0..znodes.len()).rev() {
        let children = &znodes[index].children;
        let bytes: i64 = children.iter().map(|child| znodes[*child].total_bytes).sum();
        let below: i64 = children.iter().map(|child| znodes[*child].descendants + 1).sum();
        znodes[index].total_bytes = bytes + znodes[index].bytes;
        znodes[index].descendants = below;
    }
}

struct Comparison<'a> {
    left: Summary,
    right: Summary,
    options: &'a Options,
}

impl Comparison<'_> {
    fn depth(&self) -> usize {
        self.left.depths.len().max(self.right.depths.len())
    }

    fn all(&self, out: &mut dyn Write) -> Result<(), ToolError> {
        self.print_thresholds(out)?;
        (0..self.depth()).try_for_each(|depth| self.level(out, depth))
    }

    /// One level at a time, as somebody asks for it; the end of the input ends it.
    fn ask(&self, out: &mut dyn Write) -> Result<(), ToolError> {
        let mut depth = 0;
        let last = self.depth().saturating_sub(1);
        let mut lines = io::stdin().lock().lines();
        while depth <= last {
            writeln!(out, "Current depth is {depth}")?;
            writeln!(out, "- Press enter to move to print current depth layer;")?;
            writeln!(out, "- Type a number to jump to and print all nodes at a given depth;")?;
            writeln!(
                out,
                "- Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'."
            )?;
            out.flush()?;
            let Some(line) = lines.next().transpose()? else { return Ok(()) };
            self.print_thresholds(out)?;
            if line.is_empty() {
                self.level(out, depth)?;
                depth += 1;
            } else if line.starts_with('/') {
                writeln!(out, "Analysis for node {line}")?;
                self.subtree(out, &line)?;
            } else {
                match line.parse::<i64>().map(usize::try_from) {
                    Ok(Ok(wanted)) if wanted <= last => {
                        depth = wanted;
                        self.level(out, depth)?;
                    }
                    Ok(_) => {
                        writeln!(out, "Depth must be in range [0, {last}]")?;
                        continue;
                    }
                    Err(_) => writeln!(
                        out,
                        "Input {line} is not valid. Depth must be in range [0, {last}]. Path must be an absolute \
                         path which starts with '/'."
                    )?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn print_thresholds(&self, out: &mut dyn Write) -> Result<(), ToolError> {
        let Options { bytes, nodes, .. } = self.options;
        Ok(writeln!(
            out,
            "Printing analysis for nodes difference larger than {bytes} bytes or node count difference larger than \
             {nodes}."
        )?)
    }

    fn level(&self, out: &mut dyn Write, depth: usize) -> Result<(), ToolError> {
        writeln!(out, "Analysis for depth {depth}")?;
        self.nodes(out, &self.left.at_depth(depth), &self.right.at_depth(depth))
    }

    fn subtree(&self, out: &mut dyn Write, path: &str) -> Result<(), ToolError> {
        let (left, right) = (self.left.below(path), self.right.below(path));
        if left.is_none() && right.is_none() {
            return Ok(writeln!(out, "Path {path} is neither found in left tree nor right tree.")?);
        }
        self.nodes(out, &left.unwrap_or_default(), &right.unwrap_or_default())
    }

    /// Walks two sorted lists side by side.
    fn nodes(&self, out: &mut dyn Write, left: &[&Znode], right: &[&Znode]) -> Result<(), ToolError> {
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(one), Some(other)) => {
                    let order = one.label.cmp(&other.label);
                    if self.options.debug {
                        let found = ["left is less", "same", "right is less"][(order as i8 + 1) as usize];
                        writeln!(out, "Comparing {} to {}\n{found}", one.label, other.label)?;
                    }
                    order
                }
            };
            match order {
                std::cmp::Ordering::Less => self.alone(out, "left", left.next())?,
                std::cmp::Ordering::Greater => self.alone(out, "right", right.next())?,
                std::cmp::Ordering::Equal => self.both(out, left.next(), right.next())?,
            }
        }
    }

    fn alone(&self, out: &mut dyn Write, side: &str, znode: Option<&&Znode>) -> Result<(), ToolError> {
        let Some(Znode { label, total_bytes, descendants, .. }) = znode else { return Ok(()) };
        if *total_bytes > self.options.bytes || *descendants > self.options.nodes {
            writeln!(
                out,
                "Node {label} found only in {side} tree. Descendant size: {total_bytes}. Descendant count: \
                 {descendants}"
            )?;
        } else if self.shows_all() {
            writeln!(out, "Filtered {side} node {label} of size {total_bytes}")?;
        }
        Ok(())
    }

    fn both(
        &self,
        out: &mut dyn Write,
        left: Option<&&Znode>,
        right: Option<&&Znode>,
    ) -> Result<(), ToolError> {
        let (Some(left), Some(right)) = (left, right) else { return Ok(()) };
        let (bytes, nodes) = (right.total_bytes - left.total_bytes, right.descendants - left.descendants);
        let label = &left.label;
        if bytes.abs() > self.options.bytes || nodes.abs() > self.options.nodes {
            writeln!(out, "Node {label} found in both trees. Delta: {bytes} bytes, {nodes} descendants")?;
        } else if self.shows_all() {
            let (left, right) = (left.total_bytes, right.total_bytes);
            writeln!(out, "Filtered node {label} of left size {left}, right size {right}")?;
        }
        Ok(())
    }

    fn shows_all(&self) -> bool {
        self.options.debug || self.options.interactive
    }
}

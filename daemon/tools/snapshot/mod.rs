//! `zkrs snapshot`, `zkSnapShotToolkit.sh`, `zkSnapshotComparer.sh` and `zkSnapshotRecursiveSummaryToolkit.sh`.

mod compare;
mod dump;
mod load;
#[cfg(test)]
mod tests;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{ToolError, run};
use load::load;

#[derive(Debug, Parser)]
#[command(name = "zkrs snapshot", about = "Look into snapshots")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every znode and session, as Apache's SnapshotFormatter does
    Dump {
        /// The snapshot file, plain, .gz or .snappy
        file: PathBuf,
        /// The data, in base64, instead of its length
        #[arg(short, long)]
        data: bool,
        /// One JSON object a line, with ACLs and data
        #[arg(long, conflicts_with = "data")]
        json: bool,
        /// With --json: all data in base64, not only what is no text
        #[arg(long, requires = "json")]
        base64: bool,
        /// JSON for the viewer ncdu, as SnapshotFormatter -json prints it
        #[arg(long, conflicts_with_all = ["json", "data"])]
        ncdu: bool,
    },
    /// Read all of it as a starting server would, and say whether it is whole
    Verify {
        /// The snapshot file
        file: PathBuf,
    },
    /// Compare two snapshots, as Apache's SnapshotComparer does
    Compare {
        /// The left snapshot file
        left: PathBuf,
        /// The right snapshot file
        right: PathBuf,
        /// Print where data differs by more than so many bytes
        #[arg(short, long, default_value_t = 0)]
        bytes: i64,
        /// Print where the number of descendants differs by more than this
        #[arg(short, long, default_value_t = 0)]
        nodes: i64,
        /// Print every step
        #[arg(short, long)]
        debug: bool,
        /// Ask which level or path to compare
        #[arg(short, long)]
        interactive: bool,
    },
    /// Sum up data and descendants of every znode with children, as Apache's SnapshotRecursiveSummary does
    Tree {
        /// The snapshot file
        file: PathBuf,
        /// Where to begin
        #[arg(default_value = "/")]
        start: String,
        /// Levels to print below it; 0 for all
        #[arg(long, default_value_t = 0)]
        depth: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Runs `zkrs snapshot`.
pub fn main(arguments: &[String]) -> ExitCode {
    let args: Args = match super::parse("zkrs snapshot", arguments) {
        Ok(args) => args,
        Err(code) => return code,
    };
    run(|out| match args.command {
        Command::Dump { file, ncdu: true, .. } => dump::ncdu(out, &load(&file)?),
        Command::Dump { file, json: true, base64, .. } => dump::json(out, &load(&file)?, base64),
        Command::Dump { file, data, .. } => dump::text(out, &load(&file)?, data),
        Command::Verify { file } => {
            let loaded = load(&file)?;
            let (znodes, sessions) = (loaded.tree.znode_count() - 1, loaded.sessions.len());
            Ok(writeln!(out, "{}: {znodes} znodes, {sessions} sessions, whole", file.display())?)
        }
        Command::Compare { left, right, bytes, nodes, debug, interactive } => {
            compare::compare(out, &compare::Options { left, right, bytes, nodes, debug, interactive })
        }
        Command::Tree { file, start, depth, json } => tree::print(out, &load(&file)?, &start, depth, json),
    })
}

/// Runs `zkSnapShotToolkit.sh [-d|-json] FILE`.
pub fn formatter(arguments: &[String]) -> ExitCode {
    let flags = arguments.iter().take_while(|word| matches!(word.as_str(), "-d" | "-json")).count();
    let (flags, rest) = arguments.split_at(flags);
    let has = |flag: &str| flags.iter().any(|word| word == flag);
    run(|out| match rest {
        [_] if has("-d") && has("-json") => {
            Err(ToolError::usage("Cannot specify both data dump (-d) and json mode (-json) in same call"))
        }
        [file] if has("-json") => dump::ncdu(out, &load(file.as_ref())?),
        [file] => dump::text(out, &load(file.as_ref())?, has("-d")),
        _ => Err(ToolError::usage(
            "USAGE: SnapshotFormatter [-d|-json] snapshot_file\n       \
             -d dump the data for each znode\n       \
             -json dump znode info in json format",
        )),
    })
}

#[derive(Debug, Parser)]
#[command(name = "zkSnapshotComparer.sh", about = "Compare two snapshots")]
struct ComparerArgs {
    /// The left snapshot file
    #[arg(short, long)]
    left: PathBuf,
    /// The right snapshot file
    #[arg(short, long)]
    right: PathBuf,
    /// The node data delta size threshold, in bytes, for printing the node
    #[arg(short, long)]
    bytes: i64,
    /// The descendant node delta size threshold, in nodes, for printing the node
    #[arg(short, long)]
    nodes: i64,
    /// Use debug output
    #[arg(short, long)]
    debug: bool,
    /// Enter interactive mode
    #[arg(short, long)]
    interactive: bool,
}

/// Runs `zkSnapshotComparer.sh -l LEFT -r RIGHT -b BYTES -n NODES [-d] [-i]`.
pub fn comparer(arguments: &[String]) -> ExitCode {
    let args: ComparerArgs = match super::parse("zkSnapshotComparer.sh", arguments) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let ComparerArgs { left, right, bytes, nodes, debug, interactive } = args;
    run(|out| {
        writeln!(out, "Successfully parsed options!")?;
        compare::compare(out, &compare::Options { left, right, bytes, nodes, debug, interactive })
    })
}

/// Runs `zkSnapshotRecursiveSummaryToolkit.sh FILE START DEPTH`.
pub fn summary(arguments: &[String]) -> ExitCode {
    run(|out| {
        let usage = "USAGE: SnapshotRecursiveSummary <snapshot_file> <starting_node> <max_depth>\n\
                     max_depth: levels below the starting node to print; 0 for all";
        let [file, start, depth] = arguments else { return Err(ToolError::usage(usage)) };
        let depth = depth.parse().map_err(|_| ToolError::usage(usage))?;
        tree::print(out, &load(file.as_ref())?, start, depth, false)
    })
}

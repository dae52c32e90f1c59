//! The version that admin words print.

/// As Apache ZooKeeper has it, `<version>-<build>`: clients and monitors read the first part to know what they can ask
/// for, so it names the release whose behaviour this server has. The build part names this server.
pub const FULL_VERSION: &str = concat!("3.9.5-zkrs", env!("CARGO_PKG_VERSION"));

/// When it was compiled, as far as whoever compiled it said so.
const BUILT_ON: &str = match option_env!("ZKRS_BUILT_ON") {
    Some(date) => date,
    None => "an undated day",
};

/// What stands behind `Zookeeper version: ` and `zk_version`. Packagers set the date with `ZKRS_BUILT_ON` when they
/// compile.
pub(crate) fn version_line() -> String {
    format!("{FULL_VERSION}, built on {BUILT_ON}")
}

//! The version that admin words print.

/// As Apache ZooKeeper prints it, `<version>-<build>, built on <date>`: clients and monitors read the first part to
/// know what they can ask for, so it names the release whose behaviour this server has. The build part names this
/// server; packagers set the date with `ZKRS_BUILT_ON` when they compile.
pub const FULL_VERSION: &str = concat!("3.9.5-zkrs", env!("CARGO_PKG_VERSION"), ", built on ");

/// When it was compiled, as far as whoever compiled it said so.
pub(crate) const BUILT_ON: &str = match option_env!("ZKRS_BUILT_ON") {
    Some(date) => date,
    None => "an undated day",
};

/// The whole line's value.
pub(crate) fn full_version() -> String {
    format!("{FULL_VERSION}{BUILT_ON}")
}

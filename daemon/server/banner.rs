//! What the server says of itself when it is ready: where, with what, and what it does not protect.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use zkrs_server::Server;
use zkrs_server::config::ServerConfig;

use crate::version;

/// The banner, with a last new line.
pub fn banner(server: &Server, start: Duration) -> String {
    let config = server.config();
    let recovered = server.recovered();
    let mut text =
        format!("zkrs {} ({})\n", version::OWN, zkrs_server::FULL_VERSION.trim_end_matches(", built on "));
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:9} {value}");
    };
    line("clients", format!("{} (not encrypted)", server.client_addr()));
    line("data", directories(config));
    line("config", config.config_file.as_deref().map_or("the local default".to_owned(), shown));
    let found = match &recovered.snapshot {
        _ if recovered.is_fresh() => "a new database".to_owned(),
        Some(snapshot) => format!("{} and {} logged txns", file_name(&snapshot.path), recovered.txns),
        None => format!("{} logged txns", recovered.txns),
    };
    line("last zxid", format!("0x{:x}, from {found}", recovered.last_zxid));
    line("ready", format!("after {} ms; stop with Ctrl-C or SIGTERM", start.as_millis()));
    text
}

fn directories(config: &ServerConfig) -> String {
    let data = shown(&config.data_dir);
    if config.data_dir == config.data_log_dir {
        data
    } else {
        format!("{data}, log in {}", shown(&config.data_log_dir))
    }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

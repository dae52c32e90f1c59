//! The word envi.

use std::env;
use std::fmt::Write as _;

use crate::version::version_line;

/// Keys that describe a Java machine stay, so that scripts find their lines; `<NA>` is what Java itself prints for a
/// property it does not have.
pub(super) fn envi(out: &mut String) {
    let of = |name: &str| env::var(name).unwrap_or_default();
    let memory = memory_megabytes();
    let directory = env::current_dir().unwrap_or_default();
    let lines = [
        ("zookeeper.version", version_line()),
        ("host.name", host_name()),
        ("java.version", "<NA>".to_owned()),
        ("java.vendor", "<NA>".to_owned()),
        ("java.home", "<NA>".to_owned()),
        ("java.class.path", "<NA>".to_owned()),
        ("java.library.path", "<NA>".to_owned()),
        ("java.io.tmpdir", env::temp_dir().display().to_string()),
        ("java.compiler", "<NA>".to_owned()),
        ("os.name", os_name().to_owned()),
        ("os.arch", os_arch().to_owned()),
        ("os.version", first_line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "<NA>".to_owned())),
        ("user.name", of("USER")),
        ("user.home", of("HOME")),
        ("user.dir", directory.display().to_string()),
        ("os.memory.free", format!("{}MB", memory.free)),
        ("os.memory.max", format!("{}MB", memory.total)),
        ("os.memory.total", format!("{}MB", memory.total)),
    ];
    out.push_str("Environment:\n");
    for (key, value) in lines {
        let _ = writeln!(out, "{key}={value}");
    }
}

fn host_name() -> String {
    first_line("/proc/sys/kernel/hostname")
        .or_else(|| env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "<NA>".to_owned())
}

/// Java's names.
fn os_name() -> &'static str {
    match env::consts::OS {
        "linux" => "Linux",
        "macos" => "Mac OS X",
        other => other,
    }
}

fn os_arch() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        other => other,
    }
}

struct Memory {
    free: u64,
    total: u64,
}

/// The machine's memory, where the system says it in Linux's way.
fn memory_megabytes() -> Memory {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        kib.unwrap_or(0) / 1024
    };
    Memory { free: of("MemAvailable:"), total: of("MemTotal:") }
}

fn first_line(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.lines().next()?.to_owned())
}

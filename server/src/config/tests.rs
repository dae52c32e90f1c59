//! Tests of whole configurations: what real files say, and the words of every error.

mod files;
mod real;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory that is gone when the test ends.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new(name: &str) -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("zkrs-config-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        TempDir(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a temporary file");
        path
    }

    fn show(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const SASL_PROVIDER: &str = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
const MINIMUM: &str = "dataDir=/d\nclientPort=2181\n";

fn load(text: &str) -> (ServerConfig, Vec<String>) {
    let (config, warnings) = ServerConfig::from_text("zoo.cfg", text.as_bytes(), false).expect(text);
    (config, warnings.iter().map(ToString::to_string).collect())
}

fn with_minimum(text: &str) -> ServerConfig {
    load(&format!("{MINIMUM}{text}")).0
}

fn errors(text: &str) -> Vec<String> {
    let errors = ServerConfig::from_text("zoo.cfg", text.as_bytes(), false).expect_err(text);
    errors.iter().map(ToString::to_string).collect()
}

/// The errors of lines that stand below a right `dataDir` and `clientPort`.
fn errors_of(text: &str) -> Vec<String> {
    errors(&format!("{MINIMUM}{text}"))
}

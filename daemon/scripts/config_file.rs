//! `zoo.cfg` as the scripts need it: single values, even of a file that a server would refuse.

use std::path::{Path, PathBuf};

use zkrs_server::config::properties::{Property, parse};

/// The properties of a file.
#[derive(Debug)]
pub struct ConfigFile {
    pub path: PathBuf,
    properties: Vec<Property>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
        let properties = parse(&bytes).map_err(|error| unreadable(&error))?;
        Ok(Self { path: path.to_owned(), properties })
    }

    /// The value of a key that is set to something; the last one counts, as in Java.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.properties.iter().rev().find(|property| property.key == key);
        found.map(|property| property.value.trim()).filter(|value| !value.is_empty())
    }
}

//! What is wrong with a configuration, said so that its reader can mend it: where, which key, what, and the remedy.

use std::fmt;

/// Something that keeps the server from starting.
///
/// Displayed as `file:line: key: problem; remedy`. Never holds the value of a secret key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as it was named to us, or `command line`.
    pub file: String,
    /// The line, counted from 1; `None` where the problem is what is missing, or lies between keys.
    pub line: Option<u32>,
    /// The key as it was written; empty where the problem is the file itself.
    pub key: String,
    /// What is wrong, with the limit where there is one.
    pub problem: String,
    /// What to write or do instead.
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.line, &self.key)?;
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

/// Something that does not keep the server from starting, but that its operator should know.
///
/// Displayed as `file:line: key: text`. Never holds the value of a secret key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The file as it was named to us, or `command line`.
    pub file: String,
    /// The line, counted from 1, if the warning belongs to one.
    pub line: Option<u32>,
    /// The key as it was written.
    pub key: String,
    /// What kind of warning this is.
    pub kind: WarningKind,
    /// What was found, and what was made of it.
    pub text: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.line, &self.key)?;
        f.write_str(&self.text)
    }
}

/// Why a warning is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// No ZooKeeper knows the key.
    UnknownKey,
    /// The key was set again further down; this line has no effect.
    Duplicate,
    /// The key tunes the Java server; this line has no effect.
    JavaOnly,
    /// The key asks for something that this build does not do yet; this line has no effect.
    NotActive,
    /// The value was out of bounds and was replaced, as Apache ZooKeeper replaces it.
    Adjusted,
    /// The line means what it says, but there is something to know about it.
    Note,
}

impl WarningKind {
    /// Whether `--strict-config` makes an error of it: yes where the line does not do what it says.
    pub fn is_error_when_strict(self) -> bool {
        self != WarningKind::Note
    }
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub file: String,
    pub line: Option<u32>,
}

impl Origin {
    pub(super) fn file(name: &str) -> Origin {
        Origin { file: name.to_owned(), line: None }
    }
}

/// Collects all problems of a configuration, so that one start shows them all.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<ConfigWarning>,
}

impl Problems {
    pub(super) fn error(&mut self, origin: &Origin, key: &str, problem: String, remedy: String) {
        let (file, line) = (origin.file.clone(), origin.line);
        self.errors.push(ConfigError { file, line, key: key.to_owned(), problem, remedy });
    }

    pub(super) fn warn(&mut self, origin: &Origin, key: &str, kind: WarningKind, text: String) {
        let (file, line) = (origin.file.clone(), origin.line);
        self.warnings.push(ConfigWarning { file, line, key: key.to_owned(), kind, text });
    }

    /// Ends the collection: the warnings if there is no error, else the errors.
    pub(super) fn finish(mut self, strict: bool) -> Result<Vec<ConfigWarning>, Vec<ConfigError>> {
        if strict {
            let (fatal, notes) = self.warnings.into_iter().partition(|w| w.kind.is_error_when_strict());
            self.warnings = notes;
            self.errors.extend(Vec::into_iter(fatal).map(strict_error));
        }
        if self.errors.is_empty() {
            self.warnings.sort_by_key(|w| w.line.unwrap_or(u32::MAX));
            return Ok(self.warnings);
        }
        self.errors.sort_by_key(|e| e.line.unwrap_or(u32::MAX));
        Err(self.errors)
    }
}

fn strict_error(warning: ConfigWarning) -> ConfigError {
    let ConfigWarning { file, line, key, text: problem, .. } = warning;
    let remedy = "mend or remove the line, or start without --strict-config".to_owned();
    ConfigError { file, line, key, problem, remedy }
}

fn write_place(f: &mut fmt::Formatter<'_>, file: &str, line: Option<u32>, key: &str) -> fmt::Result {
    f.write_str(file)?;
    if let Some(line) = line {
        write!(f, ":{line}")?;
    }
    f.write_str(": ")?;
    if !key.is_empty() {
        write!(f, "{}: ", shown(key))?;
    }
    Ok(())
}

/// The most characters of a key or a value that a message shows.
const SHOWN_CHARS_MAX: usize = 80;

/// A text made fit for one line of a log: control characters escaped, cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            shown.push_str("...");
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_place_key_problem_and_remedy() {
        let mut problems = Problems::default();
        let origin = Origin { file: "zoo.cfg".to_owned(), line: Some(7) };
        problems.error(&origin, "tickTime", "\"abc\" is bad".to_owned(), "write 1".to_owned());
        problems.error(&Origin::file("zoo.cfg"), "", "no such file".to_owned(), "make it".to_owned());
        let texts: Vec<String> = problems.finish(false).unwrap_err().iter().map(|e| e.to_string()).collect();
        assert_eq!(texts, ["zoo.cfg:7: tickTime: \"abc\" is bad; write 1", "zoo.cfg: no such file; make it"]);
    }

    #[test]
    fn strict_makes_errors_of_all_but_notes() {
        let origin = Origin { file: "zoo.cfg".to_owned(), line: Some(3) };
        let mut problems = Problems::default();
        problems.warn(&origin, "a", WarningKind::Note, "note".to_owned());
        assert_eq!(problems.finish(true).map(|w| w.len()), Ok(1));
        let mut problems = Problems::default();
        problems.warn(&origin, "a", WarningKind::UnknownKey, "is unknown".to_owned());
        let errors = problems.finish(true).unwrap_err();
        let expected = "zoo.cfg:3: a: is unknown; mend or remove the line, or start without --strict-config";
        assert_eq!(errors[0].to_string(), expected);
    }

    #[test]
    fn shown_keeps_to_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}ä"), "a\\nb\\u{1b}ä");
        assert_eq!(shown(&"x".repeat(500)).len(), SHOWN_CHARS_MAX + 3);
    }
}

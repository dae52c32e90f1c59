//! The settings of one configuration, merged from its sources and checked against the table of keys.
//!
//! Sources, the later wins: Java-style `-D` properties, the file, explicit overrides. Apache has the same order for
//! the first two: what `zoo.cfg` says replaces the system property.

use std::collections::BTreeMap;

use super::keys::{self, Class, Key, Kind, Read, Spelling};
use super::problem::{Origin, Problems, WarningKind};
use super::properties::{self, Property};
use super::value;

/// After this many unknown keys a file is no `zoo.cfg`, and guessing would only cost time.
const SUGGESTIONS_MAX: usize = 100;

/// One value that was set.
#[derive(Clone)]
pub(super) struct Setting {
    pub key: &'static Key,
    /// The key as it was written.
    pub written: String,
    pub value: String,
    pub origin: Origin,
}

/// All values that were set, by the name they were written with where it is a family's, else by the table's name.
#[derive(Default)]
pub(super) struct Settings {
    by_name: BTreeMap<String, Setting>,
    unknown: usize,
}

impl Settings {
    /// Adds a properties file on top of what is there.
    pub(super) fn add_file(&mut self, file: &str, bytes: &[u8], problems: &mut Problems) {
        match properties::parse(bytes) {
            Ok(entries) => self.add_entries(file, entries, problems),
            Err(error) => {
                let origin = Origin { file: file.to_owned(), line: error.line() };
                problems.error(&origin, "", error.to_string(), "mend or split the file".to_owned());
            }
        }
    }

    fn add_entries(&mut self, file: &str, entries: Vec<Property>, problems: &mut Problems) {
        let mut here: BTreeMap<String, (u32, String)> = BTreeMap::new();
        for Property { key: written, value, line } in entries {
            let (written, value) = (trim(&written), trim(&value));
            let origin = Origin { file: file.to_owned(), line: Some(line) };
            let Some(name) = self.add(written, value, origin, problems) else { continue };
            if let Some((earlier, written_earlier)) = here.insert(name, (line, written.to_owned())) {
                let earlier = Origin { file: file.to_owned(), line: Some(earlier) };
                let text = format!("has no effect: line {line} sets it again");
                problems.warn(&earlier, &written_earlier, WarningKind::Duplicate, text);
            }
        }
    }

    /// Adds one setting on top of what is there; returns the name it is kept by, if the key is known.
    pub(super) fn add(
        &mut self,
        written: &str,
        value: &str,
        origin: Origin,
        problems: &mut Problems,
    ) -> Option<String> {
        let Some((key, spelling)) = keys::find(written) else {
            self.warn_unknown(written, &origin, problems);
            return None;
        };
        let from_file = origin.line.is_some();
        if from_file && (spelling == Spelling::Other || key.read == Read::Flag) {
            let text = match key.read {
                Read::Flag => {
                    "is obeyed; Apache ZooKeeper reads it only as a -D flag, never from this file".to_owned()
                }
                _ => format!("is taken for {}; Apache ZooKeeper ignores this spelling here", key.name),
            };
            problems.warn(&origin, written, WarningKind::Note, text);
        }
        let name = match key.family() {
            Some(_) => written.strip_prefix("zookeeper.").unwrap_or(written).to_owned(),
            None => key.name.to_owned(),
        };
        let setting = Setting { key, written: written.to_owned(), value: value.to_owned(), origin };
        self.by_name.insert(name.clone(), setting);
        Some(name)
    }

    fn warn_unknown(&mut self, written: &str, origin: &Origin, problems: &mut Problems) {
        self.unknown += 1;
        let near = if self.unknown <= SUGGESTIONS_MAX { keys::suggest(written) } else { None };
        let text = match near {
            Some(near) => format!("has no effect: ZooKeeper has no such key; did you mean {near}?"),
            None => "has no effect: ZooKeeper has no such key".to_owned(),
        };
        problems.warn(origin, written, WarningKind::UnknownKey, text);
    }

    /// Checks every value by the kind of its key, and warns of the keys that have no effect.
    pub(super) fn check(&self, problems: &mut Problems) {
        for setting in self.by_name.values() {
            let Setting { key, written, value, origin } = setting;
            match key.class {
                Class::JavaOnly { instead } => {
                    let text = format!("has no effect: it tunes the Java server; {instead}");
                    problems.warn(origin, written, WarningKind::JavaOnly, text);
                    continue;
                }
                Class::Later { what, quiet } if quiet.is_empty() || !value.eq_ignore_ascii_case(quiet) => {
                    let text = format!("has no effect yet: {what} is not part of this build");
                    problems.warn(origin, written, WarningKind::NotActive, text);
                }
                _ => {}
            }
            if let Some(problem) = key.problem_of(value) {
                problems.error(origin, written, problem, key.remedy());
            }
        }
    }

    /// Takes one key over from other settings.
    pub(super) fn inherit(&mut self, name: &str, from: &Settings) {
        if let Some(setting) = from.get(name) {
            self.by_name.insert(name.to_owned(), setting.clone());
        }
    }

    /// The setting of a key, if it was set.
    pub(super) fn get(&self, name: &str) -> Option<&Setting> {
        debug_assert!(keys::find(name).is_some(), "{name} is not in the table");
        self.by_name.get(name)
    }

    /// All settings of a family: what follows the prefix, and the setting.
    pub(super) fn family(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &Setting)> {
        let from_prefix = self.by_name.range(prefix.to_owned()..);
        from_prefix.map_while(move |(name, setting)| Some((name.strip_prefix(prefix)?, setting)))
    }

    /// Where a key was set, and how it was written; for a key that was not set, the file.
    pub(super) fn place(&self, name: &'static str, file: &str) -> (Origin, String) {
        match self.get(name) {
            Some(setting) => (setting.origin.clone(), setting.written.clone()),
            None => (Origin::file(file), name.to_owned()),
        }
    }

    /// The text of a key: as set, or its default. `None`: not set, and no default.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(setting) => Some(&setting.value),
            None => default_of(name),
        }
    }

    /// A `true`/`false` or `yes`/`no` key. A wrong value counts as the default; `check` has reported it.
    pub(super) fn switch(&self, name: &str) -> bool {
        let parse = |text: &str| match text {
            "yes" => Some(true),
            "no" => Some(false),
            other => value::parse_bool(other),
        };
        self.parsed(name, |_, text| parse(text)).unwrap_or_default()
    }

    /// A whole number. A wrong value counts as the default; `None`: not set, and no default.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.parsed(name, |key, text| match (key.kind, value::parse_int(key.read, text)) {
            (Kind::Int { min, max, .. }, Some(number)) => (min..=max).contains(&number).then_some(number),
            (_, number) => number,
        })
    }

    /// A whole number that has a default, as an unsigned one; what is negative counts as 0.
    pub(super) fn count(&self, name: &str) -> u32 {
        let number = self.int(name).unwrap_or_default().max(0);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// The same with 64 bits.
    pub(super) fn long(&self, name: &str) -> u64 {
        u64::try_from(self.int(name).unwrap_or_default()).unwrap_or_default()
    }

    /// A decimal number that has a default.
    pub(super) fn real(&self, name: &str) -> f64 {
        self.parsed(name, |_, text| value::parse_real(text)).unwrap_or_default()
    }

    /// A port; `None`: not set.
    pub(super) fn port(&self, name: &str) -> Option<u16> {
        self.parsed(name, |_, text| value::parse_port(text))
    }

    /// A list of words without the blanks around them; empty words are left out.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let words = self.text(name).unwrap_or_default().split(',').map(trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&'static Key, &str) -> Option<T>) -> Option<T> {
        let (key, _) = keys::find(name)?;
        let set = self.get(name).and_then(|setting| parse(key, &setting.value));
        set.or_else(|| parse(key, key.default))
    }
}

fn default_of(name: &str) -> Option<&'static str> {
    let (key, _) = keys::find(name)?;
    (!key.default.is_empty()).then_some(key.default)
}

/// Java's `String.trim`: without the characters up to U+0020 at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> (Settings, Problems) {
        let (mut settings, mut problems) = (Settings::default(), Problems::default());
        settings.add_file("zoo.cfg", text.as_bytes(), &mut problems);
        settings.check(&mut problems);
        (settings, problems)
    }

    fn warnings(text: &str) -> Vec<String> {
        let (_, problems) = settings(text);
        assert_eq!(problems.errors, []);
        problems.warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_later_line_wins_with_a_warning_in_any_spelling() {
        let text = "snapCount=10\nzookeeper.snapCount=20\nsnapCount=30";
        let (settings, _) = settings(text);
        assert_eq!(settings.int("snapCount"), Some(30));
        let expected = [
            "zoo.cfg:2: zookeeper.snapCount: is taken for snapCount; Apache ZooKeeper ignores this spelling here",
            "zoo.cfg:1: snapCount: has no effect: line 2 sets it again",
            "zoo.cfg:2: zookeeper.snapCount: has no effect: line 3 sets it again",
        ];
        assert_eq!(warnings(text), expected);
    }

    #[test]
    fn keys_without_effect_say_why() {
        let table = [
            (
                "ticktime=1",
                "zoo.cfg:1: ticktime: has no effect: ZooKeeper has no such key; did you mean tickTime?",
            ),
            ("frobnicate=1", "zoo.cfg:1: frobnicate: has no effect: ZooKeeper has no such key"),
            (
                "nio.numWorkerThreads=4",
                "zoo.cfg:1: nio.numWorkerThreads: has no effect: it tunes the Java server; zkrs.ioThreads sets the number of threads that serve clients",
            ),
            (
                "secureClientPort=2281",
                "zoo.cfg:1: secureClientPort: has no effect yet: TLS is not part of this build",
            ),
            (
                "jute.maxbuffer=4096",
                "zoo.cfg:1: jute.maxbuffer: is obeyed; Apache ZooKeeper reads it only as a -D flag, never from this file",
            ),
            (
                "requestThrottleLimit=5",
                "zoo.cfg:1: requestThrottleLimit: is taken for request_throttle_max_requests; Apache ZooKeeper ignores this spelling here",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(warnings(text), [expected], "{text}");
        }
        assert_eq!(warnings("admin.enableServer=false\nsslQuorum=FALSE\ninitLimit=10"), [""; 0]);
    }

    #[test]
    fn values_are_trimmed_like_javas() {
        let (settings, _) = settings("snapCount=  30 \u{1}\n4lw.commands.whitelist= cons, envi , conf,");
        assert_eq!(settings.int("snapCount"), Some(30));
        assert_eq!(settings.list("4lw.commands.whitelist"), ["cons", "envi", "conf"]);
    }

    #[test]
    fn defaults_hold_where_nothing_right_is_set() {
        let (settings, problems) = settings("tickTime=abc");
        assert_eq!(settings.int("tickTime"), Some(3000));
        assert_eq!(settings.port("clientPort"), None);
        assert!(settings.switch("forceSync") && !settings.switch("skipACL"));
        let texts: Vec<String> = problems.errors.iter().map(ToString::to_string).collect();
        let expected =
            "zoo.cfg:1: tickTime: \"abc\" is not a whole number of milliseconds; write e.g. tickTime=2000";
        assert_eq!(texts, [expected]);
    }

    #[test]
    fn families_are_kept_by_their_own_names() {
        let (settings, _) = settings("server.2=b\nserver.1=a\nzookeeper.server.3=c\nserverCnxnFactory=x");
        let servers: Vec<(&str, &str)> =
            settings.family("server.").map(|(id, setting)| (id, setting.value.as_str())).collect();
        assert_eq!(servers, [("1", "a"), ("2", "b"), ("3", "c")]);
    }

    #[test]
    fn many_unknown_keys_cost_no_time() {
        let text: String = (0..10_000).map(|i| format!("tickTime{i}=1\n")).collect();
        let (_, problems) = settings(&text);
        assert_eq!(problems.warnings.len(), 10_000);
        let guessed = problems.warnings.iter().filter(|w| w.text.contains("did you mean")).count();
        assert_eq!(guessed, SUGGESTIONS_MAX);
    }
}

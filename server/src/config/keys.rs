//! Every configuration key that ZooKeeper 3.9.5 documents or reads, and zkrs's own: the one table that drives
//! parsing, messages, suggestions, `--strict-config` and `docs/zoo-cfg.md`.
//!
//! Sources: the administrator's guide of 3.9.5, `QuorumPeerConfig.parseProperties`, and every `System.getProperty`
//! of the server. The rows are in the sub-modules, by topic; how a value becomes a setting is in `settings.rs`.

mod ensemble;
mod java;
mod not_active;
mod server;

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// One key, or with a name that ends in `.*` one family of keys.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name as it is to be written in `zoo.cfg`.
    pub name: &'static str,
    /// Other names that are taken for it: those that the administrator's guide uses, but that have no effect when
    /// written in Apache ZooKeeper's `zoo.cfg`.
    pub aliases: &'static [&'static str],
    /// What values it takes.
    pub kind: Kind,
    /// The value that holds when the key is not set; empty: none.
    pub default: &'static str,
    /// A value to show in messages; empty: the default.
    pub example: &'static str,
    /// What zkrs does with it.
    pub class: Class,
    /// How Apache ZooKeeper reads it.
    pub read: Read,
    /// What it means, in a few words.
    pub meaning: &'static str,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`, in any case of letters.
    Bool,
    /// `yes` or `no`, in small letters. Apache takes every other word for the safe one of the two.
    YesNo,
    /// A whole number from `min` to `max` of `unit` (empty: a plain number).
    Int {
        /// The unit in words, plural.
        unit: &'static str,
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A decimal number from 0 to `max`.
    Real {
        /// The greatest value.
        max: f64,
    },
    /// A port number; 0 lets the system choose.
    Port,
    /// A path of a file or directory, not empty.
    Path,
    /// A host name or an IP address.
    Host,
    /// One of these words, in any case of letters.
    Choice(&'static [&'static str]),
    /// Words with commas between; blanks around the commas do not count.
    List,
    /// Any text.
    Text,
    /// Any text that no message may show.
    Secret,
}

/// What zkrs does with a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// Obeyed by a standalone server.
    Used,
    /// Obeyed by a member of an ensemble; read and checked, of no consequence to a standalone server.
    Peers,
    /// Tunes the Java server; `instead` says what takes its place.
    JavaOnly {
        /// What zkrs does or offers instead, as the end of a sentence.
        instead: &'static str,
    },
    /// Known, but what it configures is not active in this build.
    Later {
        /// What is not active, as the subject of a sentence.
        what: &'static str,
        /// The value that asks for nothing, and so needs no warning; empty: every value asks for something.
        quiet: &'static str,
    },
}

/// How Apache ZooKeeper reads a key; it decides which spellings of a number are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// `QuorumPeerConfig` parses it; numbers are decimal.
    Parsed,
    /// As the system property `zookeeper.<name>`; numbers may be decimal, `0x` hexadecimal or `0` octal.
    Property,
    /// As the system property `zookeeper.<name>`; numbers are decimal.
    DecimalProperty,
    /// Only as a `-D` flag of the JVM, never from `zoo.cfg`. zkrs has no JVM and takes it from `zoo.cfg`.
    Flag,
    /// Not at all: it is zkrs's own.
    Own,
}

/// A topic of the table.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The topic in a few words.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// All keys, by topic.
pub static SECTIONS: &[Section] = &[
    Section { title: "Places and ports", keys: server::PLACES },
    Section { title: "Sessions and connections", keys: server::CONNECTIONS },
    Section { title: "Requests", keys: server::REQUESTS },
    Section { title: "Log, snapshots and tree", keys: server::DATA },
    Section { title: "Access", keys: server::ACCESS },
    Section { title: "zkrs's own keys", keys: server::OWN },
    Section { title: "Ensembles", keys: ensemble::MEMBERS },
    Section { title: "Peer links, election and synchronization", keys: ensemble::LINKS },
    Section { title: "TLS", keys: not_active::TLS },
    Section { title: "SASL and other authentication", keys: not_active::AUTH },
    Section { title: "Admin server and metrics", keys: not_active::ADMIN },
    Section { title: "The Java server's internals", keys: java::INTERNALS },
];

/// All keys of all topics.
pub fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// How a key was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As the table names it.
    Name,
    /// By one of its other names, or with the prefix `zookeeper.` that belongs to `-D` flags.
    Other,
}

/// Finds the key that `written` names.
pub fn find(written: &str) -> Option<(&'static Key, Spelling)> {
    if let Some(key) = find_bare(written) {
        let spelling = if key.matches(written) { Spelling::Name } else { Spelling::Other };
        return Some((key, spelling));
    }
    find_bare(written.strip_prefix("zookeeper.")?).map(|key| (key, Spelling::Other))
}

/// Finds the key that is nearest to an unknown one.
pub(super) fn suggest(written: &str) -> Option<&'static str> {
    let written = written.strip_prefix("zookeeper.").unwrap_or(written);
    super::suggest::nearest(
        written,
        all().flat_map(|key| [key.name].into_iter().chain(key.aliases.iter().copied())),
    )
}

fn find_bare(written: &str) -> Option<&'static Key> {
    static INDEX: OnceLock<BTreeMap<&'static str, &'static Key>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let names = |key: &'static Key| [key.name].into_iter().chain(key.aliases.iter().copied());
        all().flat_map(|key| names(key).map(move |name| (name, key))).collect()
    });
    if written.ends_with(".*") {
        return None;
    }
    let family = || all().find(|key| key.family().is_some() && key.matches(written));
    index.get(written).copied().or_else(family)
}

impl Key {
    /// The prefix with its dot, if this is a family.
    pub fn family(&self) -> Option<&'static str> {
        self.name.strip_suffix('*')
    }

    /// Whether `written` is this key's name, or a name of this family.
    fn matches(&self, written: &str) -> bool {
        match self.family() {
            Some(prefix) => written.len() > prefix.len() && written.starts_with(prefix),
            None => written == self.name,
        }
    }

    /// Whether no message may show its value.
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }

    /// A value that is right, for messages.
    pub fn example(&self) -> &'static str {
        match (self.example, self.default, self.kind) {
            ("", "", Kind::Bool) => "true",
            ("", "", Kind::Port) => "2181",
            ("", "", Kind::Path) => "/var/lib/zookeeper",
            ("", "", Kind::Host) => "127.0.0.1",
            ("", "", Kind::Choice(words)) => words.iter().copied().find(|w| !w.is_empty()).unwrap_or(""),
            ("", default, _) => default,
            (example, _, _) => example,
        }
    }

    const fn parsed(mut self) -> Key {
        self.read = Read::Parsed;
        self
    }

    const fn flag(mut self) -> Key {
        self.read = Read::Flag;
        self
    }

    const fn decimal(mut self) -> Key {
        self.read = Read::DecimalProperty;
        self
    }

    const fn own(mut self) -> Key {
        self.read = Read::Own;
        self
    }

    const fn alias(mut self, aliases: &'static [&'static str]) -> Key {
        self.aliases = aliases;
        self
    }

    const fn example_is(mut self, example: &'static str) -> Key {
        self.example = example;
        self
    }
}

/// A row that a standalone server obeys.
const fn used(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Used, meaning)
}

/// A row that concerns members of an ensemble only.
const fn peers(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    row(name, kind, default, Class::Peers, meaning)
}

/// A row of any class, read as a property; the methods of [`Key`] change what is not usual.
const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    class: Class,
    meaning: &'static str,
) -> Key {
    Key { name, aliases: &[], kind, default, example: "", class, read: Read::Property, meaning }
}

/// A whole number that Java keeps in 32 bits.
const fn int(min: i64, unit: &'static str) -> Kind {
    Kind::Int { unit, min, max: i32::MAX as i64 }
}

/// A whole number that Java keeps in 64 bits, with room to make bytes of it.
const fn long(min: i64, unit: &'static str) -> Kind {
    Kind::Int { unit, min, max: i64::MAX / 1024 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_comes_twice() {
        let mut seen = BTreeSet::new();
        for key in all() {
            for name in [key.name].into_iter().chain(key.aliases.iter().copied()) {
                assert!(seen.insert(name), "{name} is in the table twice");
                assert!(!name.starts_with("zookeeper."), "{name}: the prefix is added by find()");
            }
        }
    }

    #[test]
    fn every_name_is_found_in_every_spelling() {
        for key in all() {
            let name = key.name.replace('*', "7");
            let (found, spelling) = find(&name).expect("the table's own name");
            assert_eq!((found.name, spelling), (key.name, Spelling::Name), "{name}");
            let prefixed = format!("zookeeper.{name}");
            let (found, spelling) = find(&prefixed).expect("with the prefix");
            assert_eq!((found.name, spelling), (key.name, Spelling::Other), "{prefixed}");
            for alias in key.aliases {
                let (found, spelling) = find(alias).expect("the table's own alias");
                assert_eq!((found.name, spelling), (key.name, Spelling::Other), "{alias}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_not_found() {
        for written in
            ["", ".", "server", "server.", "server.*", "zookeeper.", "zookeeper", "ticktime", "group1"]
        {
            assert!(find(written).is_none(), "{written:?}");
        }
    }

    #[test]
    fn every_default_and_example_is_right_by_its_kind() {
        for key in all() {
            assert!(!key.meaning.is_empty(), "{}: no meaning", key.name);
            for value in [key.default, key.example()] {
                if value.is_empty() && key.default.is_empty() {
                    continue;
                }
                assert_eq!(key.problem_of(value), None, "{}={value}", key.name);
            }
            let needs_example = matches!(key.kind, Kind::Int { .. } | Kind::Real { .. } | Kind::YesNo);
            assert!(!needs_example || !key.example().is_empty(), "{}: no example", key.name);
        }
    }

    #[test]
    fn passwords_are_secret() {
        for key in all() {
            let name = key.name.to_ascii_lowercase();
            let secret = name.ends_with("password") || name.ends_with("superdigest");
            assert_eq!(key.is_secret(), secret, "{}", key.name);
        }
    }
}

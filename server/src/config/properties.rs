//! Reads `java.util.Properties` files: the syntax of `zoo.cfg` and of the dynamic configuration file.
//!
//! The rules are those of `Properties.load(InputStream)` (Java API, class `Properties`), because that is what
//! Apache ZooKeeper 3.9.5 calls (QuorumPeerConfig.parse). This module knows nothing of ZooKeeper's keys.
//!
//! # Notable behaviors
//! Java reads the bytes as ISO-8859-1. A file that is valid UTF-8 is read as UTF-8 here, so that a path with an
//! umlaut means what its author saw in the editor; any other file is read as ISO-8859-1. For ASCII, and for
//! `\uXXXX`, there is no difference. A UTF-8 byte order mark is skipped. A last line that is a backslash and
//! nothing else is no entry; Java makes an entry with an empty key of it.

use std::borrow::Cow;
use std::fmt;

/// The largest file that is read. The largest sensible `zoo.cfg` is far below it.
pub const PROPERTIES_BYTES_MAX: usize = 1024 * 1024;

/// The most entries that one file may hold.
pub const PROPERTIES_ENTRIES_MAX: usize = 10_000;

/// One `key=value` of a file, escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key, as Java would return it.
    pub key: String,
    /// The value, as Java would return it: blanks before it are gone, blanks after it are kept.
    pub value: String,
    /// The line, counted from 1, on which the key stands.
    pub line: u32,
}

/// Why a file is not a properties file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertiesError {
    /// The file is larger than [`PROPERTIES_BYTES_MAX`].
    TooLarge,
    /// There are more than [`PROPERTIES_ENTRIES_MAX`] entries.
    TooManyEntries {
        /// The line of the first entry that is too much.
        line: u32,
    },
    /// A `\u` is not followed by four hexadecimal digits.
    BadUnicodeEscape {
        /// The line of the entry that holds it.
        line: u32,
    },
}

impl PropertiesError {
    /// The line, if the error belongs to one.
    pub fn line(&self) -> Option<u32> {
        match self {
            PropertiesError::TooLarge => None,
            PropertiesError::TooManyEntries { line } | PropertiesError::BadUnicodeEscape { line } => {
                Some(*line)
            }
        }
    }
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertiesError::TooLarge => write!(f, "the file has more than {PROPERTIES_BYTES_MAX} bytes"),
            PropertiesError::TooManyEntries { .. } => {
                write!(f, "the file has more than {PROPERTIES_ENTRIES_MAX} entries")
            }
            PropertiesError::BadUnicodeEscape { .. } => {
                write!(f, "a \\u is not followed by four hexadecimal digits")
            }
        }
    }
}

impl std::error::Error for PropertiesError {}

/// Reads all entries of a file in their order; a key that comes twice is returned twice.
///
/// # Errors
/// See [`PropertiesError`]. No input makes this panic.
pub fn parse(bytes: &[u8]) -> Result<Vec<Property>, PropertiesError> {
    if bytes.len() > PROPERTIES_BYTES_MAX {
        return Err(PropertiesError::TooLarge);
    }
    let text = decode(bytes);
    let mut lines = LogicalLines { chars: text.chars().peekable(), line: 1 };
    let mut properties = Vec::new();
    while let Some((line, chars)) = lines.next_line() {
        if properties.len() == PROPERTIES_ENTRIES_MAX {
            return Err(PropertiesError::TooManyEntries { line });
        }
        let (key, value) = split(&chars);
        let unescaped = unescape(key).zip(unescape(value));
        let (key, value) = unescaped.ok_or(PropertiesError::BadUnicodeEscape { line })?;
        properties.push(Property { key, value, line });
    }
    Ok(properties)
}

/// UTF-8 where the file is UTF-8, else ISO-8859-1, whose 256 bytes are the first 256 characters of Unicode.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines, skips comments and blank lines.
struct LogicalLines<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
}

impl LogicalLines<'_> {
    /// The next logical line, without its leading blanks and line ends, and the number of its first line.
    fn next_line(&mut self) -> Option<(u32, Vec<char>)> {
        let mut logical = Vec::new();
        let mut first_line = self.line;
        let mut skip_blanks = true;
        let mut continued = false;
        let mut backslash = false;
        loop {
            let line = self.line;
            let Some(c) = self.next_char() else {
                // A backslash as the very last character continues into nothing.
                logical.truncate(logical.len() - usize::from(backslash));
                return (!logical.is_empty()).then_some((first_line, logical));
            };
            if skip_blanks {
                if is_blank(c) || (c == '\n' && !continued) {
                    continue;
                }
                skip_blanks = false;
                continued = false;
            }
            if logical.is_empty() {
                first_line = line;
                if c == '#' || c == '!' {
                    while self.next_char().is_some_and(|c| c != '\n') {}
                    skip_blanks = true;
                    continue;
                }
            }
            if c != '\n' {
                backslash = c == '\\' && !backslash;
                logical.push(c);
            } else if logical.is_empty() {
                skip_blanks = true;
            } else if backslash {
                logical.pop();
                backslash = false;
                skip_blanks = true;
                continued = true;
            } else {
                return Some((first_line, logical));
            }
        }
    }

    /// The next character; any of the three line ends comes as one `\n` and counts a line.
    fn next_char(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\r' {
            self.chars.next_if_eq(&'\n');
        }
        if c == '\r' || c == '\n' {
            self.line = self.line.saturating_add(1);
            return Some('\n');
        }
        Some(c)
    }
}

/// The key ends at the first unescaped `=`, `:` or blank; one separator with blanks around it is skipped.
fn split(chars: &[char]) -> (&[char], &[char]) {
    let mut key_len = 0;
    let mut backslash = false;
    for &c in chars {
        if !backslash && (c == '=' || c == ':' || is_blank(c)) {
            break;
        }
        backslash = c == '\\' && !backslash;
        key_len += 1;
    }
    let (key, mut rest) = chars.split_at(key_len);
    let mut separator_seen = false;
    while let Some((&c, after)) = rest.split_first() {
        let separator = (c == '=' || c == ':') && !separator_seen;
        if !separator && !is_blank(c) {
            break;
        }
        separator_seen |= separator;
        rest = after;
    }
    (key, rest)
}

/// Resolves `\t \n \r \f \uXXXX`; a backslash before anything else is dropped. `None`: a bad `\u`.
fn unescape(chars: &[char]) -> Option<String> {
    let mut text = String::with_capacity(chars.len());
    let mut chars = chars.iter().copied();
    // Java strings are UTF-16, so one character may come as two escapes.
    let mut units: Vec<u16> = Vec::new();
    while let Some(c) = chars.next() {
        let resolved = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let mut unit = 0;
                    for _ in 0..4 {
                        unit = unit << 4 | chars.next()?.to_digit(16)?;
                    }
                    units.push(u16::try_from(unit).ok()?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        flush_units(&mut units, &mut text);
        text.push(resolved);
    }
    flush_units(&mut units, &mut text);
    Some(text)
}

/// Half a surrogate pair alone has no meaning in UTF-8 and becomes U+FFFD.
fn flush_units(units: &mut Vec<u16>, text: &mut String) {
    if !units.is_empty() {
        text.push_str(&String::from_utf16_lossy(units));
        units.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `key=value@line` of every entry.
    fn read(text: &str) -> Vec<String> {
        let properties = parse(text.as_bytes()).expect("the text is a properties file");
        properties.iter().map(|p| format!("{}={}@{}", p.key, p.value, p.line)).collect()
    }

    #[test]
    fn separators() {
        let table = [
            ("a=b", "a=b@1"),
            ("a:b", "a=b@1"),
            ("a b", "a=b@1"),
            ("a\tb", "a=b@1"),
            ("a\u{c}b", "a=b@1"),
            ("  a  =  b", "a=b@1"),
            ("a = = b", "a== b@1"),
            ("a : = b", "a== b@1"),
            ("a b = c", "a=b = c@1"),
            ("a=b  ", "a=b  @1"),
            ("a", "a=@1"),
            ("a=", "a=@1"),
            ("=b", "=b@1"),
            ("a\\=b=c", "a=b=c@1"),
            ("a\\:b\\ c d", "a:b c=d@1"),
            ("a\\\\=b", "a\\=b@1"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), [expected], "{text:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_counted() {
        assert_eq!(
            read("# one\n\n   ! two\r\n\ta=b # not a comment\r\rc=d"),
            ["a=b # not a comment@4", "c=d@6"]
        );
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("#only\\\n"), [""; 0]);
    }

    #[test]
    fn a_comment_has_no_continuation() {
        assert_eq!(read("# one \\\na=b"), ["a=b@2"]);
    }

    #[test]
    fn continuations() {
        assert_eq!(read("a=b\\\n   c\nd=e"), ["a=bc@1", "d=e@3"]);
        assert_eq!(read("a=b\\\r\n   c"), ["a=bc@1"]);
        assert_eq!(read("a=b\\\\\nc=d"), ["a=b\\@1", "c=d@2"]);
        assert_eq!(read("a=b\\\\\\\nc"), ["a=b\\c@1"]);
        assert_eq!(read("a=b\\\n#c"), ["a=b#c@1"]);
        assert_eq!(read("a=b\\\n\nc=d"), ["a=b@1", "c=d@3"]);
        assert_eq!(read("ab\\\ncd=e"), ["abcd=e@1"]);
        assert_eq!(read("a=b\\"), ["a=b@1"]);
    }

    #[test]
    fn escapes() {
        assert_eq!(read("a=\\t\\n\\r\\f\\q\\\\"), ["a=\t\n\r\u{c}q\\@1"]);
        assert_eq!(read("\\u0061=\\u00e4\\uD83D\\uDE00!"), ["a=ä😀!@1"]);
        assert_eq!(read("a=\\ud83d-"), ["a=\u{fffd}-@1"]);
        for bad in ["a=\\u12", "a=\\u12g4", "\\u=x", "a=\\u\\u0041"] {
            let text = format!("x=y\n{bad}");
            assert_eq!(parse(text.as_bytes()), Err(PropertiesError::BadUnicodeEscape { line: 2 }), "{bad:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_latin1() {
        let properties = parse(b"dataDir=/tmp/\xe4").expect("latin-1 is readable");
        assert_eq!(properties[0].value, "/tmp/ä");
        let properties = parse("\u{feff}dataDir=/tmp/ä".as_bytes()).expect("utf-8 is readable");
        assert_eq!((properties[0].key.as_str(), properties[0].value.as_str()), ("dataDir", "/tmp/ä"));
    }

    #[test]
    fn duplicates_are_both_returned() {
        assert_eq!(read("a=1\na=2"), ["a=1@1", "a=2@2"]);
    }

    #[test]
    fn limits() {
        let large = vec![b'#'; PROPERTIES_BYTES_MAX];
        assert_eq!(parse(&large), Ok(Vec::new()));
        let large = vec![b'#'; PROPERTIES_BYTES_MAX + 1];
        assert_eq!(parse(&large), Err(PropertiesError::TooLarge));
        let many = "a\n".repeat(PROPERTIES_ENTRIES_MAX);
        assert_eq!(parse(many.as_bytes()).map(|p| p.len()), Ok(PROPERTIES_ENTRIES_MAX));
        let line = u32::try_from(PROPERTIES_ENTRIES_MAX).expect("small") + 1;
        let many = "a\n".repeat(PROPERTIES_ENTRIES_MAX + 1);
        assert_eq!(parse(many.as_bytes()), Err(PropertiesError::TooManyEntries { line }));
    }

    /// Every string of up to six characters from those with a meaning: nothing panics, every entry has a line
    /// that exists, and lines never go backwards.
    #[test]
    fn every_short_text_is_read_without_panic() {
        let alphabet = ['a', '=', '\\', '\n', '\r', ' ', '#', 'u', '0'];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer = texts.iter().flat_map(|t| alphabet.iter().map(move |c| format!("{t}{c}")));
            texts = longer.collect();
            for text in &texts {
                let Ok(properties) = parse(text.as_bytes()) else { continue };
                let lines = text.len() + 1;
                assert!(properties.iter().all(|p| p.line >= 1 && (p.line as usize) <= lines), "{text:?}");
                assert!(properties.is_sorted_by_key(|p| p.line), "{text:?}");
            }
        }
    }
}

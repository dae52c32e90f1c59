//! Path checks before a request is sent, with the texts of Java's `PathUtils.validatePath`.

use super::error::CliError;

/// Checks a path.
///
/// # Errors
/// What is wrong with it; positions count UTF-16 units, as Java's do.
pub fn check(path: &str) -> Result<(), CliError> {
    if path.is_empty() {
        return Err(CliError::new("Path length must be > 0"));
    }
    if !path.starts_with('/') {
        return Err(CliError::new("Path must start with / character"));
    }
    if path == "/" {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err(CliError::new("Path must not end with / character"));
    }
    match reason(path) {
        Some(reason) => Err(CliError::new(format!("Invalid path string \"{path}\" caused by {reason}"))),
        None => Ok(()),
    }
}

/// As [`check`], for a path that gets a number appended: a trailing slash is fine.
///
/// # Errors
/// As [`check`].
pub fn check_sequential(path: &str) -> Result<(), CliError> {
    check(&format!("{path}1"))
}

fn reason(path: &str) -> Option<String> {
    let units: Vec<u16> = path.encode_utf16().collect();
    let at = |index: usize| units.get(index).and_then(|unit| char::from_u32(u32::from(*unit)));
    let ends_segment = |index: usize| index == units.len() || at(index) == Some('/');
    for index in 1..units.len() {
        match at(index) {
            Some('\0') => return Some(format!("null character not allowed @{index}")),
            Some('/') if at(index - 1) == Some('/') => {
                return Some(format!("empty node name specified @{index}"));
            }
            Some('.') => {
                let single = at(index - 1) == Some('/');
                let double = index >= 2 && at(index - 1) == Some('.') && at(index - 2) == Some('/');
                if (single || double) && ends_segment(index + 1) {
                    return Some(format!("relative paths not allowed @{index}"));
                }
            }
            Some('\u{1}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
            | None => {
                return Some(format!("invalid character @{index}"));
            }
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_javas() {
        let text = |path: &str| check(path).unwrap_err().text().to_owned();
        assert_eq!(text(""), "Path length must be > 0");
        assert_eq!(text("a"), "Path must start with / character");
        assert_eq!(text("/a/"), "Path must not end with / character");
        assert_eq!(text("/a//b"), "Invalid path string \"/a//b\" caused by empty node name specified @3");
        assert_eq!(
            text("/a/../b"),
            "Invalid path string \"/a/../b\" caused by relative paths not allowed @4"
        );
        assert_eq!(text("/."), "Invalid path string \"/.\" caused by relative paths not allowed @1");
        assert_eq!(text("/a\u{1}"), "Invalid path string \"/a\u{1}\" caused by invalid character @2");
        assert_eq!(text("/\u{1f600}"), "Invalid path string \"/\u{1f600}\" caused by invalid character @1");
    }

    #[test]
    fn good_paths_pass() {
        for path in ["/", "/a", "/a.b/..c/...", "/é/ x"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        assert_eq!(check_sequential("/a/"), Ok(()));
    }

    #[test]
    fn the_rules_are_the_cores() {
        for path in
            ["/", "/a", "/a/", "/..", "/a/./b", "/...", "/\u{e000}", "//", "/\u{7f}", "a", "/.a", "/a."]
        {
            assert_eq!(check(path).is_ok(), zkrs_core::path::is_valid(path), "{path:?}");
        }
    }
}

//! The rules for znode paths (`PathUtils.validatePath`) and the reserved subtree.

/// The root of the reserved subtree.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Where quotas live.
pub const QUOTA: &str = "/zookeeper/quota";
/// The znode that shows the ensemble's configuration.
pub const CONFIG: &str = "/zookeeper/config";

/// Whether `path` may name a znode: absolute, no empty, `.` or `..` segments, no trailing slash, none of the
/// characters ZooKeeper forbids (controls, surrogates and private use, specials; so no supplementary ones).
pub fn is_valid(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
            && (path.is_ascii() && !path.bytes().any(|b| matches!(b, 0..=0x1f | 0x7f))
                || !path.chars().any(is_forbidden))
    })
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// The parent's path; "/" for children of the root, `None` where there is no slash or for the root itself.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() == 1 => None,
        0 => Some("/"),
        slash => Some(&path[..slash]),
    }
}

/// The last segment.
pub fn name(path: &str) -> &str {
    path.rfind('/').map_or(path, |slash| &path[slash + 1..])
}

/// Znodes that cannot be deleted.
pub fn is_undeletable(path: &str) -> bool {
    matches!(path, "/" | ZOOKEEPER | QUOTA | CONFIG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity() {
        for good in ["/", "/a", "/a/b", "/...", "/a.", "/.a", "/ ", "/\u{e9}"] {
            assert!(is_valid(good), "{good}");
        }
        let bad = [
            "",
            "a",
            "/a/",
            "//",
            "/a//b",
            "/.",
            "/a/../b",
            "/a\0",
            "/\u{1f}",
            "/\u{85}",
            "/\u{fffd}",
            "/\u{1f600}",
        ];
        for bad in bad {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn parents_and_names() {
        assert_eq!((parent("/a/b"), name("/a/b")), (Some("/a"), "b"));
        assert_eq!((parent("/a"), name("/a")), (Some("/"), "a"));
        assert_eq!(parent("/"), None);
        assert_eq!(parent("a"), None);
    }
}

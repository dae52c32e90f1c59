//! Guesses which known key was meant by an unknown one.

/// Keys longer than this get no suggestion: the work grows with the square of the length.
const KEY_BYTES_MAX: usize = 64;

/// A candidate is at most 4 bytes longer than the key when their distance is computed.
const ROW_LEN: usize = KEY_BYTES_MAX + 4 + 1;

/// The candidate nearest to `key`, if one is near enough to be a likely slip of the pen.
///
/// Letter case does not count, and a key without its prefix (`superDigest`) finds the whole name. Of equally near
/// candidates the first wins.
pub(super) fn nearest<'a>(key: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let key = key.as_bytes();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return None;
    }
    let distance_max = (key.len() / 4).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let known = candidate.as_bytes();
        let distance = match is_tail(key, known) {
            true => 1,
            false if known.len().abs_diff(key.len()) > distance_max => continue,
            false => edit_distance(key, known),
        };
        if distance <= distance_max && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Whether `key` is what follows a dot in `known`.
fn is_tail(key: &[u8], known: &[u8]) -> bool {
    let Some(prefix_len) = known.len().checked_sub(key.len()).filter(|len| *len > 0) else { return false };
    key.len() > 3 && known[prefix_len - 1] == b'.' && known[prefix_len..].eq_ignore_ascii_case(key)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`, both no longer than
/// [`ROW_LEN`] allows; letter case does not count.
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let equal = |i: usize, j: usize| a[i].eq_ignore_ascii_case(&b[j]);
    // The rows of the table for the last two bytes of `a` and for this one.
    let mut before_last = [0; ROW_LEN];
    let mut last: [usize; ROW_LEN] = std::array::from_fn(|j| j);
    let mut row = [0; ROW_LEN];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(!equal(i - 1, j - 1));
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && equal(i - 1, j - 2) && equal(i - 2, j - 1) {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        (before_last, last) = (last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let table = [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("abcd", "acbd", 1)];
        for (a, b, expected) in table {
            assert_eq!(edit_distance(a.as_bytes(), b.as_bytes()), expected, "{a:?} {b:?}");
            assert_eq!(edit_distance(b.as_bytes(), a.as_bytes()), expected, "{b:?} {a:?}");
        }
    }

    #[test]
    fn finds_slips_and_nothing_else() {
        let known =
            ["tickTime", "dataDir", "dataLogDir", "DigestAuthenticationProvider.superDigest", "snapCount"];
        let table = [
            ("ticktime", Some("tickTime")),
            ("tickTmie", Some("tickTime")),
            ("dataDirr", Some("dataDir")),
            ("snap_count", Some("snapCount")),
            ("superDigest", Some("DigestAuthenticationProvider.superDigest")),
            ("somethingElse", None),
            ("", None),
        ];
        for (key, expected) in table {
            assert_eq!(nearest(key, known.into_iter()), expected, "{key:?}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known.into_iter()), None);
        let (longest, longer) = ("x".repeat(KEY_BYTES_MAX), "x".repeat(KEY_BYTES_MAX + 4));
        assert_eq!(nearest(&longest, [longer.as_str()].into_iter()), Some(longer.as_str()));
    }
}

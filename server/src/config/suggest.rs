//! Guesses which known key was meant by an unknown one.

/// Keys longer than this get no suggestion: the work grows with the square of the length.
const KEY_CHARS_MAX: usize = 64;

/// The candidate nearest to `key`, if one is near enough to be a likely slip of the pen.
///
/// Letter case does not count, and a key without its prefix (`superDigest`) finds the whole name. Of equally near
/// candidates the first wins.
pub(super) fn nearest<'a>(key: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let key: Vec<char> = lower(key);
    if key.is_empty() || key.len() > KEY_CHARS_MAX {
        return None;
    }
    let distance_max = (key.len() / 4).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let known = lower(candidate);
        let tail_matches = known.len() > key.len() + 1
            && known.ends_with(&key)
            && known[known.len() - key.len() - 1] == '.'
            && key.len() > 3;
        let distance = match tail_matches {
            true => 1,
            false if known.len().abs_diff(key.len()) > distance_max => continue,
            false => edit_distance(&key, &known),
        };
        if distance <= distance_max && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn lower(text: &str) -> Vec<char> {
    text.chars().take(KEY_CHARS_MAX + 1).map(|c| c.to_ascii_lowercase()).collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
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
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(edit_distance(&a, &b), expected, "{a:?} {b:?}");
            assert_eq!(edit_distance(&b, &a), expected, "{b:?} {a:?}");
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
    }
}

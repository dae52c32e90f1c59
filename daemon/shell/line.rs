//! A line typed at the prompt, cut into words as zkCli cuts it.

/// Cuts a line at white space; a word that begins with a quote runs to the next such quote and loses both.
///
/// # Notable behaviors
/// Quotes inside a word mean nothing, a quote that is never closed is skipped, and there are no escapes.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' => match rest[1..].find(first) {
                Some(length) => {
                    words.push(rest[1..=length].to_owned());
                    length + 2
                }
                None => 1,
            },
            _ => {
                let end = rest.find(is_space).unwrap_or(rest.len());
                words.push(rest[..end].to_owned());
                end
            }
        };
        rest = rest[end..].trim_start_matches(is_space);
    }
    words
}

/// White space of Java's `\s`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_and_quotes() {
        assert_eq!(split("create  /a\t'hello world' \"it's\""), ["create", "/a", "hello world", "it's"]);
        assert_eq!(split("set /a \"\""), ["set", "/a", ""]);
        assert_eq!(split("set /a b\"c d"), ["set", "/a", "b\"c", "d"]);
        assert_eq!(split("\"ls\"/ 'x'y"), ["ls", "/", "x", "y"]);
    }

    #[test]
    fn an_open_quote_is_skipped() {
        assert_eq!(split("set /a \"b c"), ["set", "/a", "b", "c"]);
        assert!(split("  ").is_empty() && split("\"").is_empty());
    }
}

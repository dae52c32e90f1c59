//! What a value must look like, by the kind of its key, and what to say when it does not.

use super::keys::{Key, Kind, Read};
use super::problem::shown;

impl Key {
    /// What is wrong with a value; `None`: nothing. The text of a secret is not in the answer.
    pub fn problem_of(&self, value: &str) -> Option<String> {
        let quoted = || format!("\"{}\"", shown(value));
        match self.kind {
            Kind::Bool => parse_bool(value).is_none().then(|| format!("{} is not true or false", quoted())),
            Kind::YesNo => {
                (value != "yes" && value != "no").then(|| format!("{} is not yes or no", quoted()))
            }
            Kind::Int { unit, min, max } => {
                let Some(number) = parse_int(self.read, value) else {
                    let of_unit = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
                    return Some(format!("{} is not a whole number{of_unit}", quoted()));
                };
                let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
                match (number < min, number > max) {
                    _ if min == max && number != min => Some(format!("{} is not {min}", quoted())),
                    (true, _) => Some(format!("{} is too small, the least is {min}{unit}", quoted())),
                    (_, true) => Some(format!("{} is too large, the limit is {max}{unit}", quoted())),
                    (false, false) => None,
                }
            }
            Kind::Real { max } => {
                let right = parse_real(value).is_some_and(|number| (0.0..=max).contains(&number));
                (!right).then(|| format!("{} is not a number from 0 to {max}", quoted()))
            }
            Kind::Port => parse_port(value)
                .is_none()
                .then(|| format!("{} is not a port number from 0 to 65535", quoted())),
            Kind::Path => match value {
                "" => Some("the path is empty".to_owned()),
                path => path.contains('\0').then(|| "the path has a NUL character".to_owned()),
            },
            Kind::Host => (!is_host(value)).then(|| format!("{} is not a host name or address", quoted())),
            Kind::Choice(words) => (!words.iter().any(|word| word.eq_ignore_ascii_case(value)))
                .then(|| format!("{} is not one of {}", quoted(), listed(words))),
            Kind::List | Kind::Text | Kind::Secret => None,
        }
    }

    /// What to write instead of a wrong value.
    pub fn remedy(&self) -> String {
        format!("write e.g. {}={}", self.name, self.example())
    }
}

/// `true` or `false` in any case of letters (QuorumPeerConfig.parseBoolean).
pub(super) fn parse_bool(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number as Java reads it: `Long.parseLong` for what `QuorumPeerConfig` parses, else `Long.decode`.
pub(super) fn parse_int(read: Read, value: &str) -> Option<i64> {
    match read {
        Read::Parsed | Read::DecimalProperty | Read::Own => value.parse().ok(),
        Read::Property | Read::Flag => decode_int(value),
    }
}

/// `java.lang.Long.decode`: a sign, then `0x`, `0X` or `#` for hexadecimal, `0` for octal, else decimal.
fn decode_int(value: &str) -> Option<i64> {
    let (negative, rest) = match (value.strip_prefix('-'), value.strip_prefix('+')) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => (false, value),
    };
    let hexadecimal = ["0x", "0X", "#"].iter().find_map(|prefix| rest.strip_prefix(prefix));
    let (digits, radix) = match hexadecimal {
        Some(digits) => (digits, 16),
        None if rest.len() > 1 && rest.starts_with('0') => (&rest[1..], 8),
        None => (rest, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// A decimal number that is neither infinite nor NaN.
pub(super) fn parse_real(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A port number.
pub(super) fn parse_port(value: &str) -> Option<u16> {
    value.parse().ok()
}

/// Whether a text can be a host name, an IPv4 address or an IPv6 address (with or without brackets). Whether such
/// a host exists is seen when the address is bound.
pub(super) fn is_host(value: &str) -> bool {
    let bare = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
    let name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    // An IPv6 address may name its interface after a %.
    let address = bare.split('%').next().is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    !bare.is_empty() && bare.len() <= 255 && (address || (bare == value && bare.chars().all(name)))
}

fn listed(words: &[&str]) -> String {
    let named: Vec<&str> =
        words.iter().map(|word| if word.is_empty() { "(nothing)" } else { word }).collect();
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn every_kind_says_what_is_wrong() {
        let table = [
            ("digest.enabled", "True", None),
            ("digest.enabled", "yes", Some("\"yes\" is not true or false")),
            ("digest.enabled", "", Some("\"\" is not true or false")),
            ("forceSync", "no", None),
            ("forceSync", "No", Some("\"No\" is not yes or no")),
            ("forceSync", "false", Some("\"false\" is not yes or no")),
            ("tickTime", "2000", None),
            ("tickTime", "+2000", None),
            ("tickTime", "abc", Some("\"abc\" is not a whole number of milliseconds")),
            ("tickTime", "", Some("\"\" is not a whole number of milliseconds")),
            ("tickTime", "2000ms", Some("\"2000ms\" is not a whole number of milliseconds")),
            ("tickTime", "0", Some("\"0\" is too small, the least is 1 milliseconds")),
            (
                "tickTime",
                "107374183",
                Some("\"107374183\" is too large, the limit is 107374182 milliseconds"),
            ),
            (
                "tickTime",
                "99999999999999999999",
                Some("\"99999999999999999999\" is not a whole number of milliseconds"),
            ),
            ("tickTime", "0x10", Some("\"0x10\" is not a whole number of milliseconds")),
            ("electionAlg", "1", Some("\"1\" is not 3")),
            ("snapCount", "0x10", None),
            ("snapCount", "08", Some("\"08\" is not a whole number of transactions")),
            ("clientPort", "65535", None),
            ("clientPort", "65536", Some("\"65536\" is not a port number from 0 to 65535")),
            ("clientPort", "-1", Some("\"-1\" is not a port number from 0 to 65535")),
            ("connection_throttle_drop_increase", "0.5", None),
            ("connection_throttle_drop_increase", "NaN", Some("\"NaN\" is not a number from 0 to 1")),
            ("connection_throttle_drop_increase", "1.5", Some("\"1.5\" is not a number from 0 to 1")),
            ("dataDir", "a b", None),
            ("dataDir", "", Some("the path is empty")),
            ("dataDir", "a\0b", Some("the path has a NUL character")),
            ("clientPortAddress", "::1", None),
            ("clientPortAddress", "[::1]", None),
            ("clientPortAddress", "zoo-1.example.org", None),
            ("clientPortAddress", "a b", Some("\"a b\" is not a host name or address")),
            ("clientPortAddress", "host:2181", Some("\"host:2181\" is not a host name or address")),
            ("snapshot.compression.method", "", None),
            ("snapshot.compression.method", "GZ", None),
            ("snapshot.compression.method", "zip", Some("\"zip\" is not one of (nothing), gz, snappy")),
            ("4lw.commands.whitelist", "anything, goes", None),
        ];
        for (name, value, expected) in table {
            let (key, _) = keys::find(name).expect("a key of the table");
            assert_eq!(key.problem_of(value).as_deref(), expected, "{name}={value}");
        }
    }

    #[test]
    fn decode_is_javas() {
        let table = [
            ("10", Some(10)),
            ("-10", Some(-10)),
            ("+10", Some(10)),
            ("0", Some(0)),
            ("010", Some(8)),
            ("0x10", Some(16)),
            ("0X1f", Some(31)),
            ("#ff", Some(255)),
            ("-0x8000000000000000", Some(i64::MIN)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("0x8000000000000000", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("09", None),
            ("--1", None),
            ("+-1", None),
            ("0x-1", None),
            ("1 0", None),
        ];
        for (text, expected) in table {
            assert_eq!(decode_int(text), expected, "{text:?}");
        }
    }

    #[test]
    fn remedies_show_a_right_line() {
        let remedy = |name| keys::find(name).expect("a key of the table").0.remedy();
        assert_eq!(remedy("tickTime"), "write e.g. tickTime=2000");
        assert_eq!(remedy("requestThrottleLimit"), "write e.g. request_throttle_max_requests=0");
        assert_eq!(remedy("dataDir"), "write e.g. dataDir=/var/lib/zookeeper");
    }
}

//! The text of quota znodes (`StatsTrack`): `count=4,bytes=5`, and with hard limits
//! `count=4,bytes=-1=;byteHardLimit=500;countHardLimit=-1`.

use std::collections::BTreeMap;
use std::fmt;

/// Limits or usage; what is not set counts as -1, no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Sorted, as the text has all but `count` and `bytes`.
    values: BTreeMap<String, i64>,
}

/// The kinds of limit, by their keys in the text.
pub const COUNT: &str = "count";
pub const BYTES: &str = "bytes";
pub const COUNT_HARD: &str = "countHardLimit";
pub const BYTES_HARD: &str = "byteHardLimit";

impl Limits {
    /// Reads the text.
    ///
    /// # Errors
    /// The pair that is not `key=number`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let mut parts = pair.split('=');
            let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let number = if value.is_empty() { Ok(-1) } else { value.parse() };
            let number =
                number.map_err(|_| format!("quota znode holds '{pair}', which is not key=number"))?;
            values.insert(key.to_owned(), number);
        }
        Ok(Self { values })
    }

    pub fn get(&self, key: &str) -> i64 {
        self.values.get(key).copied().unwrap_or(-1)
    }

    pub fn set(&mut self, key: &str, value: i64) {
        self.values.insert(key.to_owned(), value);
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.get(COUNT), self.get(BYTES))?;
        let others: Vec<_> = self.values.iter().filter(|(key, _)| *key != COUNT && *key != BYTES).collect();
        if !others.is_empty() {
            f.write_str("=")?;
        }
        for (key, value) in others {
            write!(f, ";{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["count=4,bytes=5", "count=5,bytes=-1=;byteHardLimit=500;countHardLimit=-1"] {
            assert_eq!(Limits::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Limits::default().to_string(), "count=-1,bytes=-1");
    }

    #[test]
    fn text_that_is_no_quota_is_refused() {
        assert!(Limits::parse("count=x").unwrap_err().contains("'count=x'"));
        assert_eq!(Limits::parse("count=").unwrap().get(COUNT), -1);
    }
}

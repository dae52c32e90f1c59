//! Points in time as Java prints them, in the local time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `java.util.Date.toString`: `Sat Nov 21 15:42:05 UTC 2026`.
pub fn java_date(unix_ms: i64) -> String {
    in_zone(unix_ms, "%a %b %d %H:%M:%S %Z %Y", TimeZone::system())
}

/// `DateFormat.getDateTimeInstance(SHORT, LONG)` in English: `11/21/26, 3:42:05 PM UTC`.
pub fn java_short_date(unix_ms: i64) -> String {
    in_zone(unix_ms, "%-m/%-d/%y, %-I:%M:%S %p %Z", TimeZone::system())
}

fn in_zone(unix_ms: i64, format: &str, zone: TimeZone) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(time) => time.to_zoned(zone).strftime(format).to_string(),
        // Beyond the year 9999, which only a damaged or hostile record holds.
        Err(_) => format!("{unix_ms} ms since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_javas() {
        let long = |ms| in_zone(ms, "%a %b %d %H:%M:%S %Z %Y", TimeZone::UTC);
        assert_eq!(long(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(long(1_795_275_725_123), "Sat Nov 21 15:42:05 UTC 2026");
        let short = |ms| in_zone(ms, "%-m/%-d/%y, %-I:%M:%S %p %Z", TimeZone::UTC);
        assert_eq!(short(1_795_275_725_123), "11/21/26, 3:42:05 PM UTC");
        assert_eq!(short(0), "1/1/70, 12:00:00 AM UTC");
        assert!(java_date(i64::MAX).contains("ms since 1970"));
    }
}

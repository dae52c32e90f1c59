//! Records as jute's generated `toString` prints them (`ToStringOutputArchive`).

use zkrs_core::acl::Id;

/// A string: marked by an apostrophe, with the characters that structure a record escaped.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    escaped.push('\'');
    for c in text.chars() {
        match c {
            '\0' => escaped.push_str("%00"),
            '\n' => escaped.push_str("%0A"),
            '\r' => escaped.push_str("%0D"),
            ',' => escaped.push_str("%2C"),
            '}' => escaped.push_str("%7D"),
            '%' => escaped.push_str("%25"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The fields of an id.
pub fn id_record(id: &Id) -> String {
    format!("{},{}", escaped(&id.scheme), escaped(&id.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_is_escaped() {
        assert_eq!(escaped("/a,b}%\n"), "'/a%2Cb%7D%25%0A");
        assert_eq!(id_record(&Id::new("world", "anyone")), "'world,'anyone");
    }
}

//! ACLs as zkCli reads and prints them: `scheme:id:perms,...` in, `'scheme,'id` and letters out.

use zkrs_client::{Acl, Id, perms};

use crate::jute_text::id_record;

/// Reads `scheme:id:perms,...`; entries of another form are left out, unknown letters ignored, and each is
/// complained of, as zkCli does.
pub fn parse(text: &str, mut complain: impl FnMut(String)) -> Vec<Acl> {
    let mut acls = Vec::new();
    // Java's split drops empty entries at the end.
    for entry in text.trim_end_matches(',').split(',') {
        match (entry.find(':'), entry.rfind(':')) {
            (Some(first), Some(last)) if first != last => {
                let perms = parse_perms(&entry[last + 1..], &mut complain);
                acls.push(Acl { perms, id: Id::new(&entry[..first], &entry[first + 1..last]) });
            }
            _ => complain(format!("{entry} does not have the form scheme:id:perm")),
        }
    }
    acls
}

/// The letters of a set of permissions, in zkCli's order.
pub fn letters(bits: i32) -> String {
    LETTERS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, letter)| letter).collect()
}

/// An id as `Id.toString` prints it, which ends with a new line.
pub fn id_text(id: &Id) -> String {
    id_record(id) + "\n"
}

const LETTERS: [(i32, char); 5] = [
    (perms::CREATE, 'c'),
    (perms::DELETE, 'd'),
    (perms::READ, 'r'),
    (perms::WRITE, 'w'),
    (perms::ADMIN, 'a'),
];

fn parse_perms(text: &str, complain: &mut impl FnMut(String)) -> i32 {
    let mut bits = 0;
    for letter in text.chars() {
        match LETTERS.iter().find(|(_, known)| *known == letter) {
            Some((bit, _)) => bits |= bit,
            None => complain(format!("Unknown perm type: {letter}")),
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_complains() {
        let mut complaints = Vec::new();
        let acls = parse("world:anyone:cdz,digest:u:h:r,foo,a:b", |text| complaints.push(text));
        let expected = [
            Acl { perms: perms::CREATE | perms::DELETE, id: Id::new("world", "anyone") },
            Acl { perms: perms::READ, id: Id::new("digest", "u:h") },
        ];
        assert_eq!(acls, expected);
        let expected = [
            "Unknown perm type: z",
            "foo does not have the form scheme:id:perm",
            "a:b does not have the form scheme:id:perm",
        ];
        assert_eq!(complaints, expected);
    }

    #[test]
    fn prints_letters_and_ids() {
        assert_eq!(letters(31), "cdrwa");
        assert_eq!(letters(perms::READ | perms::ADMIN), "ra");
        assert_eq!(id_text(&Id::new("world", "anyone")), "'world,'anyone\n");
    }
}

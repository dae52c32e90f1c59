//! Access control lists and the identities of a connection.
//!
//! Deliberately ignorant of znodes: it answers whether a list is well formed and whether somebody matches it.
//! Sources: `PrepRequestProcessor.fixupACL`, `ZooKeeperServer.checkACL`, `DigestAuthenticationProvider`,
//! `IPAuthenticationProvider`, `SASLAuthenticationProvider` of 3.9.5.

mod ip;

use crate::jute::{DecodeError, Reader, Writer};
use crate::proto::ErrorCode;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine;
use sha1::{Digest, Sha1};

pub use ip::ip_matches;

/// Permission bits of an [`Acl`].
pub mod perms {
    /// Read data and list children.
    pub const READ: i32 = 1;
    /// Set data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Set the ACL.
    pub const ADMIN: i32 = 16;
    /// All of them.
    pub const ALL: i32 = 31;
}

/// Who: a scheme and an id in that scheme's form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// `world`, `auth`, `digest`, `ip`, `x509`, `sasl` or `super`.
    pub scheme: String,
    /// `anyone`, `user:hash`, `10.0.0.0/8`, ...
    pub id: String,
}

impl Id {
    /// An id from its two parts.
    pub fn new(scheme: &str, id: &str) -> Self {
        Self { scheme: scheme.to_string(), id: id.to_string() }
    }
}

/// One entry of an access control list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// Bits of [`perms`]; other bits are kept and mean nothing.
    pub perms: i32,
    /// Whom it grants them to.
    pub id: Id,
}

impl Acl {
    /// `world:anyone` with all permissions: the list of znodes that name nobody.
    pub fn open() -> Vec<Acl> {
        alloc::vec![Acl { perms: perms::ALL, id: Id::new("world", "anyone") }]
    }
}

/// Reads a vector of ACLs; `None` for a null vector.
///
/// # Notable behaviors
/// A null scheme reads as an empty one, which [`fixup`] refuses. A null id reads as an empty one in the `auth`
/// scheme, where ids mean nothing (kazoo sends null there).
///
/// # Errors
/// [`DecodeError`]; a null id in another scheme is [`DecodeError::UnexpectedNull`].
pub fn decode_acls(reader: &mut Reader<'_>) -> Result<Option<Vec<Acl>>, DecodeError> {
    let Some(count) = reader.vector_len()? else { return Ok(None) };
    let mut acls = Vec::new();
    for _ in 0..count {
        let perms = reader.int()?;
        let scheme = reader.string_or_null()?.unwrap_or_default().into_owned();
        let id = match reader.string_or_null()? {
            Some(id) => id.into_owned(),
            None if matches!(scheme.as_str(), "auth" | "") => String::new(),
            None => return Err(DecodeError::UnexpectedNull),
        };
        acls.push(Acl { perms, id: Id { scheme, id } });
    }
    Ok(Some(acls))
}

/// Appends a vector of ACLs, or null.
pub fn encode_acls(out: &mut Vec<u8>, acls: Option<&[Acl]>) {
    let Some(acls) = acls else { return out.put_int(-1) };
    out.put_vector_len(acls.len());
    for acl in acls {
        out.put_int(acl.perms);
        out.put_string(&acl.id.scheme);
        out.put_string(&acl.id.id);
    }
}

/// The most an ACL may take in a transaction, bytes: as much as any request. Only `auth` entries can grow.
const EXPANDED_BYTES_MAX: usize = 0xfffff;

/// Lists of at most so many entries are searched for duplicates one by one, longer ones through a set.
const COMPARED_MAX: usize = 16;

/// Makes the list a transaction stores out of the list a client sent: duplicates dropped, `auth` replaced by
/// the connection's authenticated identities. `sasl_enabled` says whether the scheme `sasl` is known.
///
/// # Errors
/// [`ErrorCode::InvalidAcl`] for an empty list, an unknown scheme, an id its scheme does not accept, or `auth`
/// on a connection that has authenticated as nobody.
pub fn fixup(acls: Option<&[Acl]>, identities: &[Id], sasl_enabled: bool) -> Result<Vec<Acl>, ErrorCode> {
    let acls = acls.filter(|acls| !acls.is_empty()).ok_or(ErrorCode::InvalidAcl)?;
    let mut fixed = Vec::with_capacity(acls.len());
    let mut seen = BTreeSet::new();
    let mut bytes_left = EXPANDED_BYTES_MAX;
    for (n, acl) in acls.iter().enumerate() {
        // A request has room for tens of thousands: comparing each with each would keep everybody waiting.
        let is_new = if acls.len() <= COMPARED_MAX { !acls[..n].contains(acl) } else { seen.insert(acl) };
        if !is_new {
            continue;
        }
        let before = fixed.len();
        match acl.id.scheme.as_str() {
            "world" if acl.id.id == "anyone" => fixed.push(acl.clone()),
            "auth" => {
                fixed.extend(
                    identities
                        .iter()
                        .filter(|id| matches!(id.scheme.as_str(), "digest" | "sasl" | "x509"))
                        .map(|id| Acl { perms: acl.perms, id: id.clone() }),
                );
                if fixed.len() == before {
                    return Err(ErrorCode::InvalidAcl);
                }
            }
            "digest" if is_digest_id(&acl.id.id) => fixed.push(acl.clone()),
            "ip" if ip::is_ip_id(&acl.id.id) => fixed.push(acl.clone()),
            "sasl" if sasl_enabled && is_sasl_id(&acl.id.id) => fixed.push(acl.clone()),
            _ => return Err(ErrorCode::InvalidAcl),
        }
        let added = fixed[before..].iter().map(|acl: &Acl| 12 + acl.id.scheme.len() + acl.id.id.len()).sum();
        bytes_left = bytes_left.checked_sub(added).ok_or(ErrorCode::InvalidAcl)?;
    }
    Ok(fixed)
}

/// Whether `identities` may do what `wanted` (bits of [`perms`]) asks under `acls`.
pub fn allows(acls: &[Acl], wanted: i32, identities: &[Id]) -> bool {
    if acls.is_empty() || identities.iter().any(|id| id.scheme == "super") {
        return true;
    }
    acls.iter().filter(|acl| acl.perms & wanted != 0).any(|acl| match acl.id.scheme.as_str() {
        "world" => acl.id.id == "anyone",
        "ip" => identities.iter().any(|id| id.scheme == "ip" && ip_matches(&id.id, &acl.id.id)),
        "sasl" => identities.iter().any(|id| id.scheme == "sasl" && (id.id == acl.id.id || id.id == "super")),
        scheme => identities.iter().any(|id| id.scheme == scheme && id.id == acl.id.id),
    })
}

/// The identity that `user:password` proves: `user:base64(SHA-1(user:password))`.
pub fn digest_identity(credentials: &[u8]) -> Id {
    let user_end = credentials.iter().position(|b| *b == b':').unwrap_or(credentials.len());
    let user = String::from_utf8_lossy(&credentials[..user_end]);
    // Java hashes the decoded string's bytes again, so malformed UTF-8 is replaced before hashing.
    let text = String::from_utf8_lossy(credentials);
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha1::digest(text.as_bytes()));
    Id { scheme: "digest".to_string(), id: alloc::format!("{user}:{hash}") }
}

/// The list as `getACL` shows it to somebody without ADMIN: digest hashes replaced by `x`.
pub fn masked(acls: &[Acl]) -> Vec<Acl> {
    let mask = |acl: &Acl| match acl.id.id.split_once(':') {
        Some((user, _)) if acl.id.scheme == "digest" => {
            Acl { perms: acl.perms, id: Id::new("digest", &alloc::format!("{user}:x")) }
        }
        _ => acl.clone(),
    };
    acls.iter().map(mask).collect()
}

/// The name that `whoAmI` shows for an identity.
pub fn user_name(id: &Id) -> &str {
    match id.scheme.as_str() {
        "digest" => id.id.split(':').next().unwrap_or_default(),
        "super" => "",
        _ => &id.id,
    }
}

/// Two parts by Java's `split(":")`, which drops trailing empty parts.
fn is_digest_id(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2 && !id.trim_end_matches(':').is_empty()
}

/// What `KerberosName` can parse: a text without `@`, or `service@realm`, or `service/host@realm`.
fn is_sasl_id(id: &str) -> bool {
    let Some((name, realm)) = id.split_once('@') else { return true };
    !realm.contains(['@', '/']) && name.matches('/').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_identity_is_the_documented_one() {
        assert_eq!(digest_identity(b"super:test").id, "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    }

    #[test]
    fn duplicates_are_dropped_from_short_and_long_lists() {
        for distinct in [3, 20_000] {
            let entry = |n| Acl { perms: n, id: Id::new("world", "anyone") };
            let once: Vec<Acl> = (0..distinct).map(entry).collect();
            let twice: Vec<Acl> = once.iter().chain(once.iter().rev()).cloned().collect();
            assert_eq!(fixup(Some(&twice), &[], false), Ok(once));
        }
    }

    #[test]
    fn digest_ids_follow_javas_split() {
        assert!(is_digest_id("user:hash") && is_digest_id(":h") && is_digest_id("a:b:"));
        assert!(
            !is_digest_id("user:") && !is_digest_id("a:b:c") && !is_digest_id("user") && !is_digest_id(":")
        );
    }

    #[test]
    fn auth_expands_in_place_and_needs_somebody() {
        let auth = [Acl { perms: 31, id: Id::new("auth", "") }];
        assert_eq!(fixup(Some(&auth), &[Id::new("ip", "127.0.0.1")], false), Err(ErrorCode::InvalidAcl));
        let me = digest_identity(b"a:b");
        let fixed = fixup(Some(&auth), &[Id::new("ip", "127.0.0.1"), me.clone()], false).unwrap();
        assert_eq!(fixed, [Acl { perms: 31, id: me.clone() }]);
        assert!(allows(&fixed, perms::READ, &[me]));
        assert!(!allows(&fixed, perms::READ, &[]));
        assert!(allows(&fixed, perms::READ, &[Id::new("super", "")]));
    }

    #[test]
    fn sasl_ids_are_kerberos_names_and_super_matches_all() {
        let bob = [Acl { perms: 31, id: Id::new("sasl", "bob") }];
        assert_eq!(fixup(Some(&bob), &[], false), Err(ErrorCode::InvalidAcl));
        assert_eq!(fixup(Some(&bob), &[], true).as_deref(), Ok(&bob[..]));
        assert!(is_sasl_id("") && is_sasl_id("a/b/c") && is_sasl_id("a/b@c") && is_sasl_id("@"));
        assert!(!is_sasl_id("a/b/c@d") && !is_sasl_id("a@b@c") && !is_sasl_id("a@b/c"));
        let allowed = |user: &str| allows(&bob, perms::READ, &[Id::new("sasl", user)]);
        assert!(allowed("bob") && allowed("super") && !allowed("eve"));
        assert!(!allows(&bob, perms::READ, &[Id::new("digest", "bob")]));
    }
}

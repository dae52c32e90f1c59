//! What the 64-bit owner field of a znode means (`EphemeralType`).

/// The kinds of znode that the owner field tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// Nobody's.
    Persistent,
    /// The session's.
    Ephemeral(i64),
    /// Deleted when its last child goes.
    Container,
    /// Deleted when childless and unchanged for so many milliseconds.
    Ttl(i64),
}

/// The owner field of a container.
pub const CONTAINER_OWNER: i64 = i64::MIN;
/// The largest TTL, milliseconds (40 bits; about 34 years).
pub const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

const EXTENDED_MASK: i64 = 0xff00_0000_0000_0000_u64 as i64;
const EXTENDED_FEATURE_MASK: i64 = 0x00ff_ff00_0000_0000;

impl OwnerKind {
    /// Reads an owner field. With extended types off, every owner but 0 and a container's is a session.
    pub fn of(owner: i64, extended_types: bool) -> Self {
        match owner {
            0 => Self::Persistent,
            CONTAINER_OWNER => Self::Container,
            _ if extended_types
                && owner & EXTENDED_MASK == EXTENDED_MASK
                && owner & EXTENDED_FEATURE_MASK == 0 =>
            {
                Self::Ttl(owner & TTL_MS_MAX)
            }
            session => Self::Ephemeral(session),
        }
    }

    /// The owner field.
    pub fn to_owner(self) -> i64 {
        match self {
            Self::Persistent => 0,
            Self::Ephemeral(session) => session,
            Self::Container => CONTAINER_OWNER,
            Self::Ttl(ttl_ms) => EXTENDED_MASK | ttl_ms,
        }
    }
}

//! Jute as this tester speaks it: just enough to write requests, also wrong ones, and to read replies.
//!
//! Kept apart from zkrs-core's codec on purpose, so that one mistake cannot be on both sides of a comparison.

/// Appends jute fields.
pub trait Put {
    /// A 32-bit integer.
    fn int(&mut self, value: i32);
    /// A 64-bit integer.
    fn long(&mut self, value: i64);
    /// One byte.
    fn flag(&mut self, value: bool);
    /// A buffer or string; `None` is null.
    fn buffer(&mut self, value: Option<&[u8]>);
}

impl Put for Vec<u8> {
    fn int(&mut self, value: i32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn flag(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.int(-1),
            Some(bytes) => {
                self.int(i32::try_from(bytes.len()).expect("a request buffer is far below 2 GiB"));
                self.extend_from_slice(bytes);
            }
        }
    }
}

/// Reads jute fields; every method is `None` when the bytes do not hold the field.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// What is not read yet.
    pub rest: &'a [u8],
}

impl<'a> Take<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    /// A 32-bit integer.
    pub fn int(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 64-bit integer.
    pub fn long(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// One byte that must be 0 or 1.
    pub fn flag(&mut self) -> Option<bool> {
        match self.array::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    /// A buffer or string; the inner `None` is null.
    pub fn buffer(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.int()?;
        if length == -1 {
            return Some(None);
        }
        let (head, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(Some(head))
    }

    /// A vector whose elements `element` reads; a null vector is the inner `None`.
    pub fn vector<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Option<Vec<T>>> {
        let count = self.int()?;
        if count == -1 {
            return Some(None);
        }
        let mut items = Vec::new();
        for _ in 0..usize::try_from(count).ok()? {
            items.push(element(self)?);
        }
        Some(Some(items))
    }
}

/// A znode's metadata as it travels in replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub ephemeral_owner: i64,
    pub data_length: i32,
    pub num_children: i32,
    pub pzxid: i64,
}

impl Stat {
    /// Reads the 68 bytes.
    pub fn take(from: &mut Take<'_>) -> Option<Self> {
        Some(Self {
            czxid: from.long()?,
            mzxid: from.long()?,
            ctime: from.long()?,
            mtime: from.long()?,
            version: from.int()?,
            cversion: from.int()?,
            aversion: from.int()?,
            ephemeral_owner: from.long()?,
            data_length: from.int()?,
            num_children: from.int()?,
            pzxid: from.long()?,
        })
    }
}

/// One entry of an ACL: permission bits, scheme, id.
pub type AclEntry = (i32, Option<Vec<u8>>, Option<Vec<u8>>);

/// Reads a vector of ACL entries; `None` inside for null.
pub fn take_acls(from: &mut Take<'_>) -> Option<Option<Vec<AclEntry>>> {
    from.vector(|from| {
        Some((from.int()?, from.buffer()?.map(<[u8]>::to_vec), from.buffer()?.map(<[u8]>::to_vec)))
    })
}

/// Appends a vector of ACL entries, or null.
pub fn put_acls(out: &mut Vec<u8>, acls: Option<&[AclEntry]>) {
    let Some(acls) = acls else { return out.int(-1) };
    out.int(acls.len() as i32);
    for (perms, scheme, id) in acls {
        out.int(*perms);
        out.buffer(scheme.as_deref());
        out.buffer(id.as_deref());
    }
}

/// Bytes as text that fits a transcript line: printable ASCII as it is, the rest escaped, the middle of long
/// values replaced by their length and a checksum.
pub fn show(bytes: &[u8]) -> String {
    if bytes.len() <= 120 {
        return bytes.escape_ascii().to_string();
    }
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}...({} bytes, {sum:016x})", bytes[..40].escape_ascii(), bytes.len())
}

/// As [`show`], with `null` for `None`.
pub fn show_or_null(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "null".to_string(), show)
}

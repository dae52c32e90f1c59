//! Jute, Apache's record encoding: big-endian integers, length-prefixed strings and buffers, counted vectors.
//!
//! The reader borrows from its input and never allocates for a claimed length: a length is checked against
//! the bytes that are really there. It knows nothing of any record. Source of the format:
//! `BinaryInputArchive` and `BinaryOutputArchive` of Apache ZooKeeper 3.9.5.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

/// Why bytes are not the record they were taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ended inside a field.
    Truncated,
    /// A negative length other than -1 (null), in bytes.
    NegativeLength(i32),
    /// A null string or record where a value is needed.
    UnexpectedNull,
    /// A discriminant (opcode, flag, mode) that names nothing.
    UnknownValue(i32),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the record ends inside a field"),
            Self::NegativeLength(length) => write!(f, "a length of {length} bytes"),
            Self::UnexpectedNull => write!(f, "null where a value is needed"),
            Self::UnknownValue(value) => write!(f, "unknown value {value}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Reads jute fields from a byte slice, front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not yet read.
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte; any nonzero value is true, as Java reads it.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end of the input.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.array::<1>()?[0] != 0)
    }

    /// A 32-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end of the input.
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A 64-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end of the input.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A byte buffer; `None` for null, which jute keeps apart from an empty buffer.
    ///
    /// # Errors
    /// [`DecodeError`] for a negative length other than -1 or one beyond the input.
    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.int()? {
            -1 => Ok(None),
            length if length < 0 => Err(DecodeError::NegativeLength(length)),
            length => self.take(length as usize).map(Some),
        }
    }

    /// A string; malformed UTF-8 becomes U+FFFD, as Java's decoder has it. `None` for null.
    ///
    /// # Errors
    /// As [`Reader::buffer`].
    pub fn string_or_null(&mut self) -> Result<Option<Cow<'a, str>>, DecodeError> {
        Ok(self.buffer()?.map(Self::text))
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// As [`Reader::buffer`], and [`DecodeError::UnexpectedNull`] for null.
    pub fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.string_or_null()?.ok_or(DecodeError::UnexpectedNull)
    }

    fn text(bytes: &'a [u8]) -> Cow<'a, str> {
        match core::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => alloc::string::String::from_utf8_lossy(bytes),
        }
    }

    /// The element count of a vector; `None` for null. Other negative counts read as zero, as in Java.
    ///
    /// The count is only a claim: never allocate for it, read elements until it or the input runs out.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end of the input.
    pub fn vector_len(&mut self) -> Result<Option<usize>, DecodeError> {
        match self.int()? {
            -1 => Ok(None),
            count => Ok(Some(usize::try_from(count).unwrap_or(0))),
        }
    }

    /// A vector of strings; null reads as empty.
    ///
    /// # Errors
    /// As [`Reader::string`] for each element.
    pub fn strings(&mut self) -> Result<Vec<Cow<'a, str>>, DecodeError> {
        let count = self.vector_len()?.unwrap_or(0);
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.string()?);
        }
        Ok(items)
    }
}

/// Appends jute fields to a byte vector.
///
/// A trait on `Vec<u8>`, so that a reply, a transaction and a snapshot chunk are all written in place.
pub trait Writer {
    /// One byte, 0 or 1.
    fn put_bool(&mut self, value: bool);
    /// A 32-bit integer.
    fn put_int(&mut self, value: i32);
    /// A 64-bit integer.
    fn put_long(&mut self, value: i64);
    /// A buffer, or null.
    fn put_buffer(&mut self, value: Option<&[u8]>);
    /// A string.
    fn put_string(&mut self, value: &str);
    /// A string, or null.
    fn put_string_or_null(&mut self, value: Option<&str>);
    /// The element count that opens a vector.
    ///
    /// # Panics
    /// If the count exceeds `i32::MAX`; every table that feeds it is bounded far below.
    fn put_vector_len(&mut self, count: usize);
}

impl Writer for Vec<u8> {
    fn put_bool(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn put_int(&mut self, value: i32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_long(&mut self, value: i64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.put_int(-1),
            Some(bytes) => {
                self.put_vector_len(bytes.len());
                self.extend_from_slice(bytes);
            }
        }
    }

    fn put_string(&mut self, value: &str) {
        self.put_buffer(Some(value.as_bytes()));
    }

    fn put_string_or_null(&mut self, value: Option<&str>) {
        self.put_buffer(value.map(str::as_bytes));
    }

    fn put_vector_len(&mut self, count: usize) {
        self.put_int(i32::try_from(count).expect("a jute vector holds at most i32::MAX elements"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip() {
        let mut out = Vec::new();
        out.put_bool(true);
        out.put_int(-7);
        out.put_long(i64::MIN);
        out.put_buffer(None);
        out.put_buffer(Some(&[]));
        out.put_string("/a");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.int(), Ok(-7));
        assert_eq!(reader.long(), Ok(i64::MIN));
        assert_eq!(reader.buffer(), Ok(None));
        assert_eq!(reader.buffer(), Ok(Some(&[][..])));
        assert_eq!(reader.string().as_deref(), Ok("/a"));
        assert_eq!(reader.int(), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_claimed_length_is_checked_against_the_bytes_there() {
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff, 1]).buffer(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xfe]).buffer(), Err(DecodeError::NegativeLength(-2)));
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff]).strings(), Err(DecodeError::Truncated));
    }
}

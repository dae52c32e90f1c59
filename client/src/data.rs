//! Znode data, which may be null.

use std::ops::Deref;

/// Data as read. Null data reads as empty; [`Data::is_null`] tells the two apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Data(Option<Vec<u8>>);

impl Data {
    /// Whether the znode was created, or set, with null data.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes; `None` for null.
    pub fn as_option(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }

    /// The bytes, none for null.
    pub fn into_vec(self) -> Vec<u8> {
        self.0.unwrap_or_default()
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Option<Vec<u8>>> for Data {
    fn from(data: Option<Vec<u8>>) -> Self {
        Self(data)
    }
}

/// Data to write: anything that is bytes, or [`DataRef::NULL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataRef<'a>(pub(crate) Option<&'a [u8]>);

impl DataRef<'_> {
    /// Null, which the protocol keeps apart from empty.
    pub const NULL: DataRef<'static> = DataRef(None);
}

impl<'a> From<&'a [u8]> for DataRef<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self(Some(data))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for DataRef<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self(Some(data))
    }
}

impl<'a> From<&'a Vec<u8>> for DataRef<'a> {
    fn from(data: &'a Vec<u8>) -> Self {
        Self(Some(data))
    }
}

impl<'a> From<&'a str> for DataRef<'a> {
    fn from(data: &'a str) -> Self {
        Self(Some(data.as_bytes()))
    }
}

impl<'a> From<&'a String> for DataRef<'a> {
    fn from(data: &'a String) -> Self {
        Self(Some(data.as_bytes()))
    }
}

impl<'a> From<&'a Data> for DataRef<'a> {
    fn from(data: &'a Data) -> Self {
        Self(data.as_option())
    }
}

impl<'a> From<Option<&'a [u8]>> for DataRef<'a> {
    fn from(data: Option<&'a [u8]>) -> Self {
        Self(data)
    }
}

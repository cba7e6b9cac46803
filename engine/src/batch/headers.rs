//! Headers of a record, kept encoded until somebody asks for them.
//!
//! Layout of one header, little endian: name length `u16`, value length `u32` (`u32::MAX` for none), name, value.

const NO_VALUE: u32 = u32::MAX;

/// A header: a name, and a value that may be absent (which is not empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a str,
    /// The value; `None` is a null value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in their order; decoded while iterating.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The encoded form, for copying to another record.
    pub fn encoded(&self) -> &'a [u8] {
        self.bytes
    }

    /// Names and values as bytes: who only copies headers need not know that names are text.
    pub fn raw(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone {
        let mut rest = self;
        std::iter::from_fn(move || rest.next_raw())
    }

    #[inline]
    fn next_raw(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let name_len = usize::from(u16::from_le_bytes(self.bytes.get(..2)?.try_into().ok()?));
        let value_len = u32::from_le_bytes(self.bytes.get(2..6)?.try_into().ok()?);
        let (name, rest) = self.bytes.get(6..)?.split_at_checked(name_len)?;
        let present = if value_len == NO_VALUE { 0 } else { value_len as usize };
        let (value, rest) = rest.split_at_checked(present)?;
        self.bytes = rest;
        Some((name, (value_len != NO_VALUE).then_some(value)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The last value of `name`, which is the one that counts where a name repeats.
    pub fn get(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.clone().filter(|header| header.name == name).last().map(|header| header.value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (name, value) = self.next_raw()?;
        Some(Header { name: std::str::from_utf8(name).unwrap_or_default(), value })
    }
}

/// Appends one header in its encoded form; a name longer than 65,535 bytes is cut at a character.
pub(super) fn encode(name: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
    let name_len = u16::try_from(name.len()).unwrap_or(u16::MAX);
    let value_len = value.map_or(NO_VALUE, |v| u32::try_from(v.len()).unwrap_or(NO_VALUE - 1));
    out.extend_from_slice(&name_len.to_le_bytes());
    out.extend_from_slice(&value_len.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_values_stay_apart() {
        let mut bytes = Vec::new();
        encode("a", None, &mut bytes);
        encode("b", Some(b""), &mut bytes);
        encode("a", Some(b"x"), &mut bytes);
        let headers = Headers::new(&bytes);
        assert_eq!(headers.clone().count(), 3);
        assert_eq!(headers.get("b"), Some(Some(&b""[..])));
        assert_eq!(headers.get("a"), Some(Some(&b"x"[..])));
        assert_eq!(headers.get("c"), None);
        assert_eq!(Headers::new(&bytes[..bytes.len() - 1]).count(), 2);
        let names: Vec<_> = headers.raw().collect();
        assert_eq!(names, [(&b"a"[..], None), (b"b", Some(&b""[..])), (b"a", Some(b"x"))]);
    }
}

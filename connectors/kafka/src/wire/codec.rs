//! Reads and writes the protocol's primitive types, big endian.

use std::fmt;

/// Bytes that are not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not what Kafka's protocol says")
    }
}

impl std::error::Error for Malformed {}

/// What is left of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes that were not read yet.
    pub(crate) fn rest(self) -> &'b [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) fn take(&mut self, n_bytes: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.bytes.split_at_checked(n_bytes).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Malformed)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.i8()? != 0)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, Malformed> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn str(&mut self) -> Result<&'b str, Malformed> {
        self.nullable_str()?.ok_or(Malformed)
    }

    pub(crate) fn nullable_str(&mut self) -> Result<Option<&'b str>, Malformed> {
        let n_bytes = self.i16()?;
        let text = self.sized(n_bytes.into())?.map(|text| std::str::from_utf8(text));
        text.transpose().or(Err(Malformed))
    }

    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        let n_bytes = self.i32()?;
        self.sized(n_bytes)
    }

    /// Bytes of this length, of which -1 stands for none.
    fn sized(&mut self, n_bytes: i32) -> Result<Option<&'b [u8]>, Malformed> {
        match usize::try_from(n_bytes) {
            Ok(n_bytes) => self.take(n_bytes).map(Some),
            Err(_) if n_bytes == -1 => Ok(None),
            Err(_) => Err(Malformed),
        }
    }

    /// How many elements follow. Each takes a byte at least, so that there are never more than bytes.
    pub(crate) fn n_elements(&mut self) -> Result<usize, Malformed> {
        let n_elements = self.i32()?;
        if n_elements == -1 {
            return Ok(0);
        }
        let n_elements = usize::try_from(n_elements).or(Err(Malformed))?;
        if n_elements > self.bytes.len() {
            return Err(Malformed);
        }
        Ok(n_elements)
    }

    /// A number of the variable-length form, zigzag.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<i64, Malformed> {
        let mut raw = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            raw |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
            }
        }
        Err(Malformed)
    }
}

/// Appends a text; it is never longer than 32,767 bytes, which names and ids are not.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    let n_bytes = i16::try_from(text.len()).unwrap_or(i16::MAX);
    out.extend_from_slice(&n_bytes.to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(n_bytes.unsigned_abs())]);
}

pub(crate) fn put_null_str(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i16).to_be_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_n_elements(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the number of elements that follow.
pub(crate) fn put_n_elements(out: &mut Vec<u8>, n_elements: usize) {
    out.extend_from_slice(&i32::try_from(n_elements).unwrap_or(i32::MAX).to_be_bytes());
}

pub(crate) fn put_i16(out: &mut Vec<u8>, number: i16) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub(crate) fn put_i32(out: &mut Vec<u8>, number: i32) {
    out.extend_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff]).n_elements(), Err(Malformed));
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff, 1]).nullable_bytes(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xfe, 1]).nullable_str(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff]).n_elements(), Ok(0));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        put_str(&mut out, "orders");
        put_null_str(&mut out);
        put_bytes(&mut out, b"xyz");
        put_i16(&mut out, -3);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.str(), Ok("orders"));
        assert_eq!(reader.nullable_str(), Ok(None));
        assert_eq!(reader.nullable_bytes(), Ok(Some(&b"xyz"[..])));
        assert_eq!((reader.i16(), reader.rest()), (Ok(-3), &[][..]));
    }

    #[test]
    fn varints_are_zigzag() {
        for (bytes, number) in [(&[0][..], 0), (&[1], -1), (&[2], 1), (&[0xac, 2], 150)] {
            assert_eq!(Reader::new(bytes).varint(), Ok(number));
        }
    }
}

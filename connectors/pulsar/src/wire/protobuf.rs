//! Protobuf by hand, for what is read and written once per record: no message is built, nothing is allocated.
//!
//! Invariant: no length is believed before it was compared with the bytes that are there.

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A number, as a field says it.
pub(super) const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
/// Bytes with their length before them: bytes, text, messages.
pub(super) const SIZED: u32 = 2;
const FIXED_32: u32 = 5;

/// The longest varint.
pub(super) const MAX_VARINT: usize = 10;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    /// Of a form that none of our fields has.
    Other,
}

impl<'b> Value<'b> {
    #[inline]
    pub(super) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Other => Err(Malformed),
        }
    }

    #[inline]
    pub(super) fn bytes(self) -> Result<&'b [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Other => Err(Malformed),
        }
    }
}

/// The fields of a message, in the order in which they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    #[inline]
    pub(super) fn new(message: &'b [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value; none at the end.
    ///
    /// # Errors
    /// [`Malformed`], for a length beyond the message and for groups, which Pulsar's messages do not have.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'b>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let head = u32::try_from(self.varint()?).or(Err(Malformed))?;
        let value = match head & 7 {
            VARINT => Value::Number(self.varint()?),
            SIZED => {
                let n_bytes = usize::try_from(self.varint()?).or(Err(Malformed))?;
                Value::Bytes(self.take(n_bytes)?)
            }
            FIXED_64 => self.take(8).map(|_| Value::Other)?,
            FIXED_32 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(Malformed),
        };
        Ok(Some((head >> 3, value)))
    }

    #[inline]
    fn take(&mut self, n_bytes: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(n_bytes).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        // Nearly all of them take one byte.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (at, byte) in self.rest.iter().take(MAX_VARINT).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                // The tenth byte has room for one bit.
                return if at == MAX_VARINT - 1 && *byte > 1 { Err(Malformed) } else { Ok(number) };
            }
        }
        Err(Malformed)
    }
}

/// Bytes that a number takes: 1 to 10.
#[inline]
pub(super) fn varint_size(number: u64) -> usize {
    // `| 1`: zero takes a byte too.
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends a number.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low(number) | 0x80);
        number >>= 7;
    }
    out.push(low(number));
}

/// Appends a field that is a number.
#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, field: u32, number: u64) {
    put_varint(out, u64::from(field << 3 | VARINT));
    put_varint(out, number);
}

/// Appends a field that is bytes or text.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_sized(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends what stands before the bytes of a field.
#[inline]
pub(super) fn put_sized(out: &mut Vec<u8>, field: u32, n_bytes: usize) {
    put_varint(out, u64::from(field << 3 | SIZED));
    put_varint(out, n_bytes as u64);
}

/// Bytes that a field of so many bytes takes; its number is below 16.
#[inline]
pub(super) fn sized_size(n_bytes: usize) -> usize {
    1 + varint_size(n_bytes as u64) + n_bytes
}

/// The lowest eight bits.
#[inline]
fn low(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn varint_beyond_64_bits_is_malformed() {
        let mut bytes = vec![0x08];
        bytes.extend([0xff; 9]);
        for (last, is_good) in [(1, true), (2, false), (0x80, false)] {
            let mut number = bytes.clone();
            number.push(last);
            assert_eq!(Fields::new(&number).next().is_ok(), is_good, "{last}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_written(number: u64, shift in 0..64_u32, field in 1..1000_u32) {
            let number = number >> shift;
            let mut out = Vec::new();
            put_number(&mut out, field, number);
            prop_assert_eq!(out.len(), varint_size(u64::from(field) << 3) + varint_size(number));
            let mut fields = Fields::new(&out);
            prop_assert_eq!(fields.next(), Ok(Some((field, Value::Number(number)))));
            prop_assert_eq!(fields.next(), Ok(None));
        }

        #[test]
        fn any_bytes_end_or_are_malformed(bytes: Vec<u8>) {
            let mut fields = Fields::new(&bytes);
            let mut n_fields = 0;
            while let Ok(Some(_)) = fields.next() {
                n_fields += 1;
            }
            prop_assert!(n_fields <= bytes.len());
        }
    }
}

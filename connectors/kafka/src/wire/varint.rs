//! Numbers of the variable-length form: seven bits a byte, zigzag, so that small negative ones are short too.
//!
//! [`Reader::varint`](super::codec::Reader::varint) reads them.

/// How null is written where a length stands.
pub(super) const NULL: i64 = -1;

/// The length of what a slice holds; memory is never longer than this can say.
#[inline]
pub(super) fn length(bytes: &[u8]) -> i64 {
    bytes.len().cast_signed() as i64
}

/// Bytes that a number takes: 1 to 10.
#[inline]
pub(super) fn size(number: i64) -> usize {
    // `| 1`: zero takes a byte too.
    let n_bits = u64::BITS - (zigzag(number) | 1).leading_zeros();
    n_bits.div_ceil(7) as usize
}

/// Appends a number.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, number: i64) {
    let raw = zigzag(number);
    // Nearly all of them: one copy of a known size each, instead of a loop.
    match raw {
        0..0x80 => out.push(low(raw)),
        0x80..0x4000 => out.extend_from_slice(&[low(raw) | 0x80, low(raw >> 7)]),
        _ => put_long(out, raw),
    }
}

fn put_long(out: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        out.push(low(raw) | 0x80);
        raw >>= 7;
    }
    out.push(low(raw));
}

#[inline]
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The lowest eight bits.
#[inline]
fn low(raw: u64) -> u8 {
    raw.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::codec::Reader;

    #[test]
    fn known_numbers_have_known_bytes() {
        let known = [(0, &[0][..]), (-1, &[1]), (1, &[2]), (63, &[126]), (-64, &[127])];
        let long =
            [(64, &[128, 1][..]), (150, &[172, 2]), (8191, &[254, 127]), (8192, &[128, 128, 1])];
        for (number, bytes) in known.into_iter().chain(long) {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(out, bytes, "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_and_sized(number: i64, shift in 0..64_u32) {
            let number = number >> shift;
            let mut out = Vec::new();
            put(&mut out, number);
            prop_assert_eq!(out.len(), size(number));
            prop_assert_eq!(Reader::new(&out).varint(), Ok(number));
        }
    }
}

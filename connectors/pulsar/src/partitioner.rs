//! Chooses the partition of a record, as Java's producers do.
//!
//! Invariant: records of one key go to one partition as long as the number of partitions stays the same.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millstream_engine::sink::WriterContext;

use crate::config::{Partitioner, SinkConfig};

/// Java's `String.hashCode` of a key, made positive. A key that is not UTF-8 is hashed as the base64 that it is sent as.
#[inline]
pub(crate) fn java_string_hash(key: &[u8]) -> u32 {
    match std::str::from_utf8(key) {
        Ok(text) => hash_of(text),
        Err(_) => hash_of(&STANDARD.encode(key)),
    }
}

fn hash_of(text: &str) -> u32 {
    let add = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    text.encode_utf16().fold(0, add) & 0x7fff_ffff
}

/// 32 bits of murmur3 with the seed 0, made positive, of the same text.
#[inline]
pub(crate) fn murmur3(key: &[u8]) -> u32 {
    match std::str::from_utf8(key) {
        Ok(_) => murmur3_of(key),
        Err(_) => murmur3_of(STANDARD.encode(key).as_bytes()),
    }
}

fn murmur3_of(key: &[u8]) -> u32 {
    let mixed =
        |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = words.iter().fold(0_u32, |hash, word| {
        let hash = (hash ^ mixed(u32::from_le_bytes(*word))).rotate_left(13);
        hash.wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    let last = (0..).zip(rest).fold(0, |word, (at, byte)| word | u32::from(*byte) << (8 * at));
    hash ^= mixed(last);
    #[expect(clippy::cast_possible_truncation, reason = "the hash takes the length modulo 2^32")]
    let n_bytes = key.len() as u32;
    hash ^= n_bytes;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) & 0x7fff_ffff
}

/// Chooses partitions for one writer: by key, and without a key one partition after the other, each for as long as a batch lasts.
///
/// Changing the partition with every record would make batches of one record.
#[derive(Clone, Debug)]
pub(crate) struct Chooser {
    partitioner: Partitioner,
    batch_bytes: usize,
    /// How long records without a key stay on a partition.
    stay_micros: u64,
    current: u32,
    bytes_left: usize,
    until_micros: u64,
    now_micros: u64,
}

impl Chooser {
    /// The chooser of a writer, which begins elsewhere than those of the other writers.
    pub(crate) fn of_writer(config: &SinkConfig, cx: &WriterContext) -> Self {
        let first = u32::try_from(cx.shard).unwrap_or_default();
        Self::new(config.partitioner, config.batch_bytes, config.linger, first)
    }

    fn new(partitioner: Partitioner, batch_bytes: usize, linger: Duration, first: u32) -> Self {
        let stay = u64::try_from(linger.as_micros()).unwrap_or(u64::MAX);
        Self {
            partitioner,
            batch_bytes,
            stay_micros: stay.saturating_mul(10).max(1),
            current: first,
            bytes_left: 0,
            until_micros: 0,
            now_micros: 0,
        }
    }

    /// One of the same settings for another topic, which begins elsewhere.
    pub(crate) fn another(&mut self) -> Self {
        self.current = self.current.wrapping_add(1);
        self.clone()
    }

    /// Takes the time at which the next records come.
    pub(crate) fn set_now(&mut self, micros: u64) {
        self.now_micros = micros;
    }

    /// The partition of a record of this key and size.
    #[inline]
    pub(crate) fn choose(&mut self, key: Option<&[u8]>, n_bytes: usize, n_partitions: u32) -> u32 {
        match (key, self.partitioner) {
            _ if n_partitions < 2 => 0,
            (Some(key), Partitioner::JavaStringHash) => java_string_hash(key) % n_partitions,
            (Some(key), Partitioner::Murmur3) => murmur3(key) % n_partitions,
            (None, _) | (_, Partitioner::Spread) => self.choose_any(n_bytes, n_partitions),
        }
    }

    fn choose_any(&mut self, n_bytes: usize, n_partitions: u32) -> u32 {
        if self.bytes_left < n_bytes || self.now_micros >= self.until_micros {
            self.current = self.current.wrapping_add(1);
            self.bytes_left = self.batch_bytes;
            self.until_micros = self.now_micros.saturating_add(self.stay_micros);
        }
        self.bytes_left = self.bytes_left.saturating_sub(n_bytes);
        self.current % n_partitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_equal_those_of_java_s_client() {
        let known = [
            ("", 0, 0),
            ("a", 97, 1_009_084_850),
            ("orders", 1_138_713_317, 1_964_526_729),
            ("key-17", 1_012_760_660, 889_600_087),
            ("über", 7_604_755, 537_306_924),
            ("日本語のキー", 1_306_287_590, 909_276_598),
            ("😀", 1_772_899, 1_051_995_898),
            ("a-little-bit-longer-string", 634_888_778, 1_005_410_872),
            ("0123456789012345678901234567890123456789", 1_478_511_252, 2_053_216_493),
        ];
        for (key, java, murmur) in known {
            assert_eq!(java_string_hash(key.as_bytes()), java, "{key}");
            assert_eq!(murmur3(key.as_bytes()), murmur, "{key}");
        }
        let bytes = [255, 254, 0, 1];
        assert_eq!((java_string_hash(&bytes), murmur3(&bytes)), (621_468_093, 1_763_921_841));
    }

    #[test]
    fn keyless_records_stay_for_a_batch_and_go_round() {
        let linger = Duration::from_millis(1);
        let mut chooser = Chooser::new(Partitioner::JavaStringHash, 1000, linger, 0);
        let mut seen = Vec::new();
        for round in 0..8 {
            chooser.set_now(round * 10_000);
            let first = chooser.choose(None, 100, 4);
            assert!((1..10).all(|_| chooser.choose(None, 100, 4) == first));
            seen.push(first);
        }
        assert_eq!(seen, [1, 2, 3, 0, 1, 2, 3, 0]);
    }

    #[test]
    fn full_batch_ends_the_stay_too() {
        let mut chooser = Chooser::new(Partitioner::Spread, 100, Duration::from_secs(1), 0);
        let seen: Vec<_> = (0..6).map(|_| chooser.choose(Some(b"same key"), 50, 3)).collect();
        assert_eq!(seen, [1, 1, 2, 2, 0, 0]);
    }
}

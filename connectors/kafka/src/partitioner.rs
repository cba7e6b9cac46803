//! Chooses the partition of a record, as Java's producers do.
//!
//! Invariant: records of one key go to one partition as long as the number of partitions stays the same.

use millstream_engine::sink::WriterContext;

use crate::config::{Partitioner, SinkConfig};

/// The partition of a key, where there are `n_partitions`.
#[inline]
pub(crate) fn partition_of(key: &[u8], n_partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % n_partitions
}

/// murmur2 with the seed that Kafka uses.
#[inline]
pub(crate) fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    #[expect(clippy::cast_possible_truncation, reason = "the hash takes the length modulo 2^32")]
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Chooses partitions for one writer: by key, and without a key one partition for as long as a batch lasts.
///
/// Changing the partition with every record would make batches of one record.
#[derive(Clone, Debug)]
pub(crate) struct Chooser {
    by_key: bool,
    batch_bytes: usize,
    linger_micros: u64,
    random: u64,
    sticky: u32,
    bytes_left: usize,
    until_micros: u64,
    now_micros: u64,
}

impl Chooser {
    /// The chooser of a writer, which begins elsewhere than those of the other writers.
    pub(crate) fn of_writer(config: &SinkConfig, cx: &WriterContext) -> Self {
        let linger = u64::try_from(config.linger.as_micros()).unwrap_or(u64::MAX);
        let seed =
            cx.open.clock.micros() ^ (cx.shard as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self::new(config.partitioner, config.batch_bytes, linger, seed)
    }

    pub(crate) fn new(
        partitioner: Partitioner,
        batch_bytes: usize,
        linger_micros: u64,
        seed: u64,
    ) -> Self {
        Self {
            by_key: partitioner == Partitioner::Murmur2Random,
            batch_bytes,
            linger_micros,
            random: seed | 1,
            sticky: 0,
            bytes_left: 0,
            until_micros: 0,
            now_micros: 0,
        }
    }

    /// One of the same settings for another topic, which begins elsewhere.
    pub(crate) fn another(&mut self) -> Self {
        self.next_random();
        self.clone()
    }

    /// Takes the time at which the next records come.
    pub(crate) fn set_now(&mut self, micros: u64) {
        self.now_micros = micros;
    }

    /// The partition of a record of this key and size.
    #[inline]
    pub(crate) fn choose(&mut self, key: Option<&[u8]>, n_bytes: usize, n_partitions: u32) -> u32 {
        match key {
            Some(key) if self.by_key => partition_of(key, n_partitions),
            _ => self.choose_any(n_bytes, n_partitions),
        }
    }

    fn choose_any(&mut self, n_bytes: usize, n_partitions: u32) -> u32 {
        if self.bytes_left < n_bytes
            || self.now_micros >= self.until_micros
            || self.sticky >= n_partitions
        {
            self.sticky = self.next_random() % n_partitions;
            self.bytes_left = self.batch_bytes;
            self.until_micros = self.now_micros.saturating_add(self.linger_micros.max(1));
        }
        self.bytes_left = self.bytes_left.saturating_sub(n_bytes);
        self.sticky
    }

    /// xorshift: even enough to spread load, and nothing more is asked of it.
    fn next_random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_equals_java_s() {
        let known: [(&str, i32); 5] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(murmur2(b"abc").cast_signed(), 479_470_107);
    }

    #[test]
    fn keyless_records_stay_for_a_batch() {
        let mut chooser = Chooser::new(Partitioner::Murmur2Random, 1000, 5000, 42);
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..100 {
            chooser.set_now(round * 10_000);
            let first = chooser.choose(None, 100, 8);
            assert!((1..10).all(|_| chooser.choose(None, 100, 8) == first));
            seen.insert(first);
        }
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn time_ends_the_stay_too() {
        let mut chooser = Chooser::new(Partitioner::Spread, usize::MAX, 5000, 7);
        let seen: std::collections::BTreeSet<_> = (0..200)
            .map(|round| {
                chooser.set_now(round * 5000);
                chooser.choose(Some(b"same key"), 1, 4)
            })
            .collect();
        assert_eq!(seen.len(), 4);
    }
}

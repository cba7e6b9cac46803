//! Payloads made smaller, and as they were before, by the four codecs of the protocol.
//!
//! LZ4 and Snappy are raw blocks, as Java's and the C++ client write them, ZLIB and ZSTD streams; Java's ZLIB streams lack their end.
//! Invariants: a payload never grows; what comes back has the size that was said, which was within the limit before anything was
//! allocated.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use lz4::block::{CompressionMode, compress_to_buffer, decompress_to_buffer};
use zstd::zstd_safe::{CCtx, DCtx};

use super::proto::CompressionType;

/// From this level on the slow compressor of LZ4 works, as in its reference.
const FIRST_HIGH_LZ4_LEVEL: i32 = 2;

/// Compresses payloads, and keeps its memory from one to the next: 1.2 times the largest, and the tables of the codec.
pub(crate) struct Compressor {
    codec: Codec,
    /// Zeroed once, then written over; never shorter than it was.
    scratch: Vec<u8>,
}

enum Codec {
    None,
    Lz4(CompressionMode),
    Zlib(Compress),
    Zstd(CCtx<'static>, i32),
    Snappy(Box<snap::raw::Encoder>),
}

impl Compressor {
    /// Without a level the codec's own; Snappy has none, ZLIB has 0 to 9, ZSTD 1 to 22, LZ4 1 to 12.
    pub(crate) fn new(compression: CompressionType, level: Option<i32>) -> Self {
        let codec = match compression {
            CompressionType::None => Codec::None,
            CompressionType::Lz4 => Codec::Lz4(match level {
                Some(level) if level >= FIRST_HIGH_LZ4_LEVEL => {
                    CompressionMode::HIGHCOMPRESSION(level)
                }
                _ => CompressionMode::DEFAULT,
            }),
            CompressionType::Zlib => {
                let level = level.and_then(|level| u32::try_from(level).ok());
                let level =
                    level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                Codec::Zlib(Compress::new(level, true))
            }
            CompressionType::Zstd => {
                Codec::Zstd(CCtx::create(), level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))
            }
            CompressionType::Snappy => Codec::Snappy(Box::new(snap::raw::Encoder::new())),
        };
        Self { codec, scratch: Vec::new() }
    }

    /// Appends `payload` to `out`, compressed where that makes it smaller, and says how: what the metadata has to say.
    pub(crate) fn append(&mut self, payload: &[u8], out: &mut Vec<u8>) -> CompressionType {
        let room = payload.len() + payload.len() / 6 + 64;
        if !matches!(self.codec, Codec::None) && self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        let n_bytes = self.codec.compress(payload, &mut self.scratch);
        if let Some(n_bytes) = n_bytes.filter(|n_bytes| *n_bytes < payload.len()) {
            out.extend_from_slice(&self.scratch[..n_bytes]);
            self.codec.compression()
        } else {
            out.extend_from_slice(payload);
            CompressionType::None
        }
    }
}

impl Codec {
    fn compression(&self) -> CompressionType {
        match self {
            Self::None => CompressionType::None,
            Self::Lz4(_) => CompressionType::Lz4,
            Self::Zlib(_) => CompressionType::Zlib,
            Self::Zstd(..) => CompressionType::Zstd,
            Self::Snappy(_) => CompressionType::Snappy,
        }
    }

    /// Bytes written to `out`, which has room for a sixth more than `payload`; none where the codec gave up.
    fn compress(&mut self, payload: &[u8], out: &mut [u8]) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Lz4(mode) => compress_to_buffer(payload, Some(*mode), false, out).ok(),
            Self::Zlib(deflate) => {
                deflate.reset();
                let status = deflate.compress(payload, out, FlushCompress::Finish).ok()?;
                let is_whole = status == Status::StreamEnd;
                usize::try_from(deflate.total_out()).ok().filter(|_| is_whole)
            }
            Self::Zstd(context, level) => context.compress(out, payload, *level).ok(),
            Self::Snappy(encoder) => encoder.compress(payload, out).ok(),
        }
    }
}

/// A payload that cannot be brought back to what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPayload {
    /// By no codec that we know.
    UnknownCodec(i32),
    /// It says of itself that it is larger than allowed.
    TooLarge { n_bytes: u32, limit: usize },
    /// It does not decompress, or to another size than it says.
    Corrupt(CompressionType),
}

/// Decompresses payloads, and keeps the tables of the codecs from one to the next.
pub(crate) struct Decompressor {
    inflate: Decompress,
    zstd: DCtx<'static>,
    snappy: snap::raw::Decoder,
}

impl Decompressor {
    pub(crate) fn new() -> Self {
        Self {
            inflate: Decompress::new(true),
            zstd: DCtx::create(),
            snappy: snap::raw::Decoder::new(),
        }
    }

    /// Makes `out` what `payload` was before it was compressed; `codec` and `n_bytes` are those of its metadata.
    ///
    /// `out` is memory that is used again: it grows to `n_bytes`, which may be `limit` at most. A payload that is not compressed is
    /// copied, whatever size its metadata says: Java's says another one.
    ///
    /// # Errors
    /// [`BadPayload`]; what `out` holds then means nothing.
    pub(crate) fn decompress(
        &mut self,
        codec: i32,
        payload: &[u8],
        n_bytes: u32,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), BadPayload> {
        let codec = CompressionType::try_from(codec).or(Err(BadPayload::UnknownCodec(codec)))?;
        if codec == CompressionType::None {
            out.clear();
            out.extend_from_slice(payload);
            return Ok(());
        }
        let expected = n_bytes as usize;
        if expected > limit {
            return Err(BadPayload::TooLarge { n_bytes, limit });
        }
        let found = match codec {
            CompressionType::None => None,
            CompressionType::Lz4 => lz4(payload, expected, out),
            CompressionType::Zlib => self.inflate(payload, expected, out),
            CompressionType::Zstd => {
                out.clear();
                out.reserve(expected);
                self.zstd.decompress(out, payload).ok()
            }
            CompressionType::Snappy => {
                out.resize(expected, 0);
                self.snappy.decompress(payload, out).ok()
            }
        };
        if found == Some(expected) { Ok(()) } else { Err(BadPayload::Corrupt(codec)) }
    }

    fn inflate(&mut self, payload: &[u8], expected: usize, out: &mut Vec<u8>) -> Option<usize> {
        self.inflate.reset(true);
        out.clear();
        // One more: it shows that there is more, and room for the end of the stream.
        out.reserve(expected + 1);
        self.inflate.decompress_vec(payload, out, FlushDecompress::Sync).ok()?;
        Some(out.len())
    }
}

fn lz4(payload: &[u8], expected: usize, out: &mut Vec<u8>) -> Option<usize> {
    // Only what is longer than before is zeroed.
    out.resize(expected, 0);
    decompress_to_buffer(payload, i32::try_from(expected).ok(), out).ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    const ALL: [CompressionType; 5] = [
        CompressionType::None,
        CompressionType::Lz4,
        CompressionType::Zlib,
        CompressionType::Zstd,
        CompressionType::Snappy,
    ];

    fn decompress(
        codec: CompressionType,
        payload: &[u8],
        n_bytes: usize,
    ) -> Result<Vec<u8>, BadPayload> {
        let n_bytes = u32::try_from(n_bytes).expect("short");
        let mut out = b"what was there before".to_vec();
        Decompressor::new().decompress(codec.into(), payload, n_bytes, LIMIT, &mut out)?;
        Ok(out)
    }

    fn compressed(codec: CompressionType, level: Option<i32>, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(Compressor::new(codec, level).append(payload, &mut out), codec);
        out
    }

    /// The same numbers every time, without a pattern that a codec finds.
    fn random() -> impl Iterator<Item = u32> {
        let mut state = 0x9e37_79b9_u32;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        })
    }

    #[test]
    fn memory_is_used_for_one_payload_after_another() {
        let (mut decompressor, mut out) = (Decompressor::new(), Vec::new());
        for codec in ALL {
            let mut compressor = Compressor::new(codec, None);
            for n_bytes in [100_000, 7, 0, 60_000, 100_000] {
                let payload = vec![b'x'; n_bytes];
                let mut small = b"before".to_vec();
                let how = compressor.append(&payload, &mut small);
                let n_bytes = u32::try_from(n_bytes).expect("short");
                decompressor
                    .decompress(how.into(), &small[6..], n_bytes, LIMIT, &mut out)
                    .expect("good");
                assert_eq!(out, payload, "{codec:?}");
            }
        }
    }

    #[test]
    fn payload_that_would_grow_stays_as_it_is() {
        let noise: Vec<u8> = random().take(200).map(|n| n.to_le_bytes()[0]).collect();
        for codec in ALL {
            let mut out = Vec::new();
            assert_eq!(
                Compressor::new(codec, None).append(&noise, &mut out),
                CompressionType::None
            );
            assert_eq!(out, noise);
        }
    }

    #[test]
    fn levels_change_what_is_written() {
        let words: Vec<String> = random().take(500).map(|n| format!("{n:x}")).collect();
        let word = |n: u32| words[n as usize % words.len()].as_bytes();
        let text: Vec<u8> = random().take(20_000).flat_map(|n| word(n).to_vec()).collect();
        for (codec, low, high) in [
            (CompressionType::Lz4, None, Some(9)),
            (CompressionType::Zlib, Some(1), Some(9)),
            (CompressionType::Zstd, Some(1), Some(19)),
        ] {
            let (large, small) = (compressed(codec, low, &text), compressed(codec, high, &text));
            assert!(small.len() < large.len(), "{codec:?}");
            assert_eq!(decompress(codec, &small, text.len()), Ok(text.clone()));
        }
    }

    #[test]
    fn blocks_are_what_their_libraries_read() {
        let text = b"the same words, the same words, the same words".repeat(10);
        let zlib = compressed(CompressionType::Zlib, None, &text);
        let mut read = Vec::new();
        flate2::read::ZlibDecoder::new(&zlib[..]).read_to_end(&mut read).expect("zlib");
        assert_eq!(read, text);
        let zstd = compressed(CompressionType::Zstd, None, &text);
        assert_eq!(zstd::decode_all(&zstd[..]).expect("zstd"), text);
        let snappy = compressed(CompressionType::Snappy, None, &text);
        assert_eq!(snap::raw::Decoder::new().decompress_vec(&snappy).expect("snappy"), text);
        let mut streamed = zstd::Encoder::new(Vec::new(), 3).expect("zstd");
        streamed.write_all(&text).expect("memory");
        let without_size = streamed.finish().expect("memory");
        assert_eq!(decompress(CompressionType::Zstd, &without_size, text.len()), Ok(text));
    }

    #[test]
    fn zlib_stream_of_java_lacks_its_end() {
        let text = b"the same words, the same words, the same words".repeat(10);
        let mut deflate = Compress::new(flate2::Compression::default(), true);
        let mut flushed = Vec::with_capacity(1000);
        let status = deflate.compress_vec(&text, &mut flushed, FlushCompress::Sync);
        assert_eq!(status.expect("there is room"), Status::Ok);
        assert_eq!(decompress(CompressionType::Zlib, &flushed, text.len()), Ok(text.clone()));
        let cut = decompress(CompressionType::Zlib, &flushed[..flushed.len() / 2], text.len());
        assert_eq!(cut, Err(BadPayload::Corrupt(CompressionType::Zlib)));
    }

    #[test]
    fn bomb_is_refused_whatever_it_says() {
        let bomb = vec![0; 100 * LIMIT];
        for codec in &ALL[1..] {
            let small = compressed(*codec, None, &bomb);
            let honest = decompress(*codec, &small, bomb.len()).expect_err("too large");
            let said = u32::try_from(bomb.len()).expect("short");
            assert_eq!(honest, BadPayload::TooLarge { n_bytes: said, limit: LIMIT });
            for lie in [0, 1, LIMIT] {
                let (mut decompressor, mut out) = (Decompressor::new(), Vec::new());
                let n_bytes = u32::try_from(lie).expect("short");
                let refused = decompressor
                    .decompress((*codec).into(), &small, n_bytes, LIMIT, &mut out)
                    .expect_err("it is larger than it says");
                assert_eq!(refused, BadPayload::Corrupt(*codec));
                assert!(out.capacity() <= 2 * LIMIT, "{codec:?} took {}", out.capacity());
            }
        }
    }

    #[test]
    fn unknown_codec_is_named() {
        let refused = Decompressor::new().decompress(9, b"", 0, LIMIT, &mut Vec::new());
        assert_eq!(refused, Err(BadPayload::UnknownCodec(9)));
    }

    proptest! {
        #[test]
        fn payloads_come_back(payload in proptest::collection::vec(0..4_u8, 0..2000)) {
            for codec in ALL {
                let mut out = Vec::new();
                let how = Compressor::new(codec, None).append(&payload, &mut out);
                prop_assert!(out.len() <= payload.len());
                prop_assert_eq!(decompress(how, &out, payload.len()), Ok(payload.clone()));
                if how != CompressionType::None {
                    let other_size = decompress(how, &out, payload.len() + 1);
                    prop_assert_eq!(other_size, Err(BadPayload::Corrupt(how)));
                }
            }
        }

        #[test]
        fn any_bytes_are_refused_or_of_the_size(payload: Vec<u8>, n_bytes in 0..5000_usize) {
            for codec in &ALL[1..] {
                if let Ok(out) = decompress(*codec, &payload, n_bytes) {
                    prop_assert_eq!(out.len(), n_bytes);
                }
            }
        }
    }
}

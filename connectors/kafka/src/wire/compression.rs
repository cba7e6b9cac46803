//! Batches made smaller, by the four codecs of the protocol.
//!
//! Invariant: a batch never grows: where a codec would make it larger, its records stay as they are, and the batch says so.

use std::borrow::Cow;
use std::io::Read;

use flate2::{Compress, FlushCompress, Status};
use lz4::block::CompressionMode;
use zstd::zstd_safe::{CCtx, get_frame_content_size};

use super::batch::put_batch;
use super::codec::Malformed;
use super::lz4_frame;
use super::records::Records;
use crate::config::Compression;

/// What the attributes of a batch say of its codec.
const CODEC_BITS: i16 = 0b111;
const NONE: i16 = 0;
const GZIP: i16 = 1;
const SNAPPY: i16 = 2;
const LZ4: i16 = 3;
const ZSTD: i16 = 4;

/// The windows of gzip, as a power of two; 15 is what every reader expects.
const GZIP_WINDOW: u8 = 15;

/// Compresses batches, and keeps its memory from one to the next: 1.2 times the largest batch, and the tables of the codec.
pub(crate) struct Compressor {
    codec: Codec,
    /// Zeroed once, then written over; never shorter than it was.
    scratch: Vec<u8>,
}

enum Codec {
    None,
    Gzip(Compress),
    Snappy(Box<snap::raw::Encoder>),
    Lz4(CompressionMode),
    Zstd(CCtx<'static>, i32),
}

impl Compressor {
    /// Without a level, that of librdkafka: the codec's own.
    pub(crate) fn new(compression: Compression, level: Option<i32>) -> Self {
        let codec = match compression {
            Compression::None => Codec::None,
            Compression::Gzip => {
                let level = level.and_then(|level| u32::try_from(level).ok());
                let level =
                    level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                Codec::Gzip(Compress::new_gzip(level, GZIP_WINDOW))
            }
            Compression::Snappy => Codec::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Lz4 => Codec::Lz4(lz4_frame::mode(level)),
            Compression::Zstd => {
                Codec::Zstd(CCtx::create(), level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))
            }
        };
        Self { codec, scratch: Vec::new() }
    }

    /// Appends a whole batch of these records, not stamped yet.
    pub(crate) fn append(&mut self, records: &Records, out: &mut Vec<u8>) {
        let bytes = records.bytes();
        let room = bytes.len() + bytes.len() / 6 + 64;
        if !matches!(self.codec, Codec::None) && self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        let n_bytes = self.codec.compress(bytes, &mut self.scratch);
        match n_bytes.filter(|n_bytes| *n_bytes < bytes.len()) {
            Some(n_bytes) => put_batch(out, records, self.codec.id(), &self.scratch[..n_bytes]),
            None => put_batch(out, records, NONE, bytes),
        }
    }
}

impl Codec {
    fn id(&self) -> i16 {
        match self {
            Self::None => NONE,
            Self::Gzip(_) => GZIP,
            Self::Snappy(_) => SNAPPY,
            Self::Lz4(_) => LZ4,
            Self::Zstd(..) => ZSTD,
        }
    }

    /// Bytes written to `out`, which has room for a sixth more than `bytes`; none where the codec gave up.
    fn compress(&mut self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Gzip(deflate) => {
                deflate.reset();
                let status = deflate.compress(bytes, out, FlushCompress::Finish).ok()?;
                let whole = status == Status::StreamEnd;
                usize::try_from(deflate.total_out()).ok().filter(|_| whole)
            }
            // One block of the raw form, as librdkafka writes it; Java reads it beside its own.
            Self::Snappy(encoder) => encoder.compress(bytes, out).ok(),
            Self::Lz4(mode) => lz4_frame::compress(bytes, *mode, out),
            Self::Zstd(context, level) => context.compress(out, bytes, *level).ok(),
        }
    }
}

/// The records of a batch as they were before they were compressed, `max_bytes` of them at most.
pub(super) fn decompress(
    attributes: i16,
    body: &[u8],
    max_bytes: usize,
) -> Result<Cow<'_, [u8]>, Malformed> {
    let bytes = match attributes & CODEC_BITS {
        NONE => Cow::Borrowed(body),
        GZIP => Cow::Owned(read_bounded(flate2::bufread::GzDecoder::new(body), max_bytes)?),
        SNAPPY => {
            let n_bytes = snap::raw::decompress_len(body).or(Err(Malformed))?;
            check(n_bytes, max_bytes)?;
            Cow::Owned(snap::raw::Decoder::new().decompress_vec(body).or(Err(Malformed))?)
        }
        LZ4 => Cow::Owned(read_bounded(lz4::Decoder::new(body).or(Err(Malformed))?, max_bytes)?),
        ZSTD => {
            let n_bytes = get_frame_content_size(body).or(Err(Malformed))?.ok_or(Malformed)?;
            let n_bytes = usize::try_from(n_bytes).or(Err(Malformed))?;
            check(n_bytes, max_bytes)?;
            Cow::Owned(zstd::bulk::decompress(body, n_bytes).or(Err(Malformed))?)
        }
        _ => return Err(Malformed),
    };
    check(bytes.len(), max_bytes)?;
    Ok(bytes)
}

fn check(n_bytes: usize, max_bytes: usize) -> Result<(), Malformed> {
    if n_bytes > max_bytes { Err(Malformed) } else { Ok(()) }
}

/// Reads no more than a byte beyond the bound, which shows that there is more.
fn read_bounded(reader: impl Read, max_bytes: usize) -> Result<Vec<u8>, Malformed> {
    let mut bytes = Vec::new();
    reader.take(max_bytes as u64 + 1).read_to_end(&mut bytes).or(Err(Malformed))?;
    Ok(bytes)
}

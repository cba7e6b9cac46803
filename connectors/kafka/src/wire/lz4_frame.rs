//! The frame around blocks of LZ4, as Java's producers write it: independent blocks of 64 KiB, no checksums, no size.

use lz4::block::{CompressionMode, compress_to_buffer};

/// The magic number; version 1, independent blocks; blocks of 64 KiB; the second byte of xxHash32 of these two.
const HEAD: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK: usize = 64 << 10;
/// The bit in a block's length that says that it is stored as it is.
const STORED: u32 = 1 << 31;
const END: [u8; 4] = [0; 4];

/// From this level on the slow compressor works, as in the reference's frames.
const FIRST_HIGH_LEVEL: i32 = 2;

pub(super) fn mode(level: Option<i32>) -> CompressionMode {
    match level {
        Some(level) if level >= FIRST_HIGH_LEVEL => CompressionMode::HIGHCOMPRESSION(level),
        _ => CompressionMode::DEFAULT,
    }
}

/// Bytes written to `out`; none where it has not the room.
pub(super) fn compress(bytes: &[u8], mode: CompressionMode, out: &mut [u8]) -> Option<usize> {
    let mut end = put(out, 0, &HEAD)?;
    for block in bytes.chunks(BLOCK) {
        let start = end + 4;
        let n_bytes = compress_to_buffer(block, Some(mode), false, out.get_mut(start..)?).ok()?;
        if n_bytes < block.len() {
            put(out, end, &u32::try_from(n_bytes).ok()?.to_le_bytes())?;
            end = start + n_bytes;
        } else {
            put(out, end, &(u32::try_from(block.len()).ok()? | STORED).to_le_bytes())?;
            end = put(out, start, block)?;
        }
    }
    put(out, end, &END)
}

/// Writes at a place, and returns the one behind.
fn put(out: &mut [u8], start: usize, bytes: &[u8]) -> Option<usize> {
    let end = start + bytes.len();
    out.get_mut(start..end)?.copy_from_slice(bytes);
    Some(end)
}

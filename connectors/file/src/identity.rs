//! What tells a file from another one at the same path.
//!
//! Invariant: a position is only gone on at in a file whose bytes around it are those that were read.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Bytes looked at, at the start of a file and before a position.
const LOOK: usize = 256;

/// A file as the system knows it: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The checksum of the first bytes of a file and of those before `offset`; none when the file is shorter than that.
///
/// An inode is given to another file once it is free, and a file that is cut off keeps its own: only content tells.
pub(crate) fn fingerprint(file: &File, offset: u64) -> io::Result<Option<u32>> {
    let mut bytes = [0; LOOK];
    let n_bytes = usize::try_from(offset).unwrap_or(LOOK).min(LOOK);
    let bytes = &mut bytes[..n_bytes];
    let mut sum = 0;
    for from in [0, offset - n_bytes as u64] {
        match file.read_exact_at(bytes, from) {
            Ok(()) => sum = crc32c::crc32c_append(sum, bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(sum))
}

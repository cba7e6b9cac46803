//! Where reading goes on: a byte of a file that can be told from others.
//!
//! Written as `offset@device:inode:checksum`; only this module reads or writes that.

use std::fs::File;
use std::io;

use millstream_engine::source::{Partition, ResumePosition};
use millstream_engine::{Error, Result};

use crate::error;
use crate::identity::{FileId, fingerprint};

/// The next byte to read, and which file it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    /// None when there was no file yet.
    pub(crate) file: Option<(FileId, u32)>,
}

impl Position {
    /// The start of whatever file comes.
    pub(crate) const NOWHERE: Self = Self { offset: 0, file: None };

    /// A position in an open file.
    pub(crate) fn in_file(file: &File, offset: u64) -> io::Result<Self> {
        let id = FileId::of(&file.metadata()?);
        let sum = fingerprint(file, offset)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Self { offset, file: Some((id, sum)) })
    }

    /// Whether the bytes of `file` around the position are those that were read.
    pub(crate) fn has_content_of(&self, file: &File) -> io::Result<bool> {
        let Some((_, sum)) = self.file else { return Ok(true) };
        Ok(fingerprint(file, self.offset)? == Some(sum))
    }

    pub(crate) fn to_resume(self) -> ResumePosition {
        ResumePosition(match self.file {
            None => self.offset.to_string(),
            Some((FileId { device, inode }, sum)) => {
                format!("{}@{device}:{inode}:{sum:08x}", self.offset)
            }
        })
    }

    /// Reads a position as this connector writes it.
    pub(crate) fn parse(partition: &Partition, text: &ResumePosition) -> Result<Self> {
        parse(&text.0).ok_or_else(|| -> Error { error::bad_position(&partition.topic, &text.0) })
    }
}

fn parse(text: &str) -> Option<Position> {
    let Some((offset, file)) = text.split_once('@') else {
        return (text == "0").then_some(Position::NOWHERE);
    };
    let mut parts = file.split(':');
    let device = parts.next()?.parse().ok()?;
    let inode = parts.next()?.parse().ok()?;
    let sum = u32::from_str_radix(parts.next()?, 16).ok()?;
    let position =
        Position { offset: offset.parse().ok()?, file: Some((FileId { device, inode }, sum)) };
    parts.next().is_none().then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_read_as_it_was_written() {
        let id = FileId { device: 2049, inode: 77 };
        let known = Position { offset: 1 << 40, file: Some((id, 0xab)) };
        for position in [Position::NOWHERE, known] {
            assert_eq!(parse(&position.to_resume().0), Some(position));
        }
        assert_eq!(known.to_resume().0, "1099511627776@2049:77:000000ab");
        for text in ["", "7", "x@1:2:3", "7@1:2", "7@1:2:zz", "7@1:2:3:4"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

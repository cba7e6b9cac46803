//! Frames: a length, a command, and for messages what follows it.
//!
//! ```text
//! [total u32][command length u32][command]                                            a simple command
//! … [0x0e02][length u32][broker entry metadata]                                       optional, from brokers
//! … [0x0e01][CRC-32C u32][metadata length u32][metadata][payload]                     a message
//! ```
//! All numbers are big-endian; the checksum covers everything behind it. Invariant: no length is believed before it was compared
//! with the bytes that are there, or with the limit of the connection.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use super::proto::{BaseCommand, Command, MessageMetadata};

/// What a frame may be larger than the largest message: command, metadata and the lengths between them. Pulsar's own figure.
const OVERHEAD: usize = 10 << 10;

const CHECKSUM: u16 = 0x0e01;
const BROKER_ENTRY: u16 = 0x0e02;

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    /// None: of a kind that we do not know, or that was not asked for.
    pub(crate) command: Option<Command>,
    /// What follows the command: metadata and payload of a message, empty else.
    pub(crate) rest: Bytes,
}

/// What a frame is that cannot be read. The connection is of no use after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// Longer than the broker said it would send.
    TooLong { n_bytes: usize, limit: usize },
    /// A length points beyond the frame.
    Truncated,
    /// No command of the protocol.
    BadCommand,
}

/// Takes the next whole frame off the front of `read`; none while it has not come whole.
///
/// # Errors
/// [`BadFrame`].
pub(crate) fn next_frame(
    read: &mut BytesMut,
    max_message_bytes: usize,
) -> Result<Option<Frame>, BadFrame> {
    let Some(total) = read.first_chunk::<4>().map(|b| u32::from_be_bytes(*b) as usize) else {
        return Ok(None);
    };
    let limit = max_message_bytes + OVERHEAD;
    if total > limit {
        return Err(BadFrame::TooLong { n_bytes: total, limit });
    }
    if read.len() < 4 + total {
        return Ok(None);
    }
    let mut frame = read.split_to(4 + total).freeze();
    frame.advance(4);
    let n_command = frame.try_get_u32().ok().ok_or(BadFrame::Truncated)? as usize;
    if n_command > frame.len() {
        return Err(BadFrame::Truncated);
    }
    let command =
        BaseCommand::decode(frame.split_to(n_command)).ok().ok_or(BadFrame::BadCommand)?;
    Ok(Some(Frame { command: command.command, rest: frame }))
}

/// The frame of a command without a message.
pub(crate) fn simple(command: Command) -> Bytes {
    let command = BaseCommand::from(command);
    let n_command = command.encoded_len();
    let mut out = BytesMut::with_capacity(8 + n_command);
    put_head(&mut out, &command, n_command, 0);
    out.freeze()
}

/// What stands before the payload of a message that is sent: command, checksum and metadata.
pub(crate) fn message_head(command: Command, metadata: &MessageMetadata, payload: &[u8]) -> Bytes {
    let command = BaseCommand::from(command);
    let (n_command, n_metadata) = (command.encoded_len(), metadata.encoded_len());
    let mut out = BytesMut::with_capacity(8 + n_command + 10 + n_metadata);
    put_head(&mut out, &command, n_command, 10 + n_metadata + payload.len());
    out.put_u16(CHECKSUM);
    let crc_at = out.len();
    out.put_u32(0);
    out.put_u32(length(n_metadata));
    metadata.encode_raw(&mut out);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[crc_at + 4..]), payload);
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

fn put_head(out: &mut BytesMut, command: &BaseCommand, n_command: usize, n_rest: usize) {
    out.put_u32(length(4 + n_command + n_rest));
    out.put_u32(length(n_command));
    command.encode_raw(out);
}

/// A length as it is written; nothing that we send is near the limit, which the broker's own is far below.
fn length(n_bytes: usize) -> u32 {
    u32::try_from(n_bytes).unwrap_or(u32::MAX)
}

/// Metadata and payload of a message, as they lie in the frame.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) metadata: Bytes,
    pub(crate) payload: Bytes,
}

/// A message that cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadEnvelope {
    /// A length points beyond the frame.
    Truncated,
    /// The bytes are not those that were sent.
    Checksum { written: u32, computed: u32 },
}

/// Takes apart what follows the command of a message, and compares the checksum where there is one.
///
/// # Errors
/// [`BadEnvelope`].
pub(crate) fn open_envelope(mut rest: Bytes) -> Result<Envelope, BadEnvelope> {
    if magic(&rest) == Some(BROKER_ENTRY) {
        rest.advance(2);
        let n_bytes = rest.try_get_u32().ok().ok_or(BadEnvelope::Truncated)? as usize;
        take(&mut rest, n_bytes)?;
    }
    if magic(&rest) == Some(CHECKSUM) {
        rest.advance(2);
        let written = rest.try_get_u32().ok().ok_or(BadEnvelope::Truncated)?;
        let computed = crc32c::crc32c(&rest);
        if written != computed {
            return Err(BadEnvelope::Checksum { written, computed });
        }
    }
    let n_metadata = rest.try_get_u32().ok().ok_or(BadEnvelope::Truncated)? as usize;
    let metadata = take(&mut rest, n_metadata)?;
    Ok(Envelope { metadata, payload: rest })
}

fn magic(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

fn take(bytes: &mut Bytes, n_bytes: usize) -> Result<Bytes, BadEnvelope> {
    if n_bytes > bytes.len() {
        return Err(BadEnvelope::Truncated);
    }
    Ok(bytes.split_to(n_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::proto::{CommandPing, CommandSend};

    const LIMIT: usize = 1 << 20;

    fn sent(payload: &[u8]) -> BytesMut {
        let metadata = MessageMetadata { producer_name: "p".into(), ..MessageMetadata::default() };
        let send = CommandSend { producer_id: 3, sequence_id: 7, ..CommandSend::default() };
        let mut frame = BytesMut::from(&message_head(Command::Send(send), &metadata, payload)[..]);
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_come_whole_and_one_by_one() {
        let mut read = sent(b"hello");
        read.extend_from_slice(&simple(Command::Ping(CommandPing {})));
        let all = read.clone();
        for n in 0..all.len() {
            let mut part = BytesMut::from(&all[..n]);
            let mut n_frames = 0;
            while next_frame(&mut part, LIMIT).expect("good frames").is_some() {
                n_frames += 1;
            }
            assert!(n_frames < 2, "two frames in {n} bytes of {}", all.len());
        }
        let first = next_frame(&mut read, LIMIT).expect("good").expect("whole");
        assert!(matches!(&first.command, Some(Command::Send(send)) if send.sequence_id == 7));
        let envelope = open_envelope(first.rest).expect("good");
        assert_eq!(&envelope.payload[..], b"hello");
        let second = next_frame(&mut read, LIMIT).expect("good").expect("whole");
        assert!(matches!(second.command, Some(Command::Ping(_))));
        assert!(read.is_empty());
    }

    #[test]
    fn lengths_are_not_believed() {
        let mut long = BytesMut::from(&u32::MAX.to_be_bytes()[..]);
        let refused = next_frame(&mut long, LIMIT).expect_err("too long");
        assert!(matches!(refused, BadFrame::TooLong { .. }));
        let mut beyond = BytesMut::from(&[0, 0, 0, 8, 0, 0, 0, 99, 1, 2, 3, 4][..]);
        assert_eq!(next_frame(&mut beyond, LIMIT).expect_err("beyond"), BadFrame::Truncated);
        let mut short = BytesMut::from(&[0, 0, 0, 2, 0, 0][..]);
        assert_eq!(next_frame(&mut short, LIMIT).expect_err("short"), BadFrame::Truncated);
        let metadata = Bytes::from_static(&[0, 0, 0, 9, 1]);
        assert_eq!(open_envelope(metadata).expect_err("beyond"), BadEnvelope::Truncated);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let mut read = sent(b"hello");
        let rest = next_frame(&mut read, LIMIT).expect("good").expect("whole").rest;
        for bit in 16..rest.len() * 8 {
            let mut spoiled = rest.to_vec();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            open_envelope(spoiled.into()).expect_err("a bit was changed");
        }
    }
}

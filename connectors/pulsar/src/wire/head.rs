//! What a reader must know of an entry before its records: the fields of `MessageMetadata` that are not a record's own.
//!
//! Read by hand, because an entry may be a single record: nothing is allocated.

use super::protobuf::{Fields, Malformed};

const PRODUCER_NAME: u32 = 1;
const PUBLISH_TIME: u32 = 3;
const COMPRESSION: u32 = 8;
const UNCOMPRESSED_SIZE: u32 = 9;
const N_MESSAGES: u32 = 11;
const ENCRYPTION_KEYS: u32 = 13;
const MARKER_TYPE: u32 = 20;
const N_CHUNKS: u32 = 27;

/// Of an entry as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head<'m> {
    pub(crate) producer_name: &'m [u8],
    /// When the producer handed it over, in milliseconds since the Unix epoch.
    pub(crate) publish_time: u64,
    /// The codec's number.
    pub(crate) compression: i32,
    pub(crate) uncompressed_size: u32,
    /// Absent in an entry that is one message and no batch.
    pub(crate) n_messages: Option<i32>,
    pub(crate) is_encrypted: bool,
    /// An entry of the broker's own, which is not for readers.
    pub(crate) is_marker: bool,
    /// It is a part of a message that was too large for one entry.
    pub(crate) is_chunk: bool,
}

impl<'m> Head<'m> {
    /// Reads the head in an entry's metadata.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(crate) fn read(metadata: &'m [u8]) -> Result<Self, Malformed> {
        let mut head = Self::default();
        let mut fields = Fields::new(metadata);
        while let Some((number, value)) = fields.next()? {
            match number {
                PRODUCER_NAME => head.producer_name = value.bytes()?,
                PUBLISH_TIME => head.publish_time = value.number()?,
                COMPRESSION => head.compression = int(value.number()?)?,
                UNCOMPRESSED_SIZE => {
                    head.uncompressed_size = u32::try_from(value.number()?).or(Err(Malformed))?;
                }
                N_MESSAGES => head.n_messages = Some(int(value.number()?)?),
                ENCRYPTION_KEYS => head.is_encrypted = true,
                MARKER_TYPE => head.is_marker = true,
                N_CHUNKS => head.is_chunk = value.number()? > 1,
                _ => {}
            }
        }
        Ok(head)
    }

    /// The permits of the broker that the entry costs where nothing of it is acknowledged.
    pub(crate) fn n_records(&self) -> u32 {
        self.n_messages.map_or(1, |n| u32::try_from(n).unwrap_or(0))
    }
}

/// A number that the protocol has as an `int32`.
fn int(number: u64) -> Result<i32, Malformed> {
    i32::try_from(number.cast_signed()).or(Err(Malformed))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::wire::proto::{EncryptionKeys, MessageMetadata};

    #[test]
    fn head_is_what_the_metadata_says() {
        let metadata = MessageMetadata {
            producer_name: "p".to_owned(),
            sequence_id: 9,
            publish_time: 17,
            compression: Some(3),
            uncompressed_size: Some(1_000),
            num_messages_in_batch: Some(12),
            encryption_keys: vec![EncryptionKeys::default()],
            marker_type: Some(20),
            num_chunks_from_msg: Some(2),
            event_time: Some(1),
            ..MessageMetadata::default()
        };
        let expected = Head {
            producer_name: b"p",
            publish_time: 17,
            compression: 3,
            uncompressed_size: 1_000,
            n_messages: Some(12),
            is_encrypted: true,
            is_marker: true,
            is_chunk: true,
        };
        assert_eq!(Head::read(&metadata.encode_to_vec()), Ok(expected));
        let plain = MessageMetadata { num_messages_in_batch: None, ..MessageMetadata::default() };
        let bytes = plain.encode_to_vec();
        let head = Head::read(&bytes).expect("a head");
        assert_eq!((head, head.n_records()), (Head::default(), 1));
    }

    #[test]
    fn numbers_beyond_their_field_are_malformed() {
        let metadata =
            MessageMetadata { uncompressed_size: Some(u32::MAX), ..MessageMetadata::default() };
        let mut bytes = metadata.encode_to_vec();
        assert!(Head::read(&bytes).is_ok());
        let last = bytes.len() - 1;
        bytes[last] = 0x7f;
        assert_eq!(Head::read(&bytes), Err(Malformed));
    }
}

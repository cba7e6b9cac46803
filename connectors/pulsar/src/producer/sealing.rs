//! Makes of the records of a batch what is sent: the metadata, and the payload, compressed and encrypted.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use millstream_engine::error::Result;
use prost::Message as _;

use super::batch::Batch;
use super::settings::Settings;
use crate::encryption::encryptor::Encryptor;
use crate::wire::compression::Compressor;
use crate::wire::proto::{CompressionType, MessageMetadata, SingleMessageMetadata};

/// Compressors that are kept: as many as work at once.
const MAX_COMPRESSORS: usize = 4;

/// A batch as it is sent.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) batch: Batch,
    pub(crate) metadata: MessageMetadata,
    pub(crate) payload: Bytes,
}

/// The compressors of all topics of a writer: their tables are large, and few work at once.
#[derive(Default)]
pub(crate) struct Compressors(Mutex<Vec<Compressor>>);

impl Compressors {
    fn compress(&self, settings: &Settings, payload: &[u8]) -> (CompressionType, Bytes) {
        let (codec, level) = settings.compression;
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compressor = idle.unwrap_or_else(|| Compressor::new(codec, level));
        let mut out = Vec::new();
        let how = compressor.append(payload, &mut out);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_COMPRESSORS {
            all.push(compressor);
        }
        (how, out.into())
    }
}

/// Closes a batch and makes a payload of it; `metadata` says who sends it, with which numbers.
pub(super) fn seal(
    mut batch: Batch,
    mut metadata: MessageMetadata,
    settings: &Settings,
    compressors: &Compressors,
) -> Sealed {
    let plain = batch.close();
    let first = first_of(&plain);
    let mut payload = if settings.is_batching {
        // Subscriptions that share by key look at the entry alone.
        metadata.partition_key = first.partition_key;
        metadata.partition_key_b64_encoded = first.partition_key_b64_encoded;
        metadata.num_messages_in_batch = i32::try_from(batch.n_records).ok();
        let last = metadata.sequence_id + u64::from(batch.n_records.max(1)) - 1;
        metadata.highest_sequence_id = Some(last);
        plain
    } else {
        alone(first, &plain, &mut metadata)
    };
    metadata.uncompressed_size = u32::try_from(payload.len()).ok();
    if settings.compression.0 != CompressionType::None {
        let (how, compressed) = compressors.compress(settings, &payload);
        if how != CompressionType::None {
            metadata.compression = Some(how.into());
            payload = compressed;
        }
    }
    Sealed { batch, metadata, payload }
}

impl Sealed {
    /// Bytes that count against the limit of the broker.
    pub(super) fn n_bytes(&self) -> usize {
        self.metadata.encoded_len() + self.payload.len()
    }

    /// Encrypts the payload.
    ///
    /// # Errors
    /// *Config* `E0135` where a public key cannot be had any more; nothing must be sent then.
    pub(super) fn encrypt(&mut self, encryptor: &mut Encryptor, now: Instant) -> Result<()> {
        let mut encrypted = Vec::new();
        encryptor.encrypt(&self.payload, &mut self.metadata, &mut encrypted, now)?;
        self.payload = encrypted.into();
        Ok(())
    }
}

/// The metadata of the first record of a batch.
fn first_of(plain: &Bytes) -> SingleMessageMetadata {
    let n_metadata = plain.first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b) as usize);
    let metadata = plain.get(4..4 + n_metadata).unwrap_or_default();
    SingleMessageMetadata::decode(metadata).unwrap_or_default()
}

/// A record that is no part of a batch: its fields are the entry's, and the payload is its value.
fn alone(first: SingleMessageMetadata, plain: &Bytes, metadata: &mut MessageMetadata) -> Bytes {
    let n_value = usize::try_from(first.payload_size).unwrap_or(0);
    metadata.properties = first.properties;
    metadata.partition_key = first.partition_key;
    metadata.partition_key_b64_encoded = first.partition_key_b64_encoded;
    metadata.event_time = first.event_time;
    metadata.ordering_key = first.ordering_key;
    metadata.null_value = first.null_value;
    plain.slice(plain.len().saturating_sub(n_value)..)
}

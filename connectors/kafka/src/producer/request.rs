//! Puts batches of one broker's partitions together into a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, Body};
use super::channel::{Part, Request};
use super::lane::Identity;
use super::tray::LaneId;
use crate::net::exchange::{Kind, begin_request, end_request};
use crate::wire::batch::{Stamp, stamp};
use crate::wire::compression::Compressor;
use crate::wire::produce;

/// A batch that was chosen for a request.
pub(super) struct Chosen {
    pub(super) lane: LaneId,
    pub(super) topic: Arc<str>,
    pub(super) partition: u32,
    pub(super) identity: Option<Identity>,
    pub(super) batch: Batch,
}

/// What a request needs besides its batches.
pub(super) struct Envelope<'c> {
    pub(super) version: i16,
    pub(super) correlation: i32,
    pub(super) client_id: &'c str,
    /// How long the broker may wait for its replicas.
    pub(super) timeout: Duration,
    pub(super) due: Instant,
}

/// Writes a request; batches are compressed on the way, and the memory of those that were open goes to `spare`.
pub(super) fn write(
    envelope: &Envelope<'_>,
    mut chosen: Vec<Chosen>,
    compressor: &mut Compressor,
    mut spare: impl FnMut(Vec<u8>),
    memory: Vec<u8>,
) -> Request {
    let mut bytes = memory;
    let kind = Kind { key: produce::KEY, version: envelope.version };
    begin_request(&mut bytes, kind, envelope.correlation, envelope.client_id);
    chosen.sort_by_key(|chosen| (chosen.topic.as_ptr(), chosen.partition));
    let is_same = |a: &Chosen, b: &Chosen| a.topic == b.topic;
    let timeout = i32::try_from(envelope.timeout.as_millis()).unwrap_or(i32::MAX);
    produce::put_start(&mut bytes, timeout, chosen.chunk_by(is_same).count());
    let per_topic: Vec<usize> = chosen.chunk_by(is_same).map(<[_]>::len).collect();
    let (mut parts, mut rest) = (Vec::with_capacity(chosen.len()), chosen.into_iter());
    for n_partitions in per_topic {
        for (index, next) in rest.by_ref().take(n_partitions).enumerate() {
            if index == 0 {
                produce::put_topic(&mut bytes, &next.topic, n_partitions);
            }
            parts.push(put_part(&mut bytes, next, compressor, &mut spare));
        }
    }
    end_request(&mut bytes, 0);
    Request { correlation: envelope.correlation, bytes, parts, due: envelope.due }
}

fn put_part(
    bytes: &mut Vec<u8>,
    chosen: Chosen,
    compressor: &mut Compressor,
    spare: &mut impl FnMut(Vec<u8>),
) -> Part {
    let Chosen { lane, partition, identity, batch, .. } = chosen;
    bytes.extend_from_slice(&partition.to_be_bytes());
    let length = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    let body = match batch.body {
        Body::Open(records) => {
            compressor.append(&records, bytes);
            spare(records.into_memory());
            Body::Closed(Vec::new())
        }
        Body::Closed(closed) => {
            bytes.extend_from_slice(&closed);
            Body::Closed(Vec::new())
        }
    };
    let range = length + 4..bytes.len();
    let n_bytes = u32::try_from(range.len()).unwrap_or(u32::MAX);
    bytes[length..range.start].copy_from_slice(&n_bytes.to_be_bytes());
    let (producer_id, epoch) =
        identity.map_or((-1, -1), |identity| (identity.producer_id, identity.epoch));
    let sequence = batch.sequence.unwrap_or(-1);
    stamp(&mut bytes[range.clone()], Stamp { producer_id, epoch, sequence });
    Part { lane, partition, range, batch: Batch { body, ..batch } }
}

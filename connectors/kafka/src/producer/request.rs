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

#[cfg(test)]
mod tests {
    use crate::config::Compression;
    use crate::wire::decode::decode;
    use crate::wire::records::Records;

    use super::*;

    fn chosen(topic: &Arc<str>, partition: u32, value: &[u8], sequence: Option<i32>) -> Chosen {
        let mut records = Records::new(Vec::new());
        records.push(None, Some(value), std::iter::empty(), 5);
        let mut batch = Batch::new(records, Instant::now());
        batch.count(0, false, 1);
        batch.sequence = sequence;
        let identity = sequence.map(|_| Identity { producer_id: 7, epoch: 2 });
        Chosen { lane: partition, topic: Arc::clone(topic), partition, identity, batch }
    }

    fn write_all(chosen: Vec<Chosen>, n_spare: usize) -> Request {
        let envelope = Envelope {
            version: 8,
            correlation: 9,
            client_id: "me",
            timeout: Duration::from_secs(1),
            due: Instant::now(),
        };
        let (mut compressor, mut emptied) = (Compressor::new(Compression::None, None), 0);
        let request =
            write(&envelope, chosen, &mut compressor, |_| emptied += 1, Vec::with_capacity(9));
        assert_eq!(emptied, n_spare, "the memory of records comes back");
        request
    }

    fn value(batch: &[u8]) -> Vec<u8> {
        let mut value = Vec::new();
        let read = decode(batch, 1000, |record| value = record.value.unwrap_or_default().to_vec());
        read.expect("a batch");
        value
    }

    #[test]
    fn topics_are_named_once() {
        let [a, b]: [Arc<str>; 2] = ["a".into(), "b".into()];
        let request = write_all(
            vec![
                chosen(&a, 1, b"a1", Some(3)),
                chosen(&b, 0, b"b0", None),
                chosen(&a, 0, b"a0", Some(4)),
            ],
            3,
        );
        let part = |topic: &str, partition| {
            let in_order = if a.as_ptr() < b.as_ptr() { [0, 1, 2] } else { [1, 2, 0] };
            let at = in_order[if topic == "a" { partition as usize } else { 2 }];
            let part = &request.parts[at];
            assert_eq!((part.partition, part.lane), (partition, partition));
            let batch = &request.bytes[part.range.clone()];
            let n_bytes = u32::try_from(batch.len()).expect("few").to_be_bytes();
            [&partition.to_be_bytes()[..], &n_bytes, batch].concat()
        };
        let of_a = [&b"\0\x01a\0\0\0\x02"[..], &part("a", 0), &part("a", 1)].concat();
        let of_b = [&b"\0\x01b\0\0\0\x01"[..], &part("b", 0)].concat();
        let topics = if a.as_ptr() < b.as_ptr() { [of_a, of_b] } else { [of_b, of_a] };
        let head = b"\0\0\0\x08\0\0\0\x09\0\x02me\xff\xff\xff\xff\0\0\x03\xe8\0\0\0\x02";
        let body = [&head[..], &topics.concat()].concat();
        let n_bytes = u32::try_from(body.len()).expect("few").to_be_bytes();
        assert_eq!(request.bytes, [&n_bytes[..], &body].concat());
    }

    #[test]
    fn batches_bear_their_sender_and_come_out_again() {
        let orders: Arc<str> = "orders".into();
        let request = write_all(
            vec![chosen(&orders, 0, b"first", Some(3)), chosen(&orders, 1, b"second", None)],
            2,
        );
        let Request { bytes, parts, .. } = request;
        let sender = |part: &Part| bytes[part.range.clone()][43..57].to_vec();
        assert_eq!(sender(&parts[0]), b"\0\0\0\0\0\0\0\x07\0\x02\0\0\0\x03");
        assert_eq!(sender(&parts[1]), [0xff; 14]);
        let mut again = Vec::new();
        for (part, expected) in parts.into_iter().zip([b"first".to_vec(), b"second".to_vec()]) {
            let (lane, partition) = (part.lane, part.partition);
            let batch = Request::restore(&bytes, part);
            let Body::Closed(closed) = &batch.body else { panic!("it was sent") };
            assert_eq!((value(closed), batch.n_records()), (expected, 1));
            let (topic, identity) = (Arc::clone(&orders), None);
            again.push(Chosen { lane, topic, partition, identity, batch });
        }
        let second = write_all(again, 0);
        assert_eq!(value(&second.bytes[second.parts[0].range.clone()]), b"first");
    }
}

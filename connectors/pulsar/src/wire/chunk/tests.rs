//! Chunks come back as the message that they were cut from, whatever comes between them, and within the limits.

use proptest::prelude::*;

use super::*;

const ROOM: usize = 200;

fn metadata(sequence_id: u64) -> MessageMetadata {
    MessageMetadata { producer_name: "p".into(), sequence_id, ..MessageMetadata::default() }
}

/// The chunks of a message, each with its place as its id.
fn chunks(sequence_id: u64, payload: &[u8]) -> Vec<(MessageMetadata, Bytes)> {
    let payload = Bytes::copy_from_slice(payload);
    split(&metadata(sequence_id), &payload, ROOM).expect("there is room").collect()
}

fn put(
    assembly: &mut Assembly<u32>,
    chunk: &(MessageMetadata, Bytes),
    id: u32,
    now: Instant,
) -> Put<u32> {
    assembly.put(&chunk.0, &chunk.1, id, now)
}

proptest! {
    #[test]
    fn chunks_come_back_as_the_message(payload in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut assembly = Assembly::new(ChunkLimits::default());
        let all = chunks(7, &payload);
        let now = Instant::now();
        let ids: Vec<u32> = (0..).take(all.len()).collect();
        for (id, chunk) in (0..).zip(&all) {
            prop_assert!(chunk.0.encoded_len() + chunk.1.len() + 32 <= ROOM);
            let outcome = put(&mut assembly, chunk, id, now);
            if id as usize + 1 < all.len() {
                prop_assert_eq!(outcome, Put::Kept);
            } else {
                prop_assert_eq!(outcome, Put::Whole { payload: payload.clone(), ids: ids.clone() });
            }
        }
        prop_assert_eq!(is_chunk(&all[0].0), all.len() > 1);
        prop_assert!(assembly.pending.is_empty() && assembly.given_up(now).is_empty());
    }

    #[test]
    fn any_metadata_stays_within_the_limits(
        chunks in proptest::collection::vec((0..4_u8, -1..5_i32, -1..5_i32, -1..60_i32, 0..20_usize), 0..200),
    ) {
        let limits = ChunkLimits { max_pending: 2, max_bytes: 50, ..ChunkLimits::default() };
        let mut assembly = Assembly::new(limits);
        let now = Instant::now();
        let (mut n_whole, mut n_ended) = (0, 0);
        for (id, (uuid, chunk_id, n_chunks, total, n_bytes)) in (0..).zip(chunks.iter().copied()) {
            let metadata = MessageMetadata {
                uuid: Some(uuid.to_string()),
                chunk_id: Some(chunk_id),
                num_chunks_from_msg: Some(n_chunks),
                total_chunk_msg_size: Some(total),
                ..MessageMetadata::default()
            };
            match assembly.put(&metadata, &vec![0; n_bytes], id, now) {
                Put::Kept => {}
                Put::Whole { payload, ids } => {
                    prop_assert_eq!(Some(payload.len()), usize::try_from(total).ok());
                    n_whole += ids.len();
                }
                Put::Repeated(back) | Put::Refused(back, _) => {
                    prop_assert_eq!(back, id);
                    n_ended += 1;
                }
            }
            let waiting: usize = assembly.pending.iter().map(|p| p.payload.len()).sum();
            prop_assert!(assembly.pending.len() <= 2 && waiting <= 50);
            n_ended += assembly.given_up(now).iter().map(|given_up| given_up.ids.len()).sum::<usize>();
        }
        let n_waiting: usize = assembly.pending.iter().map(|p| p.ids.len()).sum();
        prop_assert_eq!(n_whole + n_ended + n_waiting, chunks.len());
    }
}

#[test]
fn chunks_of_two_producers_may_alternate() {
    let (first, second) = (chunks(1, &[1; 500]), chunks(2, &[2; 500]));
    let mut assembly = Assembly::new(ChunkLimits::default());
    let now = Instant::now();
    let mut whole = Vec::new();
    for (place, (one, two)) in (0..).zip(first.iter().zip(&second)) {
        for (chunk, id) in [(one, place), (two, 100 + place)] {
            if let Put::Whole { payload, ids } = put(&mut assembly, chunk, id, now) {
                whole.push((payload, ids[0]));
            }
        }
    }
    assert_eq!(whole, [(vec![1; 500], 0), (vec![2; 500], 100)]);
}

#[test]
fn chunks_that_come_again_change_nothing() {
    let all = chunks(1, &[1; 500]);
    let mut assembly = Assembly::new(ChunkLimits::default());
    let now = Instant::now();
    assert_eq!(put(&mut assembly, &all[0], 0, now), Put::Kept);
    assert_eq!(put(&mut assembly, &all[1], 1, now), Put::Kept);
    // The broker delivers them again, …
    assert_eq!(put(&mut assembly, &all[0], 0, now), Put::Kept);
    // … or the producer had sent them twice.
    assert_eq!(put(&mut assembly, &all[1], 9, now), Put::Repeated(9));
    for (id, chunk) in (2..).zip(&all[2..all.len() - 1]) {
        assert_eq!(put(&mut assembly, chunk, id, now), Put::Kept);
    }
    let last = put(&mut assembly, &all[all.len() - 1], 99, now);
    assert!(matches!(last, Put::Whole { payload, .. } if payload == [1; 500]));
}

#[test]
fn gap_gives_up_what_came_before() {
    let all = chunks(1, &[1; 500]);
    let mut assembly = Assembly::new(ChunkLimits::default());
    let now = Instant::now();
    assert_eq!(put(&mut assembly, &all[1], 1, now), Put::Refused(1, BadChunk::Missing));
    assert_eq!(put(&mut assembly, &all[0], 0, now), Put::Kept);
    assert_eq!(put(&mut assembly, &all[2], 2, now), Put::Refused(2, BadChunk::Missing));
    assert_eq!(assembly.given_up(now), [GivenUp { ids: vec![0], why: BadChunk::Missing }]);
}

#[test]
fn too_many_or_too_old_ones_are_given_up() {
    let limits = ChunkLimits { max_pending: 2, ..ChunkLimits::default() };
    let mut assembly = Assembly::new(limits);
    let now = Instant::now();
    for id in 0..3 {
        let all = chunks(id.into(), &[1; 500]);
        assert_eq!(put(&mut assembly, &all[0], id, now), Put::Kept);
    }
    assert_eq!(assembly.given_up(now), [GivenUp { ids: vec![0], why: BadChunk::NoRoom }]);
    let nearly = limits.expiry.saturating_sub(Duration::from_millis(1));
    assert_eq!(assembly.given_up(now + nearly), []);
    let expired = [1, 2].map(|id| GivenUp { ids: vec![id], why: BadChunk::Expired });
    assert_eq!(assembly.given_up(now + limits.expiry), expired);
}

#[test]
fn oldest_gives_way_to_bytes() {
    let limits = ChunkLimits { max_bytes: 500, ..ChunkLimits::default() };
    let mut assembly = Assembly::new(limits);
    let now = Instant::now();
    let (first, second) = (chunks(1, &[1; 500]), chunks(2, &[2; 500]));
    for (id, chunk) in (0..).zip(&first[..first.len() - 1]) {
        assert_eq!(put(&mut assembly, chunk, id, now), Put::Kept);
        assert_eq!(assembly.given_up(now), []);
    }
    let ids = (0..).take(first.len() - 1).collect();
    for (id, chunk) in (100..).zip(&second[..second.len() - 1]) {
        assert_eq!(put(&mut assembly, chunk, id, now), Put::Kept);
    }
    assert_eq!(assembly.given_up(now), [GivenUp { ids, why: BadChunk::NoRoom }]);
}

#[test]
fn larger_message_than_may_wait_is_refused_at_once() {
    let limits = ChunkLimits { max_bytes: 499, ..ChunkLimits::default() };
    let mut assembly = Assembly::new(limits);
    let refused = put(&mut assembly, &chunks(1, &[1; 500])[0], 0, Instant::now());
    assert_eq!(refused, Put::Refused(0, BadChunk::TooLarge { n_bytes: 500, limit: 499 }));
}

#[test]
fn metadata_that_leaves_no_room_is_not_split() {
    let payload = Bytes::from_static(b"x");
    assert!(split(&metadata(1), &payload, 50).is_none());
    assert!(split(&metadata(1), &payload, 100).is_some());
}

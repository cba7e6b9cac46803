//! Records of 216 bytes with a fixed layout, in batches of the engine's usual size.

use millstream::batch::{BATCH_BYTES, NO_TIME, Origin, RecordBatch};

/// Batches that are prepared: as many as fill the queue between a reader and its worker, and one at each end of it.
pub(crate) const N_BATCHES: usize = 18;

/// Records of one batch.
pub(crate) const N_RECORDS: usize = BATCH_BYTES / (KEY_BYTES + VALUE_BYTES);

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 200;

/// The batches. One record in a hundred is marked as not valid.
pub(crate) fn prepare() -> Vec<RecordBatch> {
    let origin = Origin::new("replay", "replay", 0);
    let mut id = 0;
    let mut batch = || {
        let mut batch = RecordBatch::with_capacity(BATCH_BYTES, N_RECORDS);
        batch.set_origin(&origin);
        for _ in 0..N_RECORDS {
            id += 1;
            batch.push(Some(&key(id)), Some(&value(id)), NO_TIME, id);
        }
        batch
    };
    (0..N_BATCHES).map(|_| batch()).collect()
}

fn key(id: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&id.to_le_bytes());
    key
}

/// Words of eight bytes: the id, an amount, a time, a user, whether the record is valid, and others.
fn value(id: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    let (words, _) = value.as_chunks_mut::<8>();
    for (at, word) in (0..).zip(words) {
        let number = match at {
            0 => id,
            1 => id * 7 % 100,
            3 => id % 1000,
            4 => u64::from(!id.is_multiple_of(100)),
            _ => id * at,
        };
        *word = number.to_le_bytes();
    }
    value
}

//! Batches through a bounded crossbeam channel from one thread to another, and emptied ones back through a second.

use crossbeam_channel::bounded;
use millstream::batch::RecordBatch;

use crate::touch::touch;

/// Sends `n_batches`, in turns those of `batches`, over a channel of `n_slots`; returns the number and the sum of the records.
pub(crate) fn run(mut batches: Vec<RecordBatch>, n_batches: u64, n_slots: usize) -> (u64, u64) {
    let (send, receive) = bounded(n_slots);
    let (give_back, back) = bounded(batches.len());
    let reader = std::thread::spawn(move || {
        for _ in 0..n_batches {
            let batch = batches.pop().or_else(|| back.recv().ok());
            let batch = batch.expect("the other end gives every batch back");
            send.send(batch).expect("the other end takes all batches");
        }
    });
    let (mut n_records, mut sum) = (0, 0);
    for batch in receive {
        for record in batch.iter() {
            n_records += 1;
            sum += touch(record);
        }
        // The reader may have sent its last batch and gone.
        drop(give_back.send(batch));
    }
    reader.join().expect("the reader ends");
    (n_records, sum)
}

//! Fused or not, and however the input is cut into batches, stages mean what the same methods of iterators mean.

use std::sync::mpsc::channel;

use millstream_engine::Dataflow;
use millstream_engine::testing::{Harness, TestSource};
use millstream_operators::prelude::*;
use proptest::prelude::*;

/// What a dataflow of five stages makes of `numbers`, read in batches of at most `batch_records`.
fn streamed(numbers: &[u8], batch_records: usize, boxed: bool) -> Vec<u32> {
    let records = numbers
        .iter()
        .map(|n| millstream_engine::batch::OwnedRecord::of([*n]));
    let source = TestSource::new(records).with_batch_records(batch_records);
    let (send, seen) = channel();
    let flow = Dataflow::new("stages", move |flow| {
        let send = send.clone();
        let each = move |n| send.send(n).expect("somebody listens");
        let kept = flow
            .source("in", source.clone())
            .filter(|record| record.value_or_empty() != [13])
            .map(|record| u32::from(record.value_or_empty()[0]))
            .filter(|n| n % 3 != 0);
        if boxed {
            kept.boxed()
                .flat_map(|n| 0..n % 5)
                .boxed()
                .filter_map(|n| n.checked_sub(1))
                .boxed()
                .map(|n| n * 7)
                .for_each(each);
        } else {
            kept.flat_map(|n| 0..n % 5)
                .filter_map(|n| n.checked_sub(1))
                .map(|n| n * 7)
                .for_each(each);
        }
    });
    let mut harness = Harness::start(&flow).expect("the graph is sound");
    for _ in 0..4 {
        harness.run_until_idle().expect("nothing fails");
    }
    seen.try_iter().collect()
}

fn iterated(numbers: &[u8]) -> Vec<u32> {
    numbers
        .iter()
        .filter(|n| **n != 13)
        .map(|n| u32::from(*n))
        .filter(|n| n % 3 != 0)
        .flat_map(|n| 0..n % 5)
        .filter_map(|n| n.checked_sub(1))
        .map(|n| n * 7)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stages_mean_what_iterators_mean(
        numbers in proptest::collection::vec(any::<u8>(), 0..200),
        batch_records in 1..60_usize,
        boxed in any::<bool>(),
    ) {
        prop_assert_eq!(streamed(&numbers, batch_records, boxed), iterated(&numbers));
    }
}

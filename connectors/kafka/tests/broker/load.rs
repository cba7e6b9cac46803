//! The raw batch paths under load: a million records through several writers and readers at once.

use std::time::Instant;

use millstream_engine::batch::{NO_TIME, RecordBatch};
use millstream_engine::source::{Found, Source as _};

use crate::support::{Reading, Topic, Writing, broker, open_context};

const N_RECORDS: u64 = 1_000_000;
const N_THREADS: u64 = 4;

#[test]
fn million_records_survive_several_threads() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "load", 8);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let topic = &topic;
            scope.spawn(move || write(topic, thread));
        }
    });
    println!("written in {:?}", start.elapsed());
    let read_start = Instant::now();
    let open = open_context();
    let source = topic.source().until_end();
    let mut finder = source.finder(&open).expect("a finder");
    let wanted: Vec<_> =
        finder.find().expect("partitions").into_iter().map(|found| (found, None)).collect();
    let assignments = finder.resolve(&wanted, Found::AtStart).expect("positions");
    let sums = std::thread::scope(|scope| {
        let threads: Vec<_> = assignments
            .chunks(2)
            .map(|assignments| {
                let (source, open) = (&source, &open);
                scope.spawn(move || {
                    let mut reading = Reading::assigned(source, true, open, assignments);
                    let (mut n_records, mut sum) = (0, 0);
                    while let Some(batch) = reading.batch() {
                        n_records += batch.len() as u64;
                        sum +=
                            batch.iter().map(|record| number(record.value_or_empty())).sum::<u64>();
                    }
                    (n_records, sum)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    println!("read in {:?}", read_start.elapsed());
    assert_eq!(sums.iter().map(|(n_records, _)| n_records).sum::<u64>(), N_RECORDS);
    assert_eq!(sums.iter().map(|(_, sum)| sum).sum::<u64>(), N_RECORDS * (N_RECORDS - 1) / 2);
}

fn write(topic: &Topic, thread: u64) {
    let mut writing = Writing::open(&topic.sink());
    let mut batch = RecordBatch::default();
    let mut value = [b'.'; 150];
    let mine = (0..N_RECORDS).filter(|n| n % N_THREADS == thread);
    for (at, n) in mine.enumerate() {
        value[..8].copy_from_slice(&n.to_le_bytes());
        batch.push(Some(&(n % 9973).to_le_bytes()), Some(&value), NO_TIME, 0);
        if at % 17 == 0 {
            batch.push_header("header", Some(b"value"));
        }
        if batch.len() == 800 {
            writing.write(n, &batch);
            batch.clear();
        }
    }
    writing.write(N_RECORDS, &batch);
    assert!(writing.settle().is_empty());
}

fn number(value: &[u8]) -> u64 {
    let (number, rest) = value.split_first_chunk().expect("150 bytes");
    assert!(rest.iter().all(|byte| *byte == b'.'));
    u64::from_le_bytes(*number)
}

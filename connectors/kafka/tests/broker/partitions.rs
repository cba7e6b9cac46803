//! Many partitions, few of them used at first, dealt out to several workers.

use millstream_engine::batch::OwnedRecord;
use millstream_engine::testing::TestSink;
use millstream_engine::{Config, Dataflow, run};
use millstream_kafka::{Source, Start};

use crate::plain::Plain;
use crate::support::{LONG, Topic, broker};

const N_PARTITIONS: u32 = 50;

/// Runs to the end of what is there, on three workers; what was read, sorted.
fn read_on(source: &Source) -> Vec<String> {
    let (source, sink) = (source.clone().until_end(), TestSink::new());
    let out = sink.clone();
    let flow = Dataflow::new("fifty", move |flow| {
        flow.source("in", source.clone()).sink("out", out.clone());
    });
    let config = Config { workers: 3, ..Config::default() };
    run(&flow, config).expect("every partition ends, and so does the dataflow");
    sink.sorted_texts()
}

/// Ten records for a partition, each with its own text.
fn ten_for(partition: u32) -> Vec<OwnedRecord> {
    (0..10).map(|n| OwnedRecord::of(format!("{partition:02}-{n}"))).collect()
}

#[test]
fn partitions_empty_at_first_are_read_later_and_each_once() {
    let Some(brokers) = broker() else { return };
    let topic = Topic::new(&brokers, "fifty", 50);
    let source = topic.source().with_group(&topic.name);
    let plain = Plain::new(&brokers);
    let fill = |partition: u32| plain.produce(&topic.name, partition, &ten_for(partition), LONG);
    let texts = |partitions: std::ops::Range<u32>| -> Vec<String> {
        let records = partitions.flat_map(ten_for);
        records.filter_map(|record| record.text().map(str::to_owned)).collect()
    };
    fill(37);
    assert_eq!(read_on(&source), texts(37..38));
    (0..N_PARTITIONS).filter(|partition| *partition != 37).for_each(fill);
    let others: Vec<_> = texts(0..37).into_iter().chain(texts(38..N_PARTITIONS)).collect();
    // Where they would start without a position: behind what was written meanwhile.
    let later = source.with_start(Start::Latest);
    assert_eq!(read_on(&later), others);
    assert!(read_on(&later).is_empty(), "every position was committed");
}

//! Records with everything that a copy must keep, and a copy within this process.

use millstream::batch::OwnedRecord;
use millstream::copy::{Copied, Copying};
use millstream::memory::Broker;
use millstream::registry::Registry;
use millstream::url::ConnectorUrl;
use millstream::{Config, Result};

pub(crate) fn url(text: &str) -> ConnectorUrl {
    text.parse().expect("a URL")
}

/// What a record is: what a copy must keep of it.
type Content = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>, Option<i64>);

/// A record of every kind: with all there is, with nothing, a tombstone, empty key and value, bytes that are no text.
pub(crate) fn every_kind() -> Vec<OwnedRecord> {
    let time = Some(1_700_000_000_123);
    let full =
        OwnedRecord::of("{\"n\":1}").with_key("anna").with_header("a", "1").with_header("a", "2");
    let null_header = ("null".to_owned(), None);
    vec![
        OwnedRecord { time, headers: [full.headers.clone(), vec![null_header]].concat(), ..full },
        OwnedRecord { time, ..OwnedRecord::of("without a key") },
        OwnedRecord { time, value: None, ..OwnedRecord::default().with_key("tombstone") },
        OwnedRecord { time, ..OwnedRecord::of("").with_key("") },
        OwnedRecord { time, ..OwnedRecord::of([0xff, 0, 0xfe]).with_key([0x80]) },
    ]
}

/// The contents, in an order of their own: partitions have none between them.
pub(crate) fn contents(records: Vec<OwnedRecord>) -> Vec<Content> {
    let content = |r: OwnedRecord| (r.key, r.value, r.headers, r.time);
    let mut contents: Vec<_> = records.into_iter().map(content).collect();
    contents.sort();
    contents
}

/// A broker whose topic `in` has these records.
pub(crate) fn filled(records: &[OwnedRecord]) -> Broker {
    let broker = Broker::new();
    broker.create_topic("in", 2).expect("a new topic");
    let mut producer = broker.producer("in").expect("it exists");
    for record in records {
        producer.send(record).expect("the topic has room");
    }
    broker
}

/// Copies within this process, until the end.
pub(crate) fn copy(broker: &Broker, copying: &Copying) -> Result<Copied> {
    let registry = Registry::new().with_broker(broker).until_end();
    copying.run(&registry, Config { workers: 2, ..Config::default() }, |_so_far| {})
}

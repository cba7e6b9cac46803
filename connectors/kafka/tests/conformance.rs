//! Kafka keeps every promise of the two contracts, on a real broker: `MILLSTREAM_TEST_KAFKA` names it. Cases that stall it start
//! one of their own, through `scripts/brokers`.

#[expect(dead_code, reason = "other tests use the rest")]
mod own;
mod subject;

use subject::KafkaSubject;

millstream_conformance::conformance!(KafkaSubject::default());

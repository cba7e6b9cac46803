//! The promises of the contracts, on a real broker, in three modes of the source: `MILLSTREAM_TEST_PULSAR` and
//! `MILLSTREAM_TEST_PULSAR_HTTP` name it.

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../feed/mod.rs"]
mod feed;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../own/mod.rs"]
mod own;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../plain/mod.rs"]
mod plain;
mod subject;
#[path = "../../src/wire/mod.rs"]
#[expect(dead_code, reason = "the connector uses the rest")]
mod wire;

mod reader {
    millstream_conformance::conformance!(crate::subject::PulsarSubject::new(
        millstream_pulsar::Mode::Reader
    ));
}

mod exclusive {
    millstream_conformance::conformance!(crate::subject::PulsarSubject::new(
        millstream_pulsar::Mode::Exclusive
    ));
}

mod shared {
    millstream_conformance::conformance!(crate::subject::PulsarSubject::new(
        millstream_pulsar::Mode::Shared
    ));
}

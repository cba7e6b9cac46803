//! What programs rely on, shown on a real broker: `MILLSTREAM_TEST_PULSAR` names one as `host:port`, `MILLSTREAM_TEST_PULSAR_HTTP`
//! its admin as a URL; without them the tests say that they were skipped.

mod answers;
mod encoding;
mod faults_reading;
mod faults_writing;
#[path = "../feed/mod.rs"]
mod feed;
mod names;
#[path = "../own/mod.rs"]
mod own;
#[path = "../peer/mod.rs"]
mod peer;
#[path = "../plain/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod plain;
mod positions;
mod read;
mod reading;
mod routing;
mod subscriptions;
#[path = "../../src/wire/mod.rs"]
#[expect(dead_code, reason = "the connector uses the rest")]
mod wire;
mod write;
mod writing;

//! Who is let in and who is not, shown on a real broker: `MILLSTREAM_TEST_KAFKA_SECURE` names one, as `host:port` of its listener
//! in the clear, and `MILLSTREAM_TEST_KAFKA_SECURE_FOLDER` its certificates; without them the tests say that they were skipped.

mod certificates;
mod hidden;
mod logins;
mod permissions;
mod round_trip;
mod secure;
#[path = "../broker/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
mod tokens;

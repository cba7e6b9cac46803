//! What programs rely on, shown on a real broker: `MILLSTREAM_TEST_KAFKA` names one as `host:port`; without it the tests say that
//! they were skipped.

mod compression;
mod delivery;
mod errors;
mod load;
#[path = "../own/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod own;
#[path = "../subject/plain.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod plain;
mod positions;
mod round_trip;
mod routing;
mod support;

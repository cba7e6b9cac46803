//! What programs rely on, shown on a real broker: `MILLSTREAM_TEST_KAFKA` names one as `host:port`; without it the tests say that
//! they were skipped.

mod admin;
mod compression;
mod corrupt;
mod delivery;
mod ends;
mod errors;
mod given_up;
mod half_open;
mod interop;
mod java;
mod load;
mod made_again;
mod oversized;
#[path = "../own/mod.rs"]
mod own;
mod partitions;
#[path = "../subject/plain.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod plain;
mod positions;
#[path = "../proxy/mod.rs"]
mod proxy;
mod records;
mod round_trip;
mod routing;
mod support;
mod topics;

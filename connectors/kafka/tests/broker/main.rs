//! What programs rely on, shown on a real broker: `MILLSTREAM_TEST_KAFKA` names one as `host:port`; without it the tests say that
//! they were skipped.

mod delivery;
mod errors;
mod load;
mod positions;
mod round_trip;
mod support;

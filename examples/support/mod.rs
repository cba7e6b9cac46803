//! What the examples share: where the topics are, input to fill them with, and how a run is summed up.
#![expect(dead_code, unused_imports, reason = "every example uses a part of it")]

mod args;
mod counted;
mod fast;
mod feed;
mod fill;
mod look;
mod orders;
mod place;
mod read_back;
mod readings;
mod routed;
mod speed;
mod totals;
mod wanted;

pub(crate) use args::Args;
pub(crate) use counted::{records, table};
pub(crate) use orders::orders;
pub(crate) use place::Place;
pub(crate) use read_back::{key, reason};
pub(crate) use readings::readings;
pub(crate) use speed::Speed;
pub(crate) use totals::Totals;
pub(crate) use wanted::Wanted;

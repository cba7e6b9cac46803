//! Settings from URLs: what `Source::from_url` and `Sink::from_url` read.
//!
//! Invariant: a field is named as the setting that it sets; what a URL does not say stays at its default.

mod security;
mod sink;
mod source;

use millstream_engine::url::Fields;

use super::Options;

/// What the fields that belong to the client's options begin with.
const OPTION: &str = "option.";

fn options(fields: &mut Fields<'_>) -> Options {
    Options(fields.prefixed(OPTION).into_iter().collect())
}

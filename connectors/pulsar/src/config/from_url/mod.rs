//! Settings from URLs: what `Source::from_url` and `Sink::from_url` read.
//!
//! Invariant: a field is named as the setting that it sets; what a URL does not say stays at its default.

mod cluster;
mod sink;
mod source;

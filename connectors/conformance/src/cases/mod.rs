//! The cases: one function a promise. Each panics where the promise is broken.
//!
//! Invariant: every public function here is listed in [`crate::conformance!`].

pub mod dataflows;
pub mod ends;
pub mod errors;
pub mod full;
mod parts;
pub mod positions;
pub mod reading;
pub mod routing;
pub mod secrets;
pub mod writing;

use millstream_engine::sink::Sink;
use millstream_engine::source::Source;

use crate::run::Skipped;
use crate::subject::{SourceSetup, Subject};

fn source_of(
    subject: &dyn Subject,
    topic: &str,
    setup: &SourceSetup,
) -> Result<Box<dyn Source>, Skipped> {
    subject.source(topic, setup).ok_or(Skipped("the connector has no source with these settings"))
}

fn sink_of(subject: &dyn Subject, topic: &str) -> Result<Box<dyn Sink>, Skipped> {
    subject.sink(topic).ok_or(Skipped("the connector has no sink"))
}

fn needs(ability: bool, why: &'static str) -> Result<(), Skipped> {
    if ability { Ok(()) } else { Err(Skipped(why)) }
}

//! The case fails wherever a connector lets a secret slip.

use millstream_engine::batch::OwnedRecord;
use millstream_engine::sink::{SinkCapabilities, Writer};
use millstream_engine::source::{PartitionFinder, Reader, ReaderContext, SourceCapabilities};

use super::*;
use crate::run::assert_caught;
use crate::subject::Secretive;

/// Where the secret slips.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slip {
    Printed,
    Fault,
    Finder,
    Prepare,
    Writer,
}

/// A connector that cannot be opened, and lets its secret slip in one place, if any.
#[derive(Clone, Copy)]
struct Talkative(Option<Slip>);

impl Talkative {
    fn text(self, slip: Slip) -> String {
        if self.0 == Some(slip) {
            "password: canary".to_owned()
        } else {
            "password: ***".to_owned()
        }
    }

    fn error(self, slip: Slip) -> Error {
        Error::config("log in").with_source(self.text(slip))
    }
}

impl Source for Talkative {
    fn connector(&self) -> &'static str {
        "talkative"
    }

    fn capabilities(&self) -> SourceCapabilities {
        unimplemented!("the case does not ask")
    }

    fn faults(&self) -> Vec<Error> {
        vec![self.error(Slip::Fault)]
    }

    fn finder(&self, _: &OpenContext) -> EngineResult<Box<dyn PartitionFinder>> {
        Err(self.error(Slip::Finder))
    }

    fn reader(&self, _: ReaderContext) -> EngineResult<Box<dyn Reader>> {
        unimplemented!("no partition is ever found")
    }
}

impl Sink for Talkative {
    fn connector(&self) -> &'static str {
        "talkative"
    }

    fn target(&self) -> String {
        String::new()
    }

    fn capabilities(&self) -> SinkCapabilities {
        unimplemented!("the case does not ask")
    }

    fn prepare(&self, _: &OpenContext) -> EngineResult<()> {
        if self.0 == Some(Slip::Writer) { Ok(()) } else { Err(self.error(Slip::Prepare)) }
    }

    fn writer(&self, _: WriterContext) -> EngineResult<Box<dyn Writer>> {
        Err(self.error(Slip::Writer))
    }
}

impl Subject for Talkative {
    fn create_topic(&self, _n_partitions: u32) -> String {
        "topic".to_owned()
    }

    fn produce(&self, _topic: &str, _partition: u32, _records: &[OwnedRecord]) {}

    fn records(&self, _topic: &str, _n_expected: usize) -> Vec<OwnedRecord> {
        Vec::new()
    }

    fn secretive(&self, _topic: &str) -> Option<Secretive> {
        Some(Secretive {
            canaries: vec!["canary".to_owned()],
            printed: vec![self.text(Slip::Printed)],
            sources: vec![Box::new(*self)],
            sinks: vec![Box::new(*self)],
        })
    }
}

#[test]
fn discreet_connector_passes() {
    assert_eq!(secrets_are_shown_nowhere(&Talkative(None)), Ok(()));
}

#[test]
fn every_slip_is_caught() {
    for slip in [Slip::Printed, Slip::Fault, Slip::Finder, Slip::Prepare, Slip::Writer] {
        assert_caught(&Talkative(Some(slip)), secrets_are_shown_nowhere, "a secret is shown");
    }
}

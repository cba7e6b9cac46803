//! Checks a dataflow before anything opens: builds its graph once, on the caller's thread, and collects every fault.

use std::sync::Arc;

use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use super::Shared;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result, codes};
use crate::flow::{Build, Dataflow, Flow, Graph, Guarantee};
use crate::sink::Sink;
use crate::source::Source;

/// A dataflow whose graph was built once without a fault.
pub(crate) struct Plan {
    pub(crate) dataflow: Dataflow,
    pub(crate) sources: Vec<(Arc<str>, Box<dyn Source>)>,
    pub(crate) sinks: Vec<(Arc<str>, Box<dyn Sink>)>,
    pub(crate) fingerprint: String,
    pub(crate) graph: Graph,
}

impl Plan {
    /// Builds the graph and checks everything that can be checked without opening anything.
    pub(crate) fn check(dataflow: &Dataflow, config: &Config, clock: &SharedClock) -> Result<Self> {
        config.validate()?;
        let shared = Shared::new(Arc::clone(&dataflow.name), config.clone(), Arc::clone(clock), 0);
        let mut worker = Worker::new(
            timely::WorkerConfig::default(),
            Allocator::Thread(Thread::default()),
            None,
        );
        let build = Build::new(shared, 0);
        worker.dataflow(|scope| {
            (dataflow.build)(&Flow { scope, build: std::rc::Rc::clone(&build) });
        });
        let graph = Graph::of(&dataflow.name, &build);
        let sources: Vec<_> =
            build.sources.take().into_iter().map(|s| (s.name, s.source)).collect();
        let sinks: Vec<_> = build.sinks.take().into_iter().map(|s| (s.name, s.sink)).collect();
        let fingerprint = build.fingerprint();
        let mut faults = build.faults.take();
        faults.extend(capability_faults(config, &sources));
        if sources.is_empty() {
            faults.push(Error::new(
                ErrorKind::Config,
                codes::BAD_GRAPH,
                "build the graph: it has no source",
            ));
        }
        one_error(&dataflow.name, faults)?;
        Ok(Self { dataflow: dataflow.clone(), sources, sinks, fingerprint, graph })
    }

    /// Says what each pair of source and sink guarantees.
    pub(crate) fn log_guarantees(&self) {
        for (source_name, source) in &self.sources {
            for (sink_name, sink) in &self.sinks {
                let guarantee = Guarantee::of(source.capabilities(), sink.capabilities());
                tracing::info!(dataflow = %self.dataflow.name, "{source_name} -> {sink_name}: {guarantee}");
            }
        }
    }
}

fn capability_faults(config: &Config, sources: &[(Arc<str>, Box<dyn Source>)]) -> Vec<Error> {
    if config.restart.is_none() {
        return Vec::new();
    }
    let lost = sources.iter().filter(|(_, source)| {
        let can = source.capabilities();
        !can.replayable && !can.redelivers
    });
    lost.map(|(name, source)| {
        Error::new(
            ErrorKind::Config,
            codes::BAD_GRAPH,
            format!(
                "restart the dataflow within the process: {} cannot be read again",
                source.connector()
            ),
        )
        .at_step(name)
        .with_hint("Leave `restart` off, or read from a source that can be replayed.")
    })
    .collect()
}

/// All faults as one error: the first as it is, with the others after it.
fn one_error(dataflow: &str, mut faults: Vec<Error>) -> Result<()> {
    if faults.len() <= 1 {
        return faults.pop().map_or(Ok(()), Err);
    }
    let reports: Vec<String> = faults.iter().map(Error::report).collect();
    Err(Error::new(
        ErrorKind::Config,
        codes::BAD_GRAPH,
        format!("start dataflow \"{dataflow}\": {} faults", faults.len()),
    )
    .with_source(reports.join("\n")))
}

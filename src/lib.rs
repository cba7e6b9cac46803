//! millstream: a stream-processing dataflow engine for Rust programs, on timely dataflow.
//!
//! A program builds a graph of typed steps in a closure and runs it. Records come from sources, flow through operators that are
//! fused into one loop, and end in sinks, each of three styles: **direct** (the first record that cannot be processed or
//! delivered stops the dataflow), **error stream** (it leaves on a typed stream with its bytes and the reason), and **dynamic
//! routing** (a topic per record). Delivery is at least once: a source position is committed only when every sink has it durable.
//!
#![cfg_attr(feature = "memory", doc = include_str!("../README.md"))]
//!
//! # Where to look
//! | for | see |
//! |---|---|
//! | building a graph | [`Dataflow`], [`Flow`], [`Stream`], [`RecordStream`] |
//! | operators | [`operators`] |
//! | looking at a graph | [`Dataflow::graph`] |
//! | running | [`run`], [`start`], [`Config`] |
//! | formats | [`formats`] |
//! | connectors | [`memory`], [`mod@file`], [`generator`], [`stdio`], `kafka` (feature `kafka`), `pulsar` (feature `pulsar`) |
//! | tests without a broker | [`testing`] |
//! | connectors by URL, copying | [`registry`], [`copy`], [`url`] |
//! | a connector of your own | [`source`], [`sink`], [`batch`], `io` (feature `io`) |

pub mod copy;
pub mod registry;

#[cfg(feature = "io")]
pub use millstream_engine::io;
pub use millstream_engine::{
    BoxError, Config, Dataflow, DeadLetter, Error, ErrorKind, ErrorRecord, Flow, Handle, Preset,
    RecordStream, Result, Secret, Stream, batch, clock, config, error, flow, format, metrics,
    position, routing, run, runtime, secret, sink, source, stage, start, testing, url,
};
#[cfg(feature = "file")]
pub use millstream_file as file;
pub use millstream_formats as formats;
#[cfg(feature = "generator")]
pub use millstream_generator as generator;
#[cfg(feature = "kafka")]
pub use millstream_kafka as kafka;
#[cfg(feature = "memory")]
pub use millstream_memory as memory;
pub use millstream_operators as operators;
#[cfg(feature = "pulsar")]
pub use millstream_pulsar as pulsar;
#[cfg(feature = "stdio")]
pub use millstream_stdio as stdio;

/// What most programs need: the graph's types, every operator, the formats.
pub mod prelude {
    #[cfg(feature = "bincode")]
    pub use crate::formats::bincode;
    pub use crate::formats::{json, json_pretty, optional, postcard, raw, string};
    pub use crate::operators::prelude::*;
    pub use crate::{
        Config, Dataflow, DeadLetter, ErrorRecord, Flow, Preset, RecordStream, Stream,
    };
}

/// The programs of the guide, which must compile.
#[cfg(all(doctest, feature = "memory"))]
#[doc = include_str!("../docs/guide/error-streams.md")]
#[doc = include_str!("../docs/guide/full-queues.md")]
#[doc = include_str!("../docs/guide/writing-a-connector.md")]
#[doc = include_str!("../docs/guide/first-ten-minutes.md")]
#[doc = include_str!("../docs/guide/three-styles.md")]
#[doc = include_str!("../docs/guide/delivery.md")]
#[doc = include_str!("../docs/guide/tuning.md")]
mod guide {}

/// Those that need Pulsar.
#[cfg(all(doctest, feature = "pulsar"))]
#[doc = include_str!("../docs/guide/from-bytewax-pulsar.md")]
mod guide_of_pulsar {}

/// Allocations of the whole program through mimalloc: feature `mimalloc`.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

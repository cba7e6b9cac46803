//! The stream of records, as bytes.

use std::marker::PhantomData;
use std::panic::Location;

use super::boundary::concat;
use super::build::Flow;
use super::error_record::ErrorRecord;
use super::fused::RecordEdge;
use super::graph::Leaving;
use super::item_stream::{Parts, Stream};
use super::ports::Ports;
use super::sink_operator::{Undelivered, install_sink};
use super::source_operator::SourceRef;
use crate::batch::RecordBatch;
use crate::sink::Sink;
use crate::stage::{
    Caught, Chain, ErrorsHandled, FromBatches, FromSource, Head, RecordChain, RecordOut, Records,
    Route, StepId,
};

/// A stream of records, as bytes with key, headers, time and position.
///
/// Order within a source's partition is kept. `C` is the chain of stages so far, fused into one operator; a plain
/// `RecordStream<'_>` starts in a buffer (see [`RecordStream::boxed`]).
#[must_use = "a stream does nothing until it ends in a sink"]
pub struct RecordStream<'s, C: RecordChain = Records<FromBatches>> {
    pub(crate) parts: Parts<'s, C::Head>,
    pub(crate) chain: C,
}

impl<C: RecordChain> std::fmt::Debug for RecordStream<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordStream").finish_non_exhaustive()
    }
}

impl<'s> RecordStream<'s, Records<FromSource>> {
    pub(crate) fn from_source(flow: Flow<'s>, handle: SourceRef, step: StepId) -> Self {
        Self { parts: Parts::new(flow, handle, step), chain: Records(PhantomData) }
    }
}

impl<'s> RecordStream<'s, Records<FromSource>> {
    /// The source's own errors leave at port 0 of its operator.
    pub(crate) fn from_source_with_errors(
        flow: Flow<'s>,
        handle: SourceRef,
        step: StepId,
    ) -> (Self, Stream<'s, ErrorRecord>) {
        let mut stream = Self::from_source(flow, handle, step);
        let (_route, errors) = stream.parts.split();
        (stream, errors)
    }
}

impl<'s> RecordStream<'s> {
    pub(crate) fn from_edge(
        flow: Flow<'s>,
        edge: RecordEdge<'s>,
        from: impl Into<Leaving>,
    ) -> Self {
        Self { parts: Parts::new(flow, edge, from), chain: Records(PhantomData) }
    }

    /// The edge that a plain stream starts with, on to another operator.
    fn into_edge(self) -> RecordEdge<'s> {
        self.parts.unused.used();
        self.parts.handle
    }
}

impl<'s, C: RecordChain> RecordStream<'s, C> {
    pub(crate) fn from_parts(parts: Parts<'s, C::Head>, chain: C) -> Self {
        Self { parts, chain }
    }

    /// Adds a stage of `kind` that makes items of records: for operators, which call it from a method marked
    /// `#[track_caller]`.
    #[track_caller]
    pub fn stage<U: 'static, D: Chain<U, Head = C::Head>>(
        mut self,
        kind: &'static str,
        add: impl FnOnce(C, StepId) -> D,
    ) -> Stream<'s, U, D> {
        let id = self.parts.stage(kind, Location::caller());
        Stream::from_parts(self.parts, add(self.chain, id))
    }

    /// Adds a stage that keeps records: for operators.
    #[track_caller]
    pub fn record_stage<D: RecordChain<Head = C::Head>>(
        mut self,
        kind: &'static str,
        add: impl FnOnce(C, StepId) -> D,
    ) -> RecordStream<'s, D> {
        let id = self.parts.stage(kind, Location::caller());
        RecordStream::from_parts(self.parts, add(self.chain, id))
    }

    /// Names the step added last; the name appears in errors and metrics. Two steps of one name are refused.
    pub fn named(self, name: &str) -> Self {
        self.parts.name_last(name);
        self
    }

    /// Hands the stream to a function and goes on with what it returns.
    pub fn through<R>(self, function: impl FnOnce(Self) -> R) -> R {
        function(self)
    }

    /// The errors so far leave on a stream of their own; the good records go on in the same operator.
    pub fn split_errors(mut self) -> (RecordStream<'s, Caught<C>>, Stream<'s, ErrorRecord>) {
        let (route, errors) = self.parts.split();
        (RecordStream::from_parts(self.parts, Caught { chain: self.chain, route }), errors)
    }

    /// The first error so far stops the dataflow, with its position (direct style).
    pub fn errors_fail(self) -> RecordStream<'s, Caught<C>> {
        RecordStream::from_parts(self.parts, Caught { chain: self.chain, route: Route::Stop })
    }

    /// Errors so far are counted and dropped.
    pub fn errors_drop(self) -> RecordStream<'s, Caught<C>> {
        RecordStream::from_parts(self.parts, Caught { chain: self.chain, route: Route::Drop })
    }

    /// Ends the chain in a buffer: a plain stream type, for the signatures of functions. One more operator.
    pub fn boxed(self) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled,
    {
        let (flow, edge, from) = self.lower("boxed");
        RecordStream::from_edge(flow, edge, from)
    }

    /// The same records on two streams; each batch is copied once.
    pub fn fork(self) -> (RecordStream<'s>, RecordStream<'s>)
    where
        C::Errors: ErrorsHandled,
    {
        let (flow, edge, from) = self.lower("fork");
        (
            RecordStream::from_edge(flow.clone(), edge.clone(), from),
            RecordStream::from_edge(flow, edge, from),
        )
    }

    /// Joins this stream with others; order within each is kept, between them not.
    #[track_caller]
    pub fn merge_all(mut self, others: Vec<RecordStream<'s>>) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled,
    {
        let merge = self.parts.stage("merge", Location::caller());
        for other in &others {
            other.parts.leads_to(merge);
        }
        let (flow, edge, from) = self.lower("merge");
        let mut edges = vec![edge];
        edges.extend(others.into_iter().map(RecordStream::into_edge));
        let merged = concat(&flow, edges);
        RecordStream::from_edge(flow, merged, from)
    }

    /// Ends the stream in a sink named `name`, direct style: a record that cannot be delivered stops the dataflow.
    ///
    /// # Delivery
    /// At least once where the sink confirms: an epoch is durable, and its source positions may be stored, only when the other
    /// side has confirmed every record of it. Order per key is the connector's.
    #[track_caller]
    pub fn sink(self, name: &str, sink: impl Sink)
    where
        C::Errors: ErrorsHandled,
    {
        let step = self.parts.flow.build.step("sink", Some(name), Location::caller());
        self.parts.leads_to(step);
        let (flow, edge, _) = self.lower("encode");
        install_sink(&flow, edge, step, Box::new(sink), Undelivered::Stop);
    }

    /// Ends the stream in a sink and returns the stream of what could not be delivered: records with their bytes and the reason.
    ///
    /// # Delivery
    /// As [`RecordStream::sink`]; a rejected record counts as delivered only when its error is durable where it went.
    #[track_caller]
    pub fn sink_with_errors(self, name: &str, sink: impl Sink) -> Stream<'s, ErrorRecord>
    where
        C::Errors: ErrorsHandled,
    {
        let step = self.parts.flow.build.step("sink", Some(name), Location::caller());
        self.parts.leads_to(step);
        let (flow, edge, _) = self.lower("encode");
        let errors = install_sink(&flow, edge, step, Box::new(sink), Undelivered::Stream);
        Stream::from_edge(flow, errors, Leaving::errors(step))
    }

    /// One fused operator up to here; a chain that only drops records passes the batches themselves on.
    pub(crate) fn lower(self, kind: &'static str) -> (Flow<'s>, RecordEdge<'s>, Leaving) {
        let pool = self.parts.flow.batch_pool();
        let mut chain = self.chain;
        let body = move |batch: &mut <C::Head as Head>::Batch,
                         ports: &mut Ports<'_, RecordBatch>| {
            if let Some(batch) = chain.in_place(batch) {
                if !batch.is_empty() {
                    ports.give(batch);
                }
                return;
            }
            let mut out = RecordOut::new(ports, &pool);
            chain.drive(batch, &mut out);
            out.finish();
        };
        self.parts.install(kind, body)
    }
}

//! The stream of the program's own types.

use std::marker::PhantomData;
use std::panic::Location;

use timely::dataflow::operators::core::feedback::{ConnectLoop, Feedback, Handle};

use super::boundary::{Line, concat, settle};
use super::build::{Flow, Unused};
use super::error_record::ErrorRecord;
use super::fused::{ErrorBatch, ItemEdge, Outputs, TimelyStream, Wiring};
use super::graph::Leaving;
use super::pool::Pool;
use crate::stage::{
    Caught, Chain, ErrorsHandled, Head, ItemBatch, ItemOut, Items, OriginAtHand, OriginsKept,
    Output, Route, StepId,
};

/// Containers kept for reuse between two operators.
pub(crate) const POOLED_CONTAINERS: usize = 16;

/// Containers of errors kept for reuse per error stream.
const POOLED_ERRORS: usize = 4;

/// A stream of items of the program's own type `T`.
///
/// Order within a source's partition is kept until the stream crosses workers. `C` is the chain of stages so far, fused into one
/// operator; a plain `Stream<'_, T>`, as users' functions name it, starts in a buffer (see [`Stream::boxed`]).
#[must_use = "a stream does nothing until it ends in a sink"]
pub struct Stream<'s, T: 'static, C: Chain<T> = Items<T>> {
    pub(crate) parts: Parts<'s, C::Head>,
    pub(crate) chain: C,
    item: PhantomData<fn() -> T>,
}

impl<T: 'static, C: Chain<T>> std::fmt::Debug for Stream<'_, T, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("item", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}

/// What an open chain carries beside its stages, whatever its kind.
pub(crate) struct Parts<'s, H: Head> {
    pub(crate) flow: Flow<'s>,
    pub(crate) handle: H::Handle<'s>,
    /// Where the chain begins.
    pub(crate) from: Leaving,
    /// The step it begins at, and then its own.
    pub(crate) stages: Vec<StepId>,
    pub(crate) errors: Vec<LateErrors<'s>>,
    pub(crate) unused: Unused,
}

/// An error stream that exists before the operator that feeds it. Never connected, it is fed by nothing.
pub(crate) struct LateErrors<'s> {
    flow: Flow<'s>,
    handle: Option<Handle<'s, u64, ErrorBatch>>,
    pool: Pool<ErrorBatch>,
}

impl<'s> LateErrors<'s> {
    fn connect(mut self, errors: TimelyStream<'s, ErrorBatch>) {
        if let Some(handle) = self.handle.take() {
            errors.connect_loop(handle);
        }
    }
}

impl Drop for LateErrors<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            timely::dataflow::operators::generic::operator::empty(self.flow.scope)
                .connect_loop(handle);
        }
    }
}

impl<'s, H: Head> Parts<'s, H> {
    pub(crate) fn new(flow: Flow<'s>, handle: H::Handle<'s>, from: impl Into<Leaving>) -> Self {
        let from = from.into();
        let unused = Unused::new(&flow.build, from.step, "the stream");
        Self { flow, handle, from, stages: vec![from.step], errors: Vec::new(), unused }
    }

    /// Adds a stage that the program added at `line`.
    pub(crate) fn stage(&mut self, kind: &'static str, line: Line) -> StepId {
        let id = self.flow.build.step(kind, None, line);
        self.leads_to(id);
        self.stages.push(id);
        id
    }

    /// Notes that the stream goes on in `step`.
    pub(crate) fn leads_to(&self, step: StepId) {
        self.flow.build.connect(self.leaving(), step);
    }

    /// Where the stream comes from, as it is now.
    fn leaving(&self) -> Leaving {
        match self.stages.as_slice() {
            [_, .., last] => (*last).into(),
            _ => self.from,
        }
    }

    /// Names the stage added last.
    pub(crate) fn name_last(&self, name: &str) {
        if let Some(last) = self.stages.last() {
            self.flow.build.name(*last, name);
        }
    }

    /// The errors so far, as a stream that exists before its operator; and the route that leads there.
    pub(crate) fn split(&mut self) -> (Route, Stream<'s, ErrorRecord>) {
        let port = u8::try_from(self.errors.len()).expect("a chain has at most 255 error streams");
        let (handle, errors) = self.flow.scope.feedback::<ErrorBatch>(0);
        let pool = Pool::new(POOLED_ERRORS);
        let late = LateErrors { flow: self.flow.clone(), handle: Some(handle), pool: pool.clone() };
        self.errors.push(late);
        let step = self.stages.last().copied().unwrap_or(StepId(0));
        let from = Leaving::errors(step);
        let mut stream = Stream::from_pooled_edge(self.flow.clone(), errors, from, pool);
        let unused = Unused::new(&self.flow.build, step, "the error stream");
        std::mem::replace(&mut stream.parts.unused, unused).used();
        (Route::Stream(port), stream)
    }

    /// Lowers the chain to one operator.
    pub(crate) fn install<O: Output>(
        self,
        kind: &'static str,
        body: impl super::fused::Body<H::Batch, O>,
    ) -> (Flow<'s>, TimelyStream<'s, O>, Leaving) {
        let leaving = self.leaving();
        let step = leaving.step;
        let pools = self.errors.iter().map(|late| late.pool.clone()).collect();
        let wiring = Wiring { kind, step, stages: self.stages, errors: pools };
        let Outputs { ok, errors } = H::install(self.handle, &self.flow, &wiring, body);
        for (late, stream) in self.errors.into_iter().zip(errors) {
            late.connect(stream);
        }
        self.unused.used();
        (self.flow, ok, leaving)
    }
}

impl<'s, T: 'static> Stream<'s, T> {
    /// A stream that starts in a buffer: what `boxed` and the boundaries return.
    pub(crate) fn from_edge(
        flow: Flow<'s>,
        edge: TimelyStream<'s, ItemBatch<T>>,
        from: impl Into<Leaving>,
    ) -> Self {
        Self::from_pooled_edge(flow, edge, from, Pool::new(POOLED_CONTAINERS))
    }

    /// The same, where the containers come from `pool` and go back there.
    pub(crate) fn from_pooled_edge(
        flow: Flow<'s>,
        edge: TimelyStream<'s, ItemBatch<T>>,
        from: impl Into<Leaving>,
        pool: Pool<ItemBatch<T>>,
    ) -> Self {
        let edge = ItemEdge { edge, pool };
        Self { parts: Parts::new(flow, edge, from), chain: Items(PhantomData), item: PhantomData }
    }
}

impl<'s, T: 'static> Stream<'s, T> {
    /// The edge that a plain stream starts with, on to another operator.
    fn into_edge(self) -> TimelyStream<'s, ItemBatch<T>> {
        self.parts.unused.used();
        self.parts.handle.edge
    }
}

impl<'s, T: 'static, C: Chain<T>> Stream<'s, T, C> {
    pub(crate) fn from_parts(parts: Parts<'s, C::Head>, chain: C) -> Self {
        Self { parts, chain, item: PhantomData }
    }

    /// Adds a stage of `kind`: for operators, which call it from a method marked `#[track_caller]`.
    #[track_caller]
    pub fn stage<U: 'static, D: Chain<U, Head = C::Head>>(
        mut self,
        kind: &'static str,
        add: impl FnOnce(C, StepId) -> D,
    ) -> Stream<'s, U, D> {
        let id = self.parts.stage(kind, Location::caller());
        Stream::from_parts(self.parts, add(self.chain, id))
    }

    /// Adds a stage that makes records of items: for operators.
    #[track_caller]
    pub fn record_stage<D: crate::stage::RecordChain<Head = C::Head>>(
        mut self,
        kind: &'static str,
        add: impl FnOnce(C, StepId) -> D,
    ) -> super::RecordStream<'s, D> {
        let id = self.parts.stage(kind, Location::caller());
        super::RecordStream::from_parts(self.parts, add(self.chain, id))
    }

    /// Names the step added last; the name appears in errors and metrics. Two steps of one name are refused.
    pub fn named(self, name: &str) -> Self {
        self.parts.name_last(name);
        self
    }

    /// Keeps the origin of every item from here on, so that errors beyond boundaries too name connector, topic, partition and
    /// position of the record that the item came from.
    ///
    /// It goes with the item through every boundary: `boxed`, `fork`, `merge`, `branch`, `split`, `route`, `rebalance`,
    /// `broadcast`. It costs eight bytes per item in every container, and a table of origins per container; a program that does
    /// not ask pays nothing. Bytes of the record are not kept: for those of the item see `try_map_with`. Streams that are merged
    /// ask each for itself.
    pub fn with_origin(self) -> Stream<'s, T, OriginsKept<C>>
    where
        C::Origin: OriginAtHand,
    {
        Stream::from_parts(self.parts, OriginsKept(self.chain))
    }

    /// Hands the stream to a function and goes on with what it returns.
    pub fn through<R>(self, function: impl FnOnce(Self) -> R) -> R {
        function(self)
    }

    /// The errors so far leave on a stream of their own; the good items go on in the same operator.
    pub fn split_errors(mut self) -> (Stream<'s, T, Caught<C>>, Stream<'s, ErrorRecord>) {
        let (route, errors) = self.parts.split();
        (Stream::from_parts(self.parts, Caught { chain: self.chain, route }), errors)
    }

    /// The first error so far stops the dataflow, with its position (direct style).
    pub fn errors_fail(self) -> Stream<'s, T, Caught<C>> {
        Stream::from_parts(self.parts, Caught { chain: self.chain, route: Route::Stop })
    }

    /// Errors so far are counted and dropped.
    pub fn errors_drop(self) -> Stream<'s, T, Caught<C>> {
        Stream::from_parts(self.parts, Caught { chain: self.chain, route: Route::Drop })
    }

    /// Ends the chain in a buffer: a plain stream type, for the signatures of functions. One more operator.
    pub fn boxed(self) -> Stream<'s, T>
    where
        C::Errors: ErrorsHandled,
    {
        let pool = Pool::new(POOLED_CONTAINERS);
        let (flow, edge, from) = self.lower("boxed", pool.clone());
        Stream::from_pooled_edge(flow, edge, from, pool)
    }

    /// The same items on two streams; each item is cloned once.
    pub fn fork(self) -> (Stream<'s, T>, Stream<'s, T>)
    where
        T: Clone,
        C::Errors: ErrorsHandled,
    {
        let (flow, edge, from) = self.lower("fork", Pool::new(0));
        (Stream::from_edge(flow.clone(), edge.clone(), from), Stream::from_edge(flow, edge, from))
    }

    /// Joins this stream with others of the same type; order within each is kept, between them not.
    #[track_caller]
    pub fn merge_all(mut self, others: Vec<Stream<'s, T>>) -> Stream<'s, T>
    where
        C::Errors: ErrorsHandled,
    {
        let step = self.parts.stage("merge", Location::caller());
        for other in &others {
            other.parts.leads_to(step);
        }
        let (flow, edge, _) = self.lower("merge", Pool::new(0));
        let mut edges = vec![edge];
        edges.extend(others.into_iter().map(Stream::into_edge));
        let merged = concat(&flow, edges);
        Stream::from_edge(flow, merged, step)
    }

    /// Workers of the whole dataflow.
    pub fn n_workers(&self) -> usize {
        self.parts.flow.n_workers()
    }

    /// Calls `each` with every item and ends the stream there: it counts as delivered once `each` has returned.
    #[track_caller]
    pub fn for_each(mut self, mut each: impl FnMut(T) + 'static)
    where
        C::Errors: ErrorsHandled,
    {
        let id = self.parts.stage("for_each", Location::caller());
        let mut chain = self.chain;
        let body = move |batch: &mut <C::Head as Head>::Batch,
                         ports: &mut super::Ports<'_, ItemBatch<()>>| {
            let mut out = crate::stage::EachOut { each: &mut each, step: id, ports };
            chain.drive(batch, &mut out);
        };
        let (flow, edge, _) = self.parts.install("for_each", body);
        settle(&flow, edge);
    }

    /// Ends the stream without looking at its items.
    #[track_caller]
    pub fn discard(self)
    where
        C::Errors: ErrorsHandled,
    {
        self.for_each(drop);
    }

    /// One fused operator up to here, whose containers come from `pool`.
    fn lower(
        self,
        kind: &'static str,
        pool: Pool<ItemBatch<T>>,
    ) -> (Flow<'s>, TimelyStream<'s, ItemBatch<T>>, Leaving) {
        let mut chain = self.chain;
        let body = move |batch: &mut <C::Head as Head>::Batch,
                         ports: &mut super::Ports<'_, ItemBatch<T>>| {
            let mut out = ItemOut::new(ports, &pool);
            chain.drive(batch, &mut out);
            out.finish();
        };
        self.parts.install(kind, body)
    }
}

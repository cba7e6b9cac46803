//! Streams that part into several, or change worker: the engine's half of `branch`, `split`, `route`, `rebalance`, `broadcast`.
//!
//! Invariant: one worker needs no exchange, so none is built there; closures of the program are called all the same.

use std::panic::Location;

use super::boundary::Exchangeable;
use super::build::Flow;
use super::fused::{Outputs, TimelyStream, Wiring, install_unary};
use super::item_stream::{POOLED_CONTAINERS, Stream};
use super::lane::{Laned, TakesLanes, in_turn, part, to_lanes};
use super::pool::Pool;
use super::ports::Ports;
use super::record_stream::RecordStream;
use crate::batch::RecordBatch;
use crate::stage::{
    Chain, ErrorsHandled, EveryOut, Head, ItemBatch, Lanes, PickOut, RecordChain, StepId,
};

impl<'s, T: 'static, C: Chain<T>> Stream<'s, T, C>
where
    C::Errors: ErrorsHandled,
{
    /// Parts the stream into `n` streams of the same worker: each item goes to the one that `pick` names. For operators, which
    /// see to it that `pick` stays below `n`.
    #[track_caller]
    pub fn part_by(
        mut self,
        kind: &'static str,
        n: usize,
        pick: impl FnMut(&T) -> usize + 'static,
    ) -> Vec<Stream<'s, T>> {
        let line = Location::caller();
        let step = self.parts.stage(kind, line);
        if n == 0 {
            let what = format!("build the graph: `{kind}` parts a stream into no streams");
            let hint = "Part it into at least one, or end it with `.discard()`.";
            self.parts.flow.build.fault(what, &line.to_string(), hint);
        }
        let pool = Pool::new(POOLED_CONTAINERS);
        let (flow, laned) = self.pick::<Laned<ItemBatch<T>>>((kind, step, n), pick, pool.clone());
        // The number of streams belongs to what must be equal on all workers.
        flow.build.operator(&format!("{kind} {n}"), &[step]);
        let stream = |edge| Stream::from_pooled_edge(flow.clone(), edge, step, pool.clone());
        part(&flow, laned, kind, n).into_iter().map(stream).collect()
    }

    /// Sends each item to the worker that `route` names, modulo the number of workers. For operators.
    #[track_caller]
    pub fn exchange_by(
        mut self,
        kind: &'static str,
        mut route: impl FnMut(&T) -> u64 + 'static,
    ) -> Stream<'s, T>
    where
        T: Exchangeable,
    {
        let step = self.parts.stage(kind, Location::caller());
        let n = self.n_workers();
        let n_lanes = n as u64;
        // Below the number of workers, and so a `usize`.
        let pick = move |item: &T| usize::try_from(route(item) % n_lanes).unwrap_or(0);
        let pool = Pool::new(POOLED_CONTAINERS);
        let (flow, edge) = if n == 1 {
            self.pick((kind, step, n), pick, pool.clone())
        } else {
            let (flow, laned) = self.pick((kind, step, n), pick, pool.clone());
            let edge = to_lanes(&flow, laned, kind);
            (flow, edge)
        };
        Stream::from_pooled_edge(flow, edge, step, pool)
    }

    /// Sends each item to every worker. For operators.
    #[track_caller]
    pub fn to_every_worker(mut self, kind: &'static str) -> Stream<'s, T>
    where
        T: Exchangeable + Clone,
    {
        let step = self.parts.stage(kind, Location::caller());
        let n = self.n_workers();
        let pool = Pool::new(POOLED_CONTAINERS);
        let (flow, edge) = if n == 1 {
            self.copy((kind, step, n), pool.clone())
        } else {
            let (flow, laned) = self.copy((kind, step, n), pool.clone());
            let edge = to_lanes(&flow, laned, kind);
            (flow, edge)
        };
        Stream::from_pooled_edge(flow, edge, step, pool)
    }

    /// One fused operator up to here, whose items go to the lanes that `pick` names.
    fn pick<O: TakesLanes<ItemBatch<T>>>(
        self,
        (kind, step, n): (&'static str, StepId, usize),
        mut pick: impl FnMut(&T) -> usize + 'static,
        pool: Pool<ItemBatch<T>>,
    ) -> (Flow<'s>, TimelyStream<'s, O>) {
        let mut chain = self.chain;
        let mut lanes: Vec<ItemBatch<T>> = (0..n).map(|_| ItemBatch::default()).collect();
        let body = move |batch: &mut <C::Head as Head>::Batch, ports: &mut Ports<'_, O>| {
            let mut out = PickOut {
                lanes: Lanes { ports, pool: &pool, open: &mut lanes },
                pick: &mut pick,
                step,
            };
            chain.drive(batch, &mut out);
            out.finish();
        };
        let (flow, stream, _) = self.parts.install(kind, body);
        (flow, stream)
    }

    /// One fused operator up to here, whose items go to all lanes.
    fn copy<O: TakesLanes<ItemBatch<T>>>(
        self,
        (kind, step, n): (&'static str, StepId, usize),
        pool: Pool<ItemBatch<T>>,
    ) -> (Flow<'s>, TimelyStream<'s, O>)
    where
        T: Clone,
    {
        let mut chain = self.chain;
        let mut lanes: Vec<ItemBatch<T>> = (0..n).map(|_| ItemBatch::default()).collect();
        let body = move |batch: &mut <C::Head as Head>::Batch, ports: &mut Ports<'_, O>| {
            let mut out = EveryOut { lanes: Lanes { ports, pool: &pool, open: &mut lanes }, step };
            chain.drive(batch, &mut out);
            out.finish();
        };
        let (flow, stream, _) = self.parts.install(kind, body);
        (flow, stream)
    }
}

impl<'s, C: RecordChain> RecordStream<'s, C>
where
    C::Errors: ErrorsHandled,
{
    /// Sends whole batches to one worker after the other. For operators.
    #[track_caller]
    pub fn to_workers_in_turn(mut self, kind: &'static str) -> RecordStream<'s> {
        self.parts.stage(kind, Location::caller());
        let (flow, mut edge, from) = self.lower(kind);
        if flow.n_workers() > 1 {
            edge = in_turn(&flow, edge, kind);
        }
        RecordStream::from_edge(flow, edge, from)
    }

    /// Sends each batch to every worker. For operators.
    #[track_caller]
    pub fn to_every_worker(mut self, kind: &'static str) -> RecordStream<'s> {
        let step = self.parts.stage(kind, Location::caller());
        let (flow, mut edge, _) = self.lower(kind);
        if flow.n_workers() > 1 {
            let laned = copies(&flow, edge, kind, step);
            edge = to_lanes(&flow, laned, kind);
        } else {
            // The graph is checked with one worker, and must then equal that of many.
            flow.build.operator(kind, &[step]);
        }
        RecordStream::from_edge(flow, edge, step)
    }
}

/// A copy of every batch per worker; the last is the batch itself.
fn copies<'s>(
    flow: &Flow<'s>,
    input: TimelyStream<'s, RecordBatch>,
    kind: &'static str,
    step: StepId,
) -> TimelyStream<'s, Laned<RecordBatch>> {
    let last = flow.n_workers() - 1;
    let wiring = Wiring { kind, step, stages: vec![step], errors: Vec::new() };
    let body = move |batch: &mut RecordBatch, ports: &mut Ports<'_, Laned<RecordBatch>>| {
        for lane in 0..last {
            ports.give(&mut Laned::from_lane(lane, batch.clone()));
        }
        ports.give(&mut Laned::from_lane(last, std::mem::take(batch)));
    };
    let Outputs { ok, .. } = install_unary(input, flow, &wiring, body, drop);
    ok
}

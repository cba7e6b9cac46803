//! `rebalance`: evens out what the workers have to do.

use millstream_engine::flow::Exchangeable;
use millstream_engine::stage::{Chain, ErrorsHandled, RecordChain};
use millstream_engine::{RecordStream, Stream};

/// `rebalance` on streams of items.
pub trait RebalanceItems<'s, T: 'static, C: Chain<T>> {
    /// Sends the items to all workers in turn.
    ///
    /// **Order is not kept**, not even within a partition: neighbours go to different workers. Emits at once · no state. A
    /// boundary. Worth it where a source has fewer partitions than there are workers and what follows costs more than about a
    /// microsecond per item. With one worker nothing moves.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{TestSource, run_on};
    /// use millstream_engine::{Dataflow, run};
    /// use millstream_operators::prelude::*;
    /// use std::collections::HashMap;
    /// use std::sync::mpsc;
    ///
    /// run_on([1, 2, 4], |config| {
    ///     let n_workers = config.workers;
    ///     let (send, seen) = mpsc::channel();
    ///     let flow = Dataflow::new("work", move |flow| {
    ///         let send = send.clone();
    ///         flow.source("in", TestSource::new(["item"; 8]))
    ///             .map(|record| record.position())
    ///             .rebalance()
    ///             .for_each(move |_| send.send(std::thread::current().id()).unwrap());
    ///     });
    ///     run(&flow, config).unwrap();
    ///     let mut items_of = HashMap::new();
    ///     seen.try_iter().for_each(|worker| *items_of.entry(worker).or_insert(0) += 1);
    ///     assert!(items_of.values().all(|n| *n == 8 / n_workers));
    /// });
    /// ```
    fn rebalance(self) -> Stream<'s, T>
    where
        T: Exchangeable,
        C::Errors: ErrorsHandled;
}

impl<'s, T: 'static, C: Chain<T>> RebalanceItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn rebalance(self) -> Stream<'s, T>
    where
        T: Exchangeable,
        C::Errors: ErrorsHandled,
    {
        let mut turn = 0_u64;
        self.exchange_by("rebalance", move |_| {
            turn = turn.wrapping_add(1);
            turn
        })
    }
}

/// `rebalance` on streams of records.
pub trait RebalanceRecords<'s, C: RecordChain> {
    /// Sends whole batches to all workers in turn; batches move, nothing is copied within a process.
    ///
    /// Order kept within a batch, **not beyond**. Emits at once · no state. A boundary. With one worker nothing moves.
    fn rebalance(self) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled;
}

impl<'s, C: RecordChain> RebalanceRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn rebalance(self) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled,
    {
        self.to_workers_in_turn("rebalance")
    }
}

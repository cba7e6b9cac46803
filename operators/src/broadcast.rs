//! `broadcast`: every worker gets everything.

use millstream_engine::flow::Exchangeable;
use millstream_engine::stage::{Chain, ErrorsHandled, RecordChain};
use millstream_engine::{RecordStream, Stream};

/// `broadcast` on streams of items.
pub trait BroadcastItems<'s, T: 'static, C: Chain<T>> {
    /// Sends every item to all workers, each of which works on a clone of its own.
    ///
    /// Order kept per sending worker · emits at once · no state. A boundary. What follows happens once per worker: a sink
    /// behind a broadcast writes every item as often as there are workers. With one worker nothing is cloned.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{TestSource, run_on};
    /// use millstream_engine::{Dataflow, run};
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// run_on([1, 2], |config| {
    ///     let n_workers = config.workers;
    ///     let (send, seen) = mpsc::channel();
    ///     let flow = Dataflow::new("rules", move |flow| {
    ///         let send = send.clone();
    ///         flow.source("in", TestSource::new(["rule"]))
    ///             .map(|record| record.value_or_empty().len())
    ///             .broadcast()
    ///             .for_each(move |n| send.send(n).unwrap());
    ///     });
    ///     run(&flow, config).unwrap();
    ///     assert_eq!(seen.try_iter().collect::<Vec<_>>(), vec![4; n_workers]);
    /// });
    /// ```
    fn broadcast(self) -> Stream<'s, T>
    where
        T: Exchangeable + Clone,
        C::Errors: ErrorsHandled;
}

impl<'s, T: 'static, C: Chain<T>> BroadcastItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn broadcast(self) -> Stream<'s, T>
    where
        T: Exchangeable + Clone,
        C::Errors: ErrorsHandled,
    {
        self.to_every_worker("broadcast")
    }
}

/// `broadcast` on streams of records.
pub trait BroadcastRecords<'s, C: RecordChain> {
    /// Sends every record to all workers: each batch is copied once per further worker.
    ///
    /// Order kept per sending worker · emits at once · no state. A boundary. What follows happens once per worker.
    fn broadcast(self) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled;
}

impl<'s, C: RecordChain> BroadcastRecords<'s, C> for RecordStream<'s, C> {
    #[track_caller]
    fn broadcast(self) -> RecordStream<'s>
    where
        C::Errors: ErrorsHandled,
    {
        self.to_every_worker("broadcast")
    }
}

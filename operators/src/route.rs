//! `route`: the same value, the same worker.

use millstream_engine::Stream;
use millstream_engine::flow::Exchangeable;
use millstream_engine::stage::{Chain, ErrorsHandled};

/// `route` on streams of items.
pub trait RouteItems<'s, T: 'static, C: Chain<T>> {
    /// Sends each item to a worker by the number that `key` returns: equal numbers meet on one worker.
    ///
    /// Order kept per sending worker and number · emits at once · no state. A boundary. The number is mixed before the worker
    /// is chosen, so an id will do as well as a hash. Which worker gets a number changes with the number of workers. With one
    /// worker `key` is called all the same, and nothing moves.
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
    ///     let source = TestSource::partitioned([["a", "bb", "ccc"], ["dd", "e", "fff"]]);
    ///     let (send, seen) = mpsc::channel();
    ///     let flow = Dataflow::new("lengths", move |flow| {
    ///         let send = send.clone();
    ///         flow.source("in", source.clone())
    ///             .map(|record| record.value_or_empty().len())
    ///             .route(|length| *length as u64)
    ///             .for_each(move |n| send.send((n, std::thread::current().id())).unwrap());
    ///     });
    ///     run(&flow, config).unwrap();
    ///     let mut worker_of = HashMap::new();
    ///     for (length, worker) in seen.try_iter() {
    ///         assert_eq!(*worker_of.entry(length).or_insert(worker), worker);
    ///     }
    ///     assert_eq!(worker_of.len(), 3);
    /// });
    /// ```
    fn route<F: FnMut(&T) -> u64 + 'static>(self, key: F) -> Stream<'s, T>
    where
        T: Exchangeable,
        C::Errors: ErrorsHandled;
}

impl<'s, T: 'static, C: Chain<T>> RouteItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn route<F: FnMut(&T) -> u64 + 'static>(self, mut key: F) -> Stream<'s, T>
    where
        T: Exchangeable,
        C::Errors: ErrorsHandled,
    {
        self.exchange_by("route", move |item| mix(key(item)))
    }
}

/// Spreads numbers that follow a pattern, such as multiples of the number of workers (Fibonacci hashing).
#[inline(always)]
fn mix(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_spread_over_workers() {
        for step in [1, 2, 3, 4, 8, 1000, 1 << 20] {
            for n_workers in [2_u64, 3, 4] {
                let mut seen = vec![0; usize::try_from(n_workers).unwrap()];
                for number in 0..1000 {
                    seen[usize::try_from(mix(number * step) % n_workers).unwrap()] += 1;
                }
                let least = *seen.iter().min().unwrap();
                assert!(least > 1000 / n_workers / 2, "{step} on {n_workers}: {seen:?}");
            }
        }
    }
}

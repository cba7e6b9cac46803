//! `split`: parts a stream into any number of streams.

use millstream_engine::Stream;
use millstream_engine::stage::{Chain, ErrorsHandled};

/// `split` on streams of items.
pub trait SplitItems<'s, T: 'static, C: Chain<T>> {
    /// Parts the stream into `n`: each item goes to the stream whose index `pick` returns. Items move, none is cloned.
    ///
    /// Order kept within each stream · emits at once · no state. A boundary: each stream starts in a buffer. Naming one of
    /// them right away names the step. No stream at all is a fault when the graph is built.
    ///
    /// # Panics
    /// The step panics, and so the dataflow stops, when `pick` returns `n` or more: as with a slice, that is a bug of the
    /// program, not of the item. Items without a place are filtered out before, or get a stream of their own.
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::testing::{Harness, TestSource};
    /// use millstream_engine::Dataflow;
    /// use millstream_operators::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let source = TestSource::new(["a", "bcd", "ef", "g"]);
    /// let (send, seen) = mpsc::channel();
    /// let flow = Dataflow::new("lengths", move |flow| {
    ///     let streams = flow
    ///         .source("in", source.clone())
    ///         .map(|record| record.value_or_empty().len())
    ///         .split(3, |length| (*length - 1).min(2));
    ///     for (index, stream) in streams.into_iter().enumerate() {
    ///         let send = send.clone();
    ///         stream.for_each(move |n| send.send((index, n)).unwrap());
    ///     }
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// let mut seen: Vec<_> = seen.try_iter().collect();
    /// seen.sort();
    /// assert_eq!(seen, [(0, 1), (0, 1), (1, 2), (2, 3)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn split<F: FnMut(&T) -> usize + 'static>(self, n: usize, pick: F) -> Vec<Stream<'s, T>>
    where
        C::Errors: ErrorsHandled;
}

impl<'s, T: 'static, C: Chain<T>> SplitItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn split<F: FnMut(&T) -> usize + 'static>(self, n: usize, mut pick: F) -> Vec<Stream<'s, T>>
    where
        C::Errors: ErrorsHandled,
    {
        self.part_by("split", n, move |item| {
            let index = pick(item);
            assert!(index < n, "no stream {index} in a split into {n}");
            index
        })
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::testing::{Harness, TestSource};
    use millstream_engine::{Dataflow, ErrorKind};

    use crate::prelude::*;

    fn split_into(n: usize) -> Dataflow {
        Dataflow::new("parts", move |flow| {
            let streams = flow
                .source("in", TestSource::new(["a", "bcd"]))
                .map(|record| record.value_or_empty().len())
                .split(n, |length| *length);
            for stream in streams {
                stream.discard();
            }
        })
    }

    #[test]
    fn index_out_of_range_stops_with_a_sentence() {
        let mut harness = Harness::start(&split_into(2)).unwrap();
        let error = harness.run_until_idle().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert_eq!(error.cause().unwrap(), "no stream 3 in a split into 2");
        assert_eq!(error.place().position.as_deref(), Some("1"));
    }

    #[test]
    fn split_into_none_is_a_fault_at_build() {
        let error = Harness::start(&split_into(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("into no streams"), "{text}");
    }
}

//! `try_map_with`: `try_map` on a borrowed item, so that an error beyond a boundary can carry the item.

use std::marker::PhantomData;

use millstream_engine::format::{Presence, Serializer};
use millstream_engine::stage::{CanFail, Chain, Cx, Emit, Failure, Head, StepId, guard};
use millstream_engine::{BoxError, Stream};

/// `try_map_with` on streams of items.
pub trait TryMapWithItems<'s, T: 'static, C: Chain<T>> {
    /// Turns every item into another one, or into an error that carries the item: beyond a boundary, where the source's record
    /// is gone, the error's value is the item as `format` writes it.
    ///
    /// Order kept · emits at once · no state. Nothing is written for an item that maps, and before the first boundary nothing
    /// at all: there the error carries the record itself. An item that `format` cannot write, or writes as null, leaves without
    /// bytes. `T` needs what `format` needs, such as `Serialize`, here and nowhere else. The error names the record's partition
    /// and position too where the stream was asked for them with [`with_origin`](millstream_engine::Stream::with_origin).
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::format::{Presence, Serializer};
    /// use millstream_engine::testing::{Harness, TestSink, TestSource};
    /// use millstream_engine::{BoxError, Dataflow};
    /// use millstream_operators::prelude::*;
    ///
    /// struct Decimal;
    ///
    /// impl Serializer<usize> for Decimal {
    ///     fn format(&self) -> &'static str {
    ///         "a decimal number"
    ///     }
    ///
    ///     fn serialize(&mut self, item: &usize, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
    ///         out.extend_from_slice(item.to_string().as_bytes());
    ///         Ok(Presence::Present)
    ///     }
    /// }
    ///
    /// let (source, rejected) = (TestSource::new(["a", "bcd"]), TestSink::new());
    /// let to = rejected.clone();
    /// let flow = Dataflow::new("halves", move |flow| {
    ///     let (halves, errors) = flow
    ///         .source("in", source.clone())
    ///         .map(|record| record.value_or_empty().len() * 3)
    ///         .with_origin()
    ///         .rebalance()
    ///         .try_map_with(Decimal, |n| if n % 9 == 0 { Err("ninefold") } else { Ok(n / 3) })
    ///         .split_errors();
    ///     halves.discard();
    ///     errors.dead_letters("rejected", to.clone());
    /// });
    /// Harness::start(&flow)?.run_until_idle()?;
    /// assert_eq!(rejected.texts(), ["9"]);
    /// let position = ("millstream-position".to_owned(), Some(b"1".to_vec()));
    /// assert!(rejected.records()[0].headers.contains(&position));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn try_map_with<
        U: 'static,
        X: Into<BoxError> + 'static,
        S: Serializer<T>,
        F: FnMut(&T) -> Result<U, X> + 'static,
    >(
        self,
        format: S,
        f: F,
    ) -> Stream<'s, U, TryMapWith<C, S, F, T, X>>;
}

impl<'s, T: 'static, C: Chain<T>> TryMapWithItems<'s, T, C> for Stream<'s, T, C> {
    #[track_caller]
    fn try_map_with<
        U: 'static,
        X: Into<BoxError> + 'static,
        S: Serializer<T>,
        F: FnMut(&T) -> Result<U, X> + 'static,
    >(
        self,
        format: S,
        f: F,
    ) -> Stream<'s, U, TryMapWith<C, S, F, T, X>> {
        self.stage("try_map_with", |chain, step| {
            let try_one = TryOne { format, f, step, item: PhantomData };
            TryMapWith { chain, try_one }
        })
    }
}

/// The stage that `try_map_with` adds to a chain of items.
#[derive(Debug)]
pub struct TryMapWith<C, S, F, T, X> {
    chain: C,
    try_one: TryOne<S, F, T, X>,
}

#[derive(Debug)]
struct TryOne<S, F, T, X> {
    format: S,
    f: F,
    step: StepId,
    item: PhantomData<fn() -> (T, X)>,
}

impl<T, X: Into<BoxError>, S: Serializer<T>, F> TryOne<S, F, T, X> {
    #[cold]
    fn failure(&mut self, cx: Cx<'_>, item: &T, error: X) -> Failure {
        let failure = Failure::new(self.step, error);
        if cx.record().is_some() {
            return failure;
        }
        let mut bytes = Vec::new();
        match guard(self.step, || self.format.serialize(item, &mut bytes)) {
            Ok(Presence::Present) => failure.with_item(bytes),
            Ok(Presence::Null) | Err(_) => failure,
        }
    }
}

struct TryMapWithEmit<'e, S, F, E, T, X, U> {
    try_one: &'e mut TryOne<S, F, T, X>,
    out: &'e mut E,
    mapped: PhantomData<fn() -> U>,
}

impl<T, U, X, S, F, E> Emit<T> for TryMapWithEmit<'_, S, F, E, T, X, U>
where
    X: Into<BoxError>,
    S: Serializer<T>,
    F: FnMut(&T) -> Result<U, X>,
    E: Emit<U>,
{
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        match guard(self.try_one.step, || (self.try_one.f)(&item)) {
            Ok(mapped) => self.out.ok(cx, mapped),
            Err(error) => self.out.err(cx, self.try_one.failure(cx, &item, error)),
        }
    }

    #[inline(always)]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.out.err(cx, failure);
    }
}

impl<T, U, X, C, S, F> Chain<U> for TryMapWith<C, S, F, T, X>
where
    T: 'static,
    U: 'static,
    X: Into<BoxError> + 'static,
    C: Chain<T>,
    S: Serializer<T>,
    F: FnMut(&T) -> Result<U, X> + 'static,
{
    type Head = C::Head;
    type Errors = CanFail;
    type Origin = C::Origin;

    #[inline(always)]
    fn drive<E: Emit<U>>(&mut self, batch: &mut <C::Head as Head>::Batch, out: &mut E) {
        let Self { chain, try_one } = self;
        chain.drive(batch, &mut TryMapWithEmit { try_one, out, mapped: PhantomData });
    }
}

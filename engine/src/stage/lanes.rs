//! The end of a chain whose items part: a container under construction per lane, filled where the items are made.

use super::StepId;
use super::collect::item_capacity;
use super::emit::{Cx, Emit, Failure};
use super::item_batch::ItemBatch;
use super::panic::guard;
use crate::flow::{Pool, Ports, TakesLanes};

/// Containers of items, one per lane.
pub(crate) struct Lanes<'x, 'p, T: 'static, O: TakesLanes<ItemBatch<T>>> {
    pub(crate) ports: &'x mut Ports<'p, O>,
    pub(crate) pool: &'x Pool<ItemBatch<T>>,
    pub(crate) open: &'x mut [ItemBatch<T>],
}

impl<T: 'static, O: TakesLanes<ItemBatch<T>>> Lanes<'_, '_, T, O> {
    #[inline(always)]
    fn push(&mut self, lane: usize, cx: Cx<'_>, item: T) {
        if self.open[lane].is_full() {
            self.make_room(lane);
        }
        self.open[lane].push(cx, item);
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, lane: usize) {
        self.send(lane);
        self.open[lane] =
            self.pool.take().unwrap_or_else(|| ItemBatch::with_capacity(item_capacity::<T>()));
    }

    fn send(&mut self, lane: usize) {
        let items = std::mem::take(&mut self.open[lane]);
        if !items.is_empty() {
            self.ports.give(&mut O::from_lane(lane, items));
        }
    }

    fn finish(&mut self) {
        (0..self.open.len()).for_each(|lane| self.send(lane));
    }
}

/// Puts each item on the lane that a closure of the program picks.
pub(crate) struct PickOut<'x, 'p, T: 'static, O: TakesLanes<ItemBatch<T>>, P> {
    pub(crate) lanes: Lanes<'x, 'p, T, O>,
    pub(crate) pick: &'x mut P,
    pub(crate) step: StepId,
}

impl<T: 'static, O: TakesLanes<ItemBatch<T>>, P> PickOut<'_, '_, T, O, P> {
    pub(crate) fn finish(mut self) {
        self.lanes.finish();
    }
}

impl<T: 'static, O: TakesLanes<ItemBatch<T>>, P: FnMut(&T) -> usize> Emit<T>
    for PickOut<'_, '_, T, O, P>
{
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        let lane = guard(self.step, || (self.pick)(&item));
        self.lanes.push(lane, cx, item);
    }

    #[cold]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.lanes.ports.fail(cx, failure);
    }
}

/// Puts each item on every lane: clones on all but the last.
pub(crate) struct EveryOut<'x, 'p, T: 'static, O: TakesLanes<ItemBatch<T>>> {
    pub(crate) lanes: Lanes<'x, 'p, T, O>,
    pub(crate) step: StepId,
}

impl<T: 'static, O: TakesLanes<ItemBatch<T>>> EveryOut<'_, '_, T, O> {
    pub(crate) fn finish(mut self) {
        self.lanes.finish();
    }
}

impl<T: Clone + 'static, O: TakesLanes<ItemBatch<T>>> Emit<T> for EveryOut<'_, '_, T, O> {
    #[inline(always)]
    fn ok(&mut self, cx: Cx<'_>, item: T) {
        let last = self.lanes.open.len() - 1;
        for lane in 0..last {
            let copy = guard(self.step, || item.clone());
            self.lanes.push(lane, cx, copy);
        }
        self.lanes.push(last, cx, item);
    }

    #[cold]
    fn err(&mut self, cx: Cx<'_>, failure: Failure) {
        self.lanes.ports.fail(cx, failure);
    }
}

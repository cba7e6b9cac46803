//! Containers on their way to one of several places: to a stream of this worker, or to a worker.
//!
//! Invariant: what parts or exchanges moves whole containers. Items are put in the right one where they are made, inside the
//! fused operator, so no closure of the program runs while a container travels.

use std::io::Write;

use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;
use timely::{Accountable, Container};

use super::build::Flow;
use super::fused::TimelyStream;
use crate::stage::{ItemBatch, Output};

/// A container with the place it goes to: the number of a stream or of a worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laned<C> {
    pub(crate) lane: usize,
    pub(crate) content: C,
}

impl<C: Accountable> Accountable for Laned<C> {
    fn record_count(&self) -> i64 {
        self.content.record_count()
    }
}

impl<C: Output> Output for Laned<C> {
    fn weight(&self) -> usize {
        self.content.weight()
    }
}

/// On the wire: the lane as eight bytes, then the content.
impl<C: ContainerBytes> ContainerBytes for Laned<C> {
    fn from_bytes(mut bytes: Bytes) -> Self {
        let lane = bytes.extract_to(8);
        let lane = lane[..].try_into().map_or(0, u64::from_le_bytes);
        Self { lane: usize::try_from(lane).unwrap_or(usize::MAX), content: C::from_bytes(bytes) }
    }

    fn length_in_bytes(&self) -> usize {
        8 + self.content.length_in_bytes()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        writer
            .write_all(&(self.lane as u64).to_le_bytes())
            .expect("timely asked for the length and made room for it");
        self.content.into_bytes(writer);
    }
}

/// An output that takes the containers of lanes: with the lane, or, where there is but one, without.
pub(crate) trait TakesLanes<C>: Output {
    /// The container as the output takes it.
    fn from_lane(lane: usize, content: C) -> Self;
}

impl<C: Output> TakesLanes<C> for Laned<C> {
    #[inline]
    fn from_lane(lane: usize, content: C) -> Self {
        Self { lane, content }
    }
}

impl<T: 'static> TakesLanes<Self> for ItemBatch<T> {
    #[inline]
    fn from_lane(_only: usize, content: Self) -> Self {
        content
    }
}

/// Parts a stream into `n` streams of this worker, by the lane of each container.
pub(crate) fn part<'s, C: Container>(
    flow: &Flow<'s>,
    input: TimelyStream<'s, Laned<C>>,
    kind: &str,
    n: usize,
) -> Vec<TimelyStream<'s, C>> {
    let mut builder = OperatorBuilder::new(format!("{kind} lanes"), flow.scope);
    let mut input = builder.new_input(input, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (mut outputs, streams): (Vec<_>, Vec<_>) =
        (0..n).map(|_| builder.new_output::<C>()).unzip();
    builder.build(move |capabilities| {
        drop(capabilities);
        move |_frontiers| {
            input.for_each(|capability, laned| {
                outputs[laned.lane].activate().give(&capability, &mut laned.content);
            });
        }
    });
    streams
}

/// Sends every container to the worker of its lane.
pub(crate) fn to_lanes<'s, C>(
    flow: &Flow<'s>,
    input: TimelyStream<'s, Laned<C>>,
    kind: &str,
) -> TimelyStream<'s, C>
where
    C: Container + ContainerBytes + Send,
{
    let pact = DistributorPact(|_peers| ByLane);
    cross(flow, input, kind, pact, |laned| &mut laned.content)
}

/// Sends whole containers to one worker after the other, beginning with the own one.
pub(crate) fn in_turn<'s, C>(
    flow: &Flow<'s>,
    input: TimelyStream<'s, C>,
    kind: &str,
) -> TimelyStream<'s, C>
where
    C: Container + ContainerBytes + Send,
{
    let next = flow.build.worker;
    let pact = DistributorPact(move |_peers| InTurn { next });
    cross(flow, input, kind, pact, |container| container)
}

fn cross<'s, B: Container, C: Container>(
    flow: &Flow<'s>,
    input: TimelyStream<'s, B>,
    kind: &str,
    pact: impl ParallelizationContract<u64, B>,
    content: impl Fn(&mut B) -> &mut C + 'static,
) -> TimelyStream<'s, C> {
    let mut builder = OperatorBuilder::new(format!("{kind} arrivals"), flow.scope);
    let mut input = builder.new_input(input, pact);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (mut output, stream) = builder.new_output::<C>();
    builder.build(move |capabilities| {
        drop(capabilities);
        move |_frontiers| {
            input.for_each(|capability, data| {
                output.activate().give(&capability, content(data));
            });
        }
    });
    stream
}

struct ByLane;

impl<C: Default> Distributor<Laned<C>> for ByLane {
    fn partition<T: Clone, P: Push<Message<T, Laned<C>>>>(
        &mut self,
        container: &mut Laned<C>,
        time: &T,
        pushers: &mut [P],
    ) {
        let lane = container.lane;
        Message::push_at(container, time.clone(), &mut pushers[lane]);
    }

    fn flush<T: Clone, P: Push<Message<T, Laned<C>>>>(&mut self, _: &T, _: &mut [P]) {}
}

struct InTurn {
    next: usize,
}

impl<C: Default> Distributor<C> for InTurn {
    fn partition<T: Clone, P: Push<Message<T, C>>>(
        &mut self,
        container: &mut C,
        time: &T,
        pushers: &mut [P],
    ) {
        let target = self.next % pushers.len();
        self.next = target + 1;
        Message::push_at(container, time.clone(), &mut pushers[target]);
    }

    fn flush<T: Clone, P: Push<Message<T, C>>>(&mut self, _: &T, _: &mut [P]) {}
}

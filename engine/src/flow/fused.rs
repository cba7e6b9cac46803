//! Lowers a chain to one timely operator, fed by another operator: an ok output and one output per error stream.
//!
//! Invariant: an operator works off a bounded number of containers per run and then gives way.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use timely::Container;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::channels::pushers;
use timely::dataflow::operators::InputCapability;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use super::build::{Build, Flow};
use super::error_record::ErrorRecord;
use super::pool::Pool;
use super::ports::{OkCapability, OperatorContext, Ports};
use crate::stage::{ItemBatch, Output, StepId, catch};

/// A stream between two engine operators.
pub type TimelyStream<'s, C> = timely::dataflow::Stream<'s, u64, C>;

/// An edge that carries batches of records.
pub type RecordEdge<'s> = TimelyStream<'s, crate::batch::RecordBatch>;

/// An edge that carries items, with the pool that its containers go back to.
#[derive(Debug)]
pub struct ItemEdge<'s, T: 'static> {
    pub(crate) edge: TimelyStream<'s, ItemBatch<T>>,
    pub(crate) pool: Pool<ItemBatch<T>>,
}

/// What error streams carry.
pub(crate) type ErrorBatch = ItemBatch<ErrorRecord>;

/// Which steps an operator runs, and which error streams leave it: of each, where its emptied containers are.
#[derive(Debug)]
pub struct Wiring {
    pub(crate) kind: &'static str,
    pub(crate) step: StepId,
    pub(crate) stages: Vec<StepId>,
    pub(crate) errors: Vec<Pool<ErrorBatch>>,
}

impl Wiring {
    pub(crate) fn context(&self, build: &Rc<Build>) -> OperatorContext {
        build.operator(self.kind, &self.stages);
        OperatorContext::new(build, self.kind, self.step, &self.stages)
    }
}

/// The streams that leave a fused operator.
#[derive(Debug)]
pub struct Outputs<'s, O> {
    pub(crate) ok: TimelyStream<'s, O>,
    pub(crate) errors: Vec<TimelyStream<'s, ErrorBatch>>,
}

/// What a fused operator does with one batch.
pub trait Body<B, O: Output>: 'static {
    /// Drives the chain with `batch`.
    fn run(&mut self, batch: &mut B, ports: &mut Ports<'_, O>);
}

impl<B, O: Output, F: FnMut(&mut B, &mut Ports<'_, O>) + 'static> Body<B, O> for F {
    #[inline]
    fn run(&mut self, batch: &mut B, ports: &mut Ports<'_, O>) {
        self(batch, ports);
    }
}

/// The error outputs of an operator, with what one batch sends to them.
pub(crate) struct ErrorOutputs {
    outputs: Vec<pushers::Output<u64, ErrorBatch>>,
    pools: Vec<Pool<ErrorBatch>>,
    pub(crate) pending: Vec<ErrorBatch>,
}

impl ErrorOutputs {
    pub(crate) fn add<'s>(
        builder: &mut OperatorBuilder<'s, u64>,
        pools: &[Pool<ErrorBatch>],
    ) -> (Self, Vec<TimelyStream<'s, ErrorBatch>>) {
        let (outputs, streams): (Vec<_>, _) =
            pools.iter().map(|_| builder.new_output::<ErrorBatch>()).unzip();
        let pending = pools.iter().map(|_| ErrorBatch::default()).collect();
        (Self { outputs, pools: pools.to_vec(), pending }, streams)
    }

    /// Sends what is pending; `capability` is asked for only when there is an error.
    pub(crate) fn flush(
        &mut self,
        capability: impl Fn(usize) -> timely::dataflow::operators::Capability<u64>,
    ) {
        for (port, (output, pending)) in self.outputs.iter_mut().zip(&mut self.pending).enumerate()
        {
            if !pending.is_empty() {
                output.activate().give(&capability(port + 1), pending);
                *pending = self.pools[port].take().unwrap_or_default();
            }
        }
    }
}

/// Containers worked off per run before the operator gives way.
const FUEL: usize = 16;

/// A fused operator fed by another operator. `done` takes the emptied containers.
pub(crate) fn install_unary<'s, B: Container, O: Output>(
    input: TimelyStream<'s, B>,
    flow: &Flow<'s>,
    wiring: &Wiring,
    mut body: impl Body<B, O>,
    done: impl Fn(B) + 'static,
) -> Outputs<'s, O> {
    let cx = wiring.context(&flow.build);
    let mut builder = OperatorBuilder::new(wiring.kind.to_owned(), flow.scope);
    let mut input = builder.new_input(input, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (mut ok, oks) = builder.new_output::<O>();
    let (mut errors, error_streams) = ErrorOutputs::add(&mut builder, &wiring.errors);
    let activator = flow.scope.activator_for(builder.operator_info().address);
    let mut waiting: VecDeque<(InputCapability<u64>, B)> = VecDeque::new();
    builder.build(move |capabilities| {
        drop(capabilities);
        move |_frontiers| {
            input
                .for_each(|capability, data| waiting.push_back((capability, std::mem::take(data))));
            for _ in 0..FUEL {
                if cx.build.shared.stop() == crate::runtime::Stop::Now {
                    return;
                }
                let Some((capability, mut data)) = waiting.pop_front() else {
                    return;
                };
                run_once(&mut body, &mut data, &mut ok, &mut errors, (&cx, &capability));
                done(data);
            }
            if !waiting.is_empty() {
                activator.activate();
            }
        }
    });
    Outputs { ok: oks, errors: error_streams }
}

fn run_once<B: Container, O: Output>(
    body: &mut impl Body<B, O>,
    data: &mut B,
    ok: &mut pushers::Output<u64, O>,
    errors: &mut ErrorOutputs,
    (cx, capability): (&OperatorContext, &InputCapability<u64>),
) {
    let started = Instant::now();
    let n_items = usize::try_from(data.record_count()).unwrap_or(0);
    let ran = catch(|| {
        let capability = OkCapability::Input(capability);
        let mut ports =
            Ports { ok, capability, errors: &mut errors.pending, cx, given: 0, stop: None };
        body.run(data, &mut ports);
        ports.stop
    });
    match ran {
        Ok(None) => errors.flush(|port| capability.retain(port)),
        Ok(Some(stop)) => cx.build.shared.fail(stop),
        Err(panicked) => cx.panicked(panicked),
    }
    cx.counters.add(n_items, 0, started.elapsed());
}

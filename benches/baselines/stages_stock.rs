//! The five stages on timely as it comes: the source parses, then one stock operator per closure carries a `Result`, and
//! `ok_err` parts the two at the end. Errors are boxed, so that moving a `Result` costs no more than moving an event.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use millstream::ErrorRecord;
use millstream::batch::RecordBatch;
use millstream::clock::SystemClock;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Probe as _;
use timely::dataflow::operators::core::OkErr as _;
use timely::dataflow::operators::generic::{
    Operator as _, OutputBuilder, builder_rc::OperatorBuilder,
};
use timely::dataflow::operators::probe::Handle as Probe;
use timely::dataflow::operators::vec::{Filter as _, Map as _};
use timely::dataflow::{Scope, Stream};

use super::stages_loop::error_record;
use crate::steps::{Event, double, is_large, is_wanted, mark, parse};
use crate::tally::Tally;

type Parsed = Result<Event, Box<ErrorRecord>>;
type Shared = Rc<RefCell<Tally>>;

/// Batches worked off before the source gives way, as in the engine.
const FUEL: usize = 4;

/// Milliseconds of an epoch, as in the engine.
const EPOCH: u64 = 10;

/// Works off `n_batches`, in turns those of `batches`; returns the sums of events and errors.
pub(crate) fn run(batches: Vec<RecordBatch>, n_batches: usize) -> (Tally, Tally) {
    timely::execute_directly(move |worker| {
        let (events, failures) = (Shared::default(), Shared::default());
        let probe = Probe::new();
        worker.dataflow::<u64, _, _>(|scope| {
            let (ok, errors) = source(scope, batches, n_batches)
                .filter(|parsed: &Parsed| parsed.as_ref().map_or(true, is_large))
                .map(|parsed| parsed.map(double))
                .map(|parsed| parsed.map(mark))
                .filter(|parsed: &Parsed| parsed.as_ref().map_or(true, is_wanted))
                .ok_err(|parsed| parsed);
            let (ok, errors) =
                (ok.container::<Vec<Event>>(), errors.container::<Vec<Box<ErrorRecord>>>());
            take(ok, &events, Tally::event).probe_with(&probe);
            take(errors, &failures, |tally, error| tally.error(error)).probe_with(&probe);
        });
        while !probe.done() {
            worker.step();
        }
        (events.take(), failures.take())
    })
}

fn source(
    scope: Scope<'_, u64>,
    batches: Vec<RecordBatch>,
    n_batches: usize,
) -> Stream<'_, u64, Vec<Parsed>> {
    let mut builder = OperatorBuilder::new("source".to_owned(), scope);
    let (output, stream) = builder.new_output::<Vec<Parsed>>();
    let mut output = OutputBuilder::<u64, CapacityContainerBuilder<Vec<Parsed>>>::from(output);
    let activator = scope.activator_for(builder.operator_info().address);
    builder.build(move |mut capabilities| {
        let clock = SystemClock::new();
        let started = Instant::now();
        let mut done = 0;
        move |_frontiers| {
            let Some(capability) = capabilities.first_mut() else {
                return;
            };
            let now = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) / EPOCH;
            if now > *capability.time() {
                capability.downgrade(&now);
            }
            let mut output = output.activate();
            let mut session = output.session(&*capability);
            let until = n_batches.min(done + FUEL);
            for batch in batches.iter().cycle().skip(done % batches.len()).take(until - done) {
                for record in batch.iter() {
                    let parsed = parse(record.value_or_empty());
                    session
                        .give(parsed.map_err(|bad| Box::new(error_record(record, &bad, &clock))));
                }
            }
            drop(session);
            done = until;
            if done == n_batches {
                capabilities.clear();
            } else {
                activator.activate();
            }
        }
    });
    stream
}

/// Sums up what comes, and ends the stream.
fn take<'s, T: 'static>(
    stream: Stream<'s, u64, Vec<T>>,
    tally: &Shared,
    each: impl Fn(&mut Tally, &T) + 'static,
) -> Stream<'s, u64, Vec<()>> {
    let tally = Rc::clone(tally);
    stream.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "take", move |_, _| {
        move |input, _output| {
            let mut tally = tally.borrow_mut();
            input.for_each(|_, items| items.drain(..).for_each(|item| each(&mut tally, &item)));
        }
    })
}

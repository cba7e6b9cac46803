//! What does the way from a reader's thread to its worker add to a channel of batches?
//!
//! Unit: nanoseconds of processor time of both threads per record of 216 bytes, in batches of 128 KiB; the receiving side looks
//! at every record. Baseline: a bounded crossbeam channel of the same batches, and one back. Not measured: what a reader does to
//! fill a batch, the latency of a single batch.

#[path = "baselines/channel.rs"]
mod channel;
#[path = "support/contest.rs"]
mod contest;
#[path = "support/events.rs"]
mod events;
#[path = "support/replay.rs"]
mod replay;
#[path = "support/run.rs"]
mod run;
#[path = "support/swap.rs"]
mod swap;
#[path = "support/touch.rs"]
mod touch;

use std::process::ExitCode;
use std::sync::Mutex;

use contest::{Contest, contest};
use millstream::prelude::*;
use millstream::source::Placement;
use replay::Replay;
use run::{Contender, Seen, scaled};
use swap::swap;
use touch::touch;

const CONTENDERS: &[Contender] = &[
    Contender { name: "ours", limit: None, run: ours },
    Contender { name: "channel", limit: Some(1.3), run: by_channel },
];

/// Batches of one run.
fn n_batches() -> u64 {
    scaled(55_000, 100) * events::N_BATCHES as u64
}

fn main() -> ExitCode {
    let handoff = Contest {
        name: "handoff",
        unit: "ns of CPU per record",
        units_per_second: 1e9,
        n_records: n_batches() * events::N_RECORDS as u64,
        n_rounds: 9,
        contenders: CONTENDERS,
    };
    contest(&handoff, || Some(()))
}

/// Number and sum of the records, once the dataflow has let go of the closure that counted them.
static COUNTED: Mutex<(u64, u64)> = Mutex::new((0, 0));

#[derive(Default)]
struct Counting(u64, u64);

impl Counting {
    fn count(&mut self, touched: u64) {
        self.0 += 1;
        self.1 += touched;
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        *COUNTED.lock().expect("nobody panicked") = (self.0, self.1);
    }
}

fn ours(_arguments: &[String]) -> Seen {
    let flow = Dataflow::new("handoff", |flow| {
        let replay = Replay {
            prepare: events::prepare,
            n_batches: n_batches(),
            refill: swap,
            placement: Placement::OwnThread,
        };
        let mut counting = Counting::default();
        flow.source("replay", replay).map(touch).for_each(move |touched| counting.count(touched));
    });
    millstream::run(&flow, Config { workers: 1, ..Config::default() }).expect("the batches pass");
    let counted = *COUNTED.lock().expect("nobody panicked");
    told(counted)
}

fn by_channel(_arguments: &[String]) -> Seen {
    let n_slots = Config::default().queue_batches;
    told(channel::run(events::prepare(), n_batches(), n_slots))
}

fn told((n_records, sum): (u64, u64)) -> Seen {
    Seen::from([("records".to_owned(), n_records), ("sum".to_owned(), sum)])
}

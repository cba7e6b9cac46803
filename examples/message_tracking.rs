//! What a running dataflow counts: records in, out and failed per step, how far behind it is, how long records take.
//!
//! Run it: `cargo run --example message_tracking`
//! On a real broker: `cargo run --features kafka --example message_tracking -- --kafka 127.0.0.1:9092`, or all of it with pulsar and port 6650
//! ci:
//! ci: --kafka {kafka}
//! ci: --pulsar {pulsar}
//! ```text
//! read …, durable …, lag …, in flight … bytes; durable within …s (half), …s (99 %)
//! …
//! step          in  errors     out
//! parse       6000      60    5940
//! validate    5940     120    5820
//! good        5820       0    5820
//! rejected     180       0     180
//! 6000 records read, 6000 of them durable.
//! …
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod support;

use std::time::Duration;

use millstream::metrics::Snapshot;
use millstream::prelude::*;
use serde::{Deserialize, Serialize};
use support::{Place, orders, records, table};

#[derive(Deserialize, Serialize)]
struct Order {
    customer: String,
    cents: i64,
}

fn validate(order: Order) -> Result<Order, &'static str> {
    if order.cents > 0 && !order.customer.is_empty() { Ok(order) } else { Err("makes no sense") }
}

fn main() -> millstream::Result<()> {
    let (place, count) = Place::from_args(6_000)?;
    place.create_topics(&["tracked", "tracked.good", "tracked.rejected"], 4)?;
    let at = place.clone();
    let flow = Dataflow::new("message-tracking", move |flow| {
        let (good, rejected) = flow
            .source("tracked", at.endless_source("tracked"))
            .deserialize(json::<Order>())
            .named("parse")
            .try_map(validate)
            .named("validate")
            .serialize(json())
            .split_errors();
        good.sink("good", at.sink("tracked.good"));
        rejected.dead_letters("rejected", at.sink("tracked.rejected"));
    });
    let running = millstream::start(&flow, Config::from_env()?)?; // a handle that knows what is counted
    place.feed("tracked", orders(count), 3_000, || show(&running.metrics()))?;
    while running.metrics().latency.n_records < count && !running.has_ended() {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    running.stop();
    let counted = running.wait()?;
    let n_read = records(&counted, "tracked");
    print!("{}", table(&counted, n_read, &["parse", "validate"], &["good", "rejected"]));
    println!("{n_read} records read, {} of them durable.", counted.latency.n_records);
    println!(
        "Next: --count 60000, MILLSTREAM_COMMIT_INTERVAL=100ms, or read docs/guide/tuning.md."
    );
    Ok(())
}

fn show(counted: &Snapshot) {
    let (Some(source), latency) = (counted.step("tracked"), counted.latency) else { return };
    let lag = source.lag.map_or("?".to_owned(), |lag| lag.to_string());
    println!(
        "read {}, durable {}, lag {lag}, in flight {} bytes; durable within {:?} (half), {:?} (99 %)",
        source.records, latency.n_records, source.in_flight_bytes, latency.p50, latency.p99
    );
}

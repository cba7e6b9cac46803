//! The smallest whole program: readings come in, the hot ones go out as alarms, a broken one is set aside.
//!
//! Run it: `cargo run --example getting_started`
//! On a real broker: `cargo run --features kafka --example getting_started -- --kafka 127.0.0.1:9092`, or all of it with pulsar and port 6650
//! ci:
//! ci: --kafka {kafka}
//! ci: --pulsar {pulsar}
//! ```text
//! ALARM oven: 187.5 °C
//! ALARM kettle: 99.1 °C
//! 5 readings came in: 2 alarms, 1 set aside because it is no number.
//! Next: add a reading, or let the alarm begin at 20; then read docs/guide/first-ten-minutes.md.
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod support;

use millstream::batch::OwnedRecord;
use millstream::prelude::*;
use support::{Place, key, records};

fn main() -> millstream::Result<()> {
    let (place, _) = Place::from_args(0)?;
    place.create_topics(&["readings", "alarms", "broken"], 1)?;
    let readings = [
        ("cellar", "11.5"),
        ("oven", "187.5"),
        ("attic", "warm"),
        ("bath", "21.0"),
        ("kettle", "99.1"),
    ];
    let as_records = readings.map(|(room, celsius)| OwnedRecord::of(celsius).with_key(room));
    place.fill("readings", as_records.into_iter())?;

    // The graph: from a source through fused steps to two sinks. Building it opens nothing.
    let at = place.clone();
    let flow = Dataflow::new("getting-started", move |flow| {
        let (hot, broken) = flow
            .source("readings", at.source("readings"))
            .deserialize(json::<f64>())
            .filter(|celsius| *celsius > 80.0)
            .serialize(json())
            .split_errors();
        hot.sink("alarms", at.sink("alarms"));
        broken.dead_letters("broken", at.sink("broken"));
    });
    // Runs until the source ends. Every record is confirmed by the sinks before its position counts.
    let counted = millstream::run(&flow, Config::from_env()?)?;

    for alarm in place.read_back("alarms")? {
        println!("ALARM {}: {} °C", key(&alarm), alarm.text().unwrap_or_default());
    }
    let [read, hot, broken] = ["readings", "alarms", "broken"].map(|step| records(&counted, step));
    println!("{read} readings came in: {hot} alarms, {broken} set aside because it is no number.");
    println!(
        "Next: add a reading, or let the alarm begin at 20; then read docs/guide/first-ten-minutes.md."
    );
    Ok(())
}

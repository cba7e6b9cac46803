//! Readings of many devices at full speed: parse JSON, flag anomalies, write JSON, by the preset for throughput.
//!
//! Run it: `cargo run --release --features mimalloc --example high_performance`
//! On a real broker: `cargo run --release --features kafka,mimalloc --example high_performance -- --kafka 127.0.0.1:9092`, or all of it with pulsar and port 6650
//! ci:
//! ci: --kafka {kafka}
//! ci: --pulsar {pulsar}
//! ```text
//! 100000 readings in … by … worker(s): … a second, …s of processor time each
//! 1000 of them are anomalies; all are in devices.flagged.
//! Larger: --count 2000000, and --release if it is not. Next: read docs/guide/tuning.md.
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod support;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};
use support::{Place, Speed, Totals, readings, records};

#[derive(Deserialize, Serialize)]
struct Reading {
    device: String,
    celsius: f64,
    millivolts: u32,
    #[serde(default)]
    anomaly: bool,
}

/// Batteries do not sink below 2.9 V before they are empty, and devices do not stand in ovens.
fn flag(reading: Reading) -> Reading {
    let anomaly = reading.celsius > 85.0 || reading.millivolts < 2_900;
    Reading { anomaly, ..reading }
}

fn main() -> millstream::Result<()> {
    let (place, count) = Place::from_args(100_000)?;
    place.create_topics(&["devices", "devices.flagged"], 4)?;
    place.fill("devices", readings(count))?;

    let (at, anomalies) = (place.clone(), Totals::default());
    let found = anomalies.clone();
    let flow = Dataflow::new("high-performance", move |flow| {
        let found = found.clone();
        flow.source("devices", at.fast_source("devices"))
            .deserialize(json::<Reading>())
            .map(flag)
            .inspect(move |reading| {
                if reading.anomaly {
                    found.add("anomalies", 1);
                }
            })
            .serialize(json())
            .errors_fail()
            .sink("flagged", at.fast_sink("devices.flagged"));
    });
    let config = Config::preset(Preset::HighThroughput);
    let (workers, speed) = (config.workers, Speed::start());
    let n_readings = records(&millstream::run(&flow, config)?, "devices");
    println!("{}", speed.report("readings", n_readings, workers));
    let n_anomalies = anomalies.take().values().map(|(n, _)| n).sum::<u64>();
    println!("{n_anomalies} of them are anomalies; all are in devices.flagged.");
    println!(
        "Larger: --count 2000000, and --release if it is not. Next: read docs/guide/tuning.md."
    );
    Ok(())
}

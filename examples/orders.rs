//! Orders are validated and scored for fraud; bad ones are set aside on a dead-letter topic, with the reason.
//!
//! Run it: `cargo run --release --example orders`
//! On a real broker: `cargo run --release --features kafka --example orders -- --kafka 127.0.0.1:9092`, or all of it with pulsar and port 6650
//! ci:
//! ci: --kafka {kafka}
//! ci: --pulsar {pulsar}
//! ```text
//! DE: 4000 orders, 1999140.00
//! …
//! 20000 orders read, 19400 good, 600 set aside with their reasons.
//! …
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod support;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};
use support::{Place, Totals, orders, records};

#[derive(Deserialize, Serialize)]
struct Order {
    id: u64,
    customer: String,
    country: String,
    cents: i64,
    #[serde(default)]
    fraud_score: u8,
}

/// An order that makes no sense is an error: it leaves with its bytes and this reason.
fn validate(order: Order) -> Result<Order, String> {
    match order.id {
        id if order.cents <= 0 => Err(format!("order {id} costs nothing")),
        id if order.customer.is_empty() => Err(format!("order {id} is nobody's")),
        _ => Ok(order),
    }
}

fn score(order: Order) -> Order {
    let large = if order.cents > 90_000 { 60 } else { 0 };
    let far = if order.country == "NZ" { 25 } else { 0 };
    Order { fraud_score: large + far, ..order }
}

fn main() -> millstream::Result<()> {
    let (place, count) = Place::from_args(20_000)?;
    place.create_topics(&["orders", "orders.good", "orders.rejected"], 4)?;
    place.fill("orders", orders(count))?;

    let (at, totals) = (place.clone(), Totals::default());
    let sums = totals.clone();
    let flow = Dataflow::new("orders-app", move |flow| {
        let sums = sums.clone();
        let (good, rejected) = flow
            .source("orders", at.source("orders"))
            .deserialize(json::<Order>())
            .named("parse")
            .try_map(validate)
            .named("validate")
            .map(score)
            .inspect(move |order| sums.add(&order.country, order.cents))
            .serialize(json())
            .split_errors();
        good.sink("good", at.sink("orders.good"));
        rejected.dead_letters("rejected", at.sink("orders.rejected"));
    });
    let counted = millstream::run(&flow, Config::from_env()?)?;

    for (country, (n, cents)) in totals.take() {
        println!("{country}: {n} orders, {}.{:02}", cents / 100, cents % 100);
    }
    let [read, good, bad] = ["orders", "good", "rejected"].map(|step| records(&counted, step));
    println!("{read} orders read, {good} good, {bad} set aside with their reasons.");
    println!("{}", place.how_to_look("orders.rejected"));
    println!("Next: MILLSTREAM_WORKERS=2, or change `validate`, or read examples/orders.rs.");
    Ok(())
}

//! Dynamic routing: each tenant's orders go to a topic of the tenant's own; tenants that nobody knows are set aside.
//!
//! Run it: `cargo run --example multi_tenant`
//! On a real broker: `cargo run --features kafka --example multi_tenant -- --kafka 127.0.0.1:9092`, or all of it with pulsar and port 6650
//! ci:
//! ci: --kafka {kafka}
//! ci: --pulsar {pulsar}
//! ```text
//! tenant      in  written  set aside
//! acme      2500     2500          0
//! globex    2500     2500          0
//! initech   2500     2500          0
//! nobody    2500        0       2500
//! Those set aside are in tenants.unknown, and say why:
//! E0116 failed to route a record to "tenants.nobody": the sink may write the 3 topics of its list
//! Next: add "nobody" to TENANTS, then read docs/guide/three-styles.md.
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod support;

use millstream::batch::{OwnedRecord, Record};
use millstream::prelude::*;
use millstream::routing::TopicPolicy;
use support::{Place, Totals, key, reason};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

fn main() -> millstream::Result<()> {
    let (place, count) = Place::from_args(10_000)?;
    place.create_topics(&["tenants", "tenants.unknown"], 4)?;
    let senders = ["acme", "globex", "initech", "nobody"].into_iter().cycle();
    let orders = (0..count).zip(senders);
    place.fill(
        "tenants",
        orders.map(|(n, tenant)| OwnedRecord::of(format!("order {n}")).with_key(tenant)),
    )?;

    let (at, orders_in) = (place.clone(), Totals::default());
    let seen = orders_in.clone();
    let flow = Dataflow::new("multi-tenant", move |flow| {
        let seen = seen.clone();
        // Records say where they go; the policy says where they may go, and that missing topics are made.
        let policy = TopicPolicy::only(TENANTS.map(topic_of)).with_creation(4);
        flow.source("tenants", at.source("tenants"))
            .inspect(move |order| seen.add(tenant_of(order), 0))
            .to_topic(|order, topic| topic.push_str(&topic_of(tenant_of(order))))
            .errors_fail()
            .sink_with_errors("orders", at.routed(policy))
            .dead_letters("unknown", at.sink("tenants.unknown"));
    });
    millstream::run(&flow, Config::from_env()?)?;

    let unknown = place.read_back("tenants.unknown")?;
    println!("{:<8}{:>6}{:>9}{:>11}", "tenant", "in", "written", "set aside");
    for (tenant, (n_in, _)) in orders_in.take() {
        let known = TENANTS.contains(&tenant.as_str());
        let n_written = if known { place.read_back(&topic_of(&tenant))?.len() } else { 0 };
        let n_aside = unknown.iter().filter(|order| key(order) == tenant).count();
        println!("{tenant:<8}{n_in:>6}{n_written:>9}{n_aside:>11}");
    }
    println!("Those set aside are in tenants.unknown, and say why:");
    unknown.iter().take(1).for_each(|order| println!("{}", reason(order)));
    println!("Next: add \"nobody\" to TENANTS, then read docs/guide/three-styles.md.");
    Ok(())
}

fn topic_of(tenant: &str) -> String {
    format!("tenants.{tenant}")
}

fn tenant_of(order: Record<'_>) -> &str {
    order.key().and_then(|key| str::from_utf8(key).ok()).unwrap_or_default()
}

//! A whole dataflow that routes: records go to the topics they say, and what may not go there to the error stream.

use millstream::ErrorKind;
use millstream::memory::{Broker, Sink, Source, TopicPolicy};
use millstream::prelude::*;

/// Orders of four countries, one of them forbidden, one without a topic; the countries are the keys.
fn orders() -> Broker {
    let broker = Broker::new();
    for topic in ["orders", "to.de", "to.fr", "rejected"] {
        broker.create_topic(topic, 3).expect("a new topic");
    }
    let mut producer = broker.producer("orders").expect("it exists");
    for n in 0..400 {
        let country = ["de", "fr", "xx", "it"][n % 4];
        producer.send_keyed(country, n.to_string()).expect("the topic has room");
    }
    broker
}

fn flow(broker: &Broker, with_errors: bool) -> Dataflow {
    let broker = broker.clone();
    Dataflow::new("routing", move |flow| {
        let bound = flow
            .source("orders", Source::new(&broker, "orders").until_end())
            .to_topic(|record, topic| topic.push_str(name_by(record.key())))
            .errors_fail();
        let sink = Sink::routed(&broker, TopicPolicy::prefix("to."));
        if with_errors {
            let rejected = Sink::new(&broker, "rejected");
            bound.sink_with_errors("out", sink).dead_letters("rejected", rejected);
        } else {
            bound.sink("out", sink);
        }
    })
}

/// Orders to Italy go to a topic that does not exist, those of nowhere to one that is not allowed.
fn name_by(country: Option<&[u8]>) -> &'static str {
    match country {
        Some(b"de") => "to.de",
        Some(b"fr") => "to.fr",
        Some(b"it") => "to.it",
        _ => "orders",
    }
}

#[test]
fn what_cannot_be_routed_is_a_dead_letter() {
    for workers in [1, 2] {
        let broker = orders();
        let config = Config { workers, ..Config::default() };
        millstream::run(&flow(&broker, true), config).expect("it ends by itself");
        let count = |topic| broker.len(topic).expect("it exists");
        assert_eq!(["to.de", "to.fr", "rejected"].map(count), [100, 100, 200]);
        let records = broker.records("rejected").expect("it exists");
        let code = |name: &[u8]| {
            let is_code = |(header, value): &(String, Option<Vec<u8>>)| {
                header == "millstream-error-code" && value.as_deref() == Some(name)
            };
            records.iter().filter(|record| record.headers.iter().any(is_code)).count()
        };
        assert_eq!([code(b"E0110"), code(b"E0116")], [100, 100]);
    }
}

#[test]
fn direct_style_stops_at_a_topic_that_may_not_be_written() {
    let broker = orders();
    let stopped =
        millstream::run(&flow(&broker, false), Config { workers: 1, ..Config::default() });
    let error = stopped.expect_err("a record may not go where it says");
    assert!(matches!(error.kind(), ErrorKind::BadItem | ErrorKind::Config));
    let told = error.report();
    let codes =
        ["E0110 failed to find topic \"to.it\"", "E0116 failed to route a record to \"orders\""];
    assert!(codes.iter().any(|code| told.contains(code)), "{told}");
}

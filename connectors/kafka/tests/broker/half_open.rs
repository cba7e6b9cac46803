//! Connections that break, hang or crawl while records are read or written: they are replaced, and nothing is lost or comes twice.

use std::time::{Duration, Instant};

use millstream_kafka::{Sink, Source};

use crate::own::OwnBroker;
use crate::plain::Plain;
use crate::proxy::{Proxy, Way};
use crate::support::{LONG, Reading, Writing, batches, broker, numbered, numbers};

/// How long an answer may be missing before the client gives a connection up.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(3);

/// The topic behind the proxy.
const TOPIC: &str = "orders";

/// What befalls the connections there are.
type Fault = fn(&Proxy);

/// A broker that clients reach through a proxy alone.
struct Behind {
    proxy: Proxy,
    own: OwnBroker,
}

impl Behind {
    fn start(instance: &str) -> Self {
        let own = OwnBroker::start(instance, "").expect("a broker of its own");
        let proxy = Proxy::start(own.address());
        own.restart(&format!("advertised.listeners=PLAINTEXT://{}", proxy.address()));
        Plain::new(proxy.address()).create_topic(TOPIC, 2, 1_000_000);
        Self { proxy, own }
    }

    /// Writes numbers to both partitions, by connections of its own.
    fn fill(&self, numbers: std::ops::Range<u64>) {
        let records: Vec<_> = numbered(numbers).collect();
        let (first, second) = records.split_at(records.len() / 2);
        let plain = Plain::new(self.proxy.address());
        plain.produce(TOPIC, 0, first, LONG);
        plain.produce(TOPIC, 1, second, LONG);
    }

    fn source(&self) -> Source {
        assert_ne!(self.proxy.address(), self.own.address());
        let millis = SOCKET_TIMEOUT.as_millis().to_string();
        Source::new(self.proxy.address(), TOPIC).with_option("socket.timeout.ms", millis)
    }
}

#[test]
fn sink_loses_and_repeats_nothing_where_connections_die() {
    if broker().is_none() {
        return;
    }
    let behind = Behind::start("half-open-sink");
    let millis = SOCKET_TIMEOUT.as_millis().to_string();
    let sink = Sink::new(behind.proxy.address(), TOPIC)
        .with_linger(Duration::ZERO)
        .with_option("socket.timeout.ms", millis);
    let mut writing = Writing::open(&sink);
    let faults: [Fault; 4] = [
        |_| (),
        Proxy::cut,
        |proxy| proxy.swallow(Way::ToClient),
        |proxy| proxy.swallow(Way::ToBroker),
    ];
    for (first, fault) in (0..).step_by(1000).zip(faults) {
        for batch in batches(numbered(first..first + 500), 100) {
            writing.write(first, &batch);
        }
        fault(&behind.proxy);
        for batch in batches(numbered(first + 500..first + 1000), 100) {
            writing.write(first, &batch);
        }
        assert!(writing.settle().is_empty(), "nothing is given up on");
    }
    let source = Source::new(behind.own.address(), TOPIC).until_end();
    let source = source.with_option("socket.timeout.ms", "60000");
    behind.own.restart("");
    let mut seen = numbers(&Reading::open(&source, true).read_all());
    seen.sort_unstable();
    assert_eq!(seen, (0..4000).collect::<Vec<_>>(), "each once");
}

#[test]
fn only_dead_connections_are_replaced_and_nothing_is_lost() {
    if broker().is_none() {
        return;
    }
    let behind = Behind::start("half-open");
    behind.fill(0..1000);
    let mut reading = Reading::open(&behind.source(), false);
    let seen = numbers(&reading.take(1000));
    slow_ones_are_kept(&behind, &mut reading);
    dead_ones_are_replaced(&behind, &mut reading, seen);
    let n_batches = reading.n_batches;
    reading.confirm(n_batches);
    reading.reader.close(LONG).expect("the last commit gets through");
}

fn dead_ones_are_replaced(behind: &Behind, reading: &mut Reading, mut seen: Vec<u64>) {
    let faults: [(&str, Fault); 3] = [
        ("cut", Proxy::cut),
        ("no answers", |proxy| proxy.swallow(Way::ToClient)),
        ("no questions", |proxy| proxy.swallow(Way::ToBroker)),
    ];
    for (first, (name, fault)) in (1000..).step_by(1000).zip(faults) {
        let n_opened = behind.proxy.n_opened();
        fault(&behind.proxy);
        let begin = Instant::now();
        behind.fill(first..first + 1000);
        seen.extend(numbers(&reading.take(1000)));
        let took = begin.elapsed();
        assert!(behind.proxy.n_opened() > n_opened, "{name}: on a new connection");
        assert!(took < 5 * SOCKET_TIMEOUT, "{name}: {took:?}");
    }
    assert_eq!(seen, (0..4000).collect::<Vec<_>>(), "each once, in the order of the faults");
    assert!(reading.batch().expect("it goes on").is_empty(), "nothing comes twice");
}

/// The connections there are, once the client has opened all that it wants.
fn opened_by_now(behind: &Behind, reading: &mut Reading) -> usize {
    let (mut n_opened, mut since) = (behind.proxy.n_opened(), Instant::now());
    while since.elapsed() < SOCKET_TIMEOUT / 2 {
        assert!(reading.batch().expect("it goes on").is_empty());
        if behind.proxy.n_opened() != n_opened {
            (n_opened, since) = (behind.proxy.n_opened(), Instant::now());
        }
    }
    n_opened
}

fn slow_ones_are_kept(behind: &Behind, reading: &mut Reading) {
    let n_opened = opened_by_now(behind, reading);
    behind.proxy.delay(SOCKET_TIMEOUT / 10);
    let start = Instant::now();
    while start.elapsed() < SOCKET_TIMEOUT {
        assert!(reading.batch().expect("it goes on").is_empty());
    }
    assert_eq!(behind.proxy.n_opened(), n_opened, "slow is not dead");
    behind.proxy.delay(Duration::ZERO);
}

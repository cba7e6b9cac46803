//! The thread and both of its ends against a cluster that says what it is told to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::clock::ManualClock;
use millstream_engine::runtime::Wake;
use rdkafka::types::RDKafkaErrorCode;

use super::{Control, Found, News, Terms};
use crate::config::{Security, SinkConfig};
use crate::listener::Listener;
use crate::net::address::Address;
use crate::net::asker::Asker;
use crate::net::backoff::Backoff;
use crate::net::dial::Dialer;
use crate::scripted::Cluster;

/// Nothing here takes this long.
const LONG: Duration = Duration::from_mins(1);

/// Both ends in one, with all that they were told and nobody has looked at.
pub(super) struct Ends {
    pub(super) control: Control,
    listener: Arc<Listener>,
    wake: Wake,
    woken: Receiver<()>,
    answers: Vec<(String, Found)>,
    news: Vec<News>,
}

impl Ends {
    pub(super) fn new(addresses: &[String], terms: Terms) -> Self {
        let (wake_writer, woken) = channel();
        let wake_producer = wake_writer.clone();
        let wake = Wake::new(move || wake_writer.send(()).unwrap_or_default());
        let clock = Arc::new(ManualClock::default());
        let listener = Arc::new(Listener::new("orders", clock, &Security::default()));
        let control = Control::start(
            asker(addresses),
            terms,
            Arc::clone(&listener),
            wake.clone(),
            move || wake_producer.send(()).unwrap_or_default(),
        );
        let control = control.expect("a thread");
        Self { control, listener, wake, woken, answers: Vec::new(), news: Vec::new() }
    }

    fn of(cluster: &Cluster) -> Self {
        Self::new(&cluster.addresses, terms())
    }

    pub(super) fn ask(&self, topic: &str) {
        self.control.ask(&topic.into());
    }

    /// Waits until it is there among what was told.
    fn until<T>(&mut self, take: impl Fn(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        loop {
            self.wake.reset();
            let answers = self.control.answers().into_iter();
            self.answers.extend(answers.map(|(topic, found)| (topic.to_string(), found)));
            self.news.extend(self.control.news());
            if let Some(taken) = take(self) {
                return taken;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.woken.recv_timeout(left).expect("it is told in time");
        }
    }

    pub(super) fn answer(&mut self, topic: &str) -> Found {
        self.until(|ends| {
            let at = ends.answers.iter().position(|(name, _)| name == topic)?;
            Some(ends.answers.remove(at).1)
        })
    }

    pub(super) fn leaders(&mut self, of: &str) -> Vec<Option<i32>> {
        self.until(|ends| {
            let is_it = |news: &News| matches!(news, News::Leaders { topic, .. } if **topic == *of);
            let at = ends.news.iter().position(is_it)?;
            match ends.news.remove(at) {
                News::Leaders { leaders, .. } => Some(leaders),
                _ => None,
            }
        })
    }

    /// News that are no leaders of a topic.
    pub(super) fn other_news(&mut self) -> News {
        self.until(|ends| {
            let at = ends.news.iter().position(|news| !matches!(news, News::Leaders { .. }))?;
            Some(ends.news.remove(at))
        })
    }
}

pub(super) fn asker(addresses: &[String]) -> Asker {
    let address = |text: &String| {
        let (host, port) = text.rsplit_once(':').expect("host:port");
        Address { host: host.to_owned(), port: port.parse().expect("a number"), is_told: false }
    };
    let dialer = Dialer::new(&SinkConfig::new(addresses.join(","), ""), "test");
    Asker::new(Arc::new(dialer), "test", addresses.iter().map(address).collect(), 0)
}

pub(super) fn terms() -> Terms {
    Terms {
        creation: None,
        patience: Some(LONG),
        refresh: None,
        propagation: LONG,
        retry: Duration::from_millis(10),
        reconnect: Backoff::new(Duration::from_millis(10), Duration::from_millis(20)),
    }
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

#[test]
fn topic_is_told_to_both_ends() {
    let cluster = Cluster::new(2);
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![2, 1, -1]));
    let mut ends = Ends::of(&cluster);
    ends.ask("orders");
    assert_eq!(ends.answer("orders"), Ok(3));
    assert_eq!(ends.leaders("orders"), [Some(2), Some(1), None]);
    let News::Brokers(brokers) = ends.other_news() else { panic!("brokers come first") };
    let told: Vec<_> = brokers.iter().map(|(id, at)| (*id, at.to_string(), at.is_told)).collect();
    let [first, second] = &cluster.addresses[..] else { panic!("two were made") };
    assert_eq!(told, [(1, first.clone(), true), (2, second.clone(), true)]);
}

#[test]
fn many_topics_are_one_question() {
    let names: Vec<_> = (0..1200).map(|n| format!("t{n}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| (&**name, 2)).collect();
    let cluster = Cluster::with_topics(&pairs);
    let mut ends = Ends::of(&cluster);
    ends.control.shared.wish(|wishes| {
        wishes.topics.extend(names.iter().map(|name| (name.as_str().into(), true)));
    });
    ends.until(|ends| (ends.answers.len() == 1200).then_some(()));
    assert!(ends.answers.iter().all(|(_, found)| *found == Ok(2)));
    let n_asked: Vec<_> = cluster.state().asked.iter().map(|(_, of)| of.len()).collect();
    assert_eq!(n_asked, [500, 500, 200]);
}

#[test]
fn one_broker_s_word_that_a_topic_is_unknown_is_doubted() {
    let cluster = Cluster::with_topics(&[("new", 4), ("electing", 1)]);
    cluster.state().doubts.insert("new".to_owned(), [3].into());
    cluster.state().doubts.insert("electing".to_owned(), [5, 5, 3].into());
    let mut ends = Ends::of(&cluster);
    ends.ask("new");
    ends.ask("electing");
    assert_eq!((ends.answer("new"), ends.answer("electing")), (Ok(4), Ok(1)));
}

#[test]
fn unknown_topic_is_refused_with_a_near_name() {
    let cluster = Cluster::with_topics(&[("orders", 6)]);
    let mut ends = Ends::of(&cluster);
    ends.ask("order");
    let refusal = ends.answer("order").expect_err("there is none");
    assert_snapshot!(refusal.error("order").report(), @r#"
    E0110 failed to find the topic "order": it does not exist on this cluster
    Did you mean "orders" (6 partitions)?
    "#);
    ends.ask("elsewhere");
    let other = ends.answer("elsewhere").expect_err("there is none");
    assert_snapshot!(other.error("elsewhere").report(), @r#"
    E0110 failed to find the topic "elsewhere": it does not exist on this cluster
    Create it first: topics are not created on the way.
    "#);
    let n_all = cluster.state().asked.iter().filter(|(_, names)| names.is_empty()).count();
    assert_eq!(n_all, 1, "names are believed for a while");
    cluster.state().topics.insert("order".to_owned(), Ok(vec![1]));
    ends.ask("order");
    assert_eq!(ends.answer("order"), Ok(1), "it is looked up anew");
}

#[test]
fn forbidden_topic_is_refused_at_once() {
    let cluster = Cluster::new(1);
    cluster.state().topics.insert("secrets".to_owned(), Err(29));
    let mut ends = Ends::of(&cluster);
    ends.ask("secrets");
    let refusal = ends.answer("secrets").expect_err("forbidden");
    assert_eq!(refusal.code(), RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_snapshot!(refusal.error("secrets").report(), @r#"
    E0121 failed to look up the topic of a record (topic "secrets"): topic authorization failed
    Needed: READ on the topic for a source, WRITE for a sink.
    "#);
    assert_eq!(cluster.state().asked.len(), 1);
}

#[test]
fn missing_topics_are_created_by_the_controller() {
    let cluster = Cluster::new(2);
    cluster.state().controller = 2;
    let mut state = cluster.state();
    // The controller has moved; another program was faster; the cluster has a rule against it.
    for (name, code) in [("a", 41), ("b", 36), ("c", 44)] {
        state.creations.insert(name.to_owned(), [code].into());
    }
    // Brokers hear of it later.
    state.doubts.insert("b".to_owned(), [3, 3, 3].into());
    state.topics.insert("b".to_owned(), Ok(vec![1; 5]));
    drop(state);
    let mut ends = Ends::new(&cluster.addresses, Terms { creation: Some(3), ..terms() });
    for name in ["a", "b", "c"] {
        ends.ask(name);
    }
    assert_eq!((ends.answer("a"), ends.answer("b")), (Ok(3), Ok(5)));
    let refusal = ends.answer("c").expect_err("a rule");
    assert_eq!(refusal.code(), RDKafkaErrorCode::PolicyViolation);
    assert!(cluster.state().created.iter().all(|(at, _)| *at == 2), "at the controller");
}

#[test]
fn change_of_partitions_is_told_by_itself() {
    let cluster = Cluster::with_topics(&[("orders", 2)]);
    let refresh = Some(Duration::from_millis(20));
    let mut ends = Ends::new(&cluster.addresses, Terms { refresh, ..terms() });
    ends.ask("orders");
    assert_eq!((ends.answer("orders"), ends.leaders("orders").len()), (Ok(2), 2));
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![1; 5]));
    assert_eq!((ends.answer("orders"), ends.leaders("orders").len()), (Ok(5), 5));
    assert!(ends.answers.is_empty() && cluster.state().asked.len() > 1);
}

#[test]
fn moved_leader_is_told_when_asked_for() {
    let cluster = Cluster::new(2);
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![1]));
    let mut ends = Ends::of(&cluster);
    ends.ask("orders");
    assert_eq!(ends.leaders("orders"), [Some(1)]);
    ends.control.refresh();
    assert_eq!(ends.leaders("orders"), [Some(1)], "that it has not moved is told as well");
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![2]));
    ends.control.refresh();
    assert_eq!(ends.leaders("orders"), [Some(2)]);
    assert_eq!(ends.answer("orders"), Ok(1));
    assert!(ends.answers.is_empty(), "the number is the same");
}

#[test]
fn partition_without_leader_is_asked_for_until_it_has_one() {
    let cluster = Cluster::new(1);
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![1, -1]));
    let mut ends = Ends::of(&cluster);
    ends.ask("orders");
    assert_eq!(ends.leaders("orders"), [Some(1), None]);
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![1, 1]));
    assert_eq!(ends.leaders("orders"), [Some(1), Some(1)]);
}

#[test]
fn topic_is_gone_when_it_was_missing_for_long() {
    let cluster = Cluster::with_topics(&[("orders", 2), ("flickers", 1)]);
    let terms = Terms {
        refresh: Some(Duration::from_millis(20)),
        propagation: Duration::from_millis(600),
        ..terms()
    };
    let mut ends = Ends::new(&cluster.addresses, terms);
    ends.ask("flickers");
    ends.ask("orders");
    assert_eq!((ends.answer("orders"), ends.answer("flickers")), (Ok(2), Ok(1)));
    cluster.state().doubts.insert("flickers".to_owned(), [3].into());
    cluster.state().topics.remove("orders");
    let refusal = ends.answer("orders").expect_err("it is gone");
    assert_eq!(refusal.code(), RDKafkaErrorCode::UnknownTopicOrPartition);
    assert!(ends.answers.is_empty(), "the other one is back");
}

#[test]
fn topic_that_nobody_tells_of_times_out() {
    let patience = Some(Duration::from_millis(50));
    let mut ends = Ends::new(&[nobody()], Terms { patience, ..terms() });
    ends.ask("orders");
    let refusal = ends.answer("orders").expect_err("nobody is there");
    assert_snapshot!(refusal.error("orders").report(), @r#"E0140 failed to deliver a record to Kafka (topic "orders"): message timed out"#);
    let trouble = ends.listener.trouble().expect("it was told");
    assert_eq!(trouble.reason, "connection refused");
}

#[test]
fn what_was_known_of_a_topic_is_believed_while_nobody_answers() {
    let cluster = Cluster::with_topics(&[("orders", 4)]);
    let patience = Some(Duration::from_millis(200));
    let mut ends = Ends::new(&cluster.addresses, Terms { patience, ..terms() });
    ends.ask("orders");
    while ends.answer("orders").is_err() {
        // The machine was busy for longer than that.
        ends.ask("orders");
    }
    cluster.state().down.push(1);
    ends.ask("orders");
    assert_eq!(ends.answer("orders"), Ok(4));
}

#[test]
fn brokers_that_hang_up_are_left_for_others() {
    let cluster = Cluster::new(2);
    cluster.state().topics.insert("orders".to_owned(), Ok(vec![2]));
    // The second broker is known only because the first one told of it.
    let addresses = [nobody(), cluster.addresses[0].clone()];
    let mut ends = Ends::new(&addresses, terms());
    ends.ask("orders");
    assert_eq!(ends.answer("orders"), Ok(1));
    cluster.state().down.push(1);
    ends.ask("orders");
    assert_eq!(ends.answer("orders"), Ok(1));
    assert_eq!(cluster.state().asked.last().map(|(id, _)| *id), Some(2));
}

#[test]
fn answer_that_is_cut_short_is_trouble() {
    let cluster = Cluster::with_topics(&[("orders", 1)]);
    let mut asker = asker(&cluster.addresses);
    asker.topics(&["orders"]).expect("it is there");
    cluster.state().n_missing = 1;
    let trouble = asker.topics(&["orders"]).expect_err("half an answer");
    assert_eq!(trouble.address, cluster.addresses[0]);
    cluster.state().n_missing = 0;
    assert_eq!(asker.topics(&["orders"]).expect("a new connection").topics.len(), 1);
}

#[test]
fn producer_id_is_asked_for_until_it_is_given_or_denied() {
    let cluster = Cluster::new(1);
    cluster.state().ids = VecDeque::from([15, 0, 31]);
    let mut ends = Ends::of(&cluster);
    ends.control.want_producer_id();
    assert_eq!(ends.other_news(), News::ProducerId(1000, 2));
    ends.control.want_producer_id();
    let denied = News::NoProducerId(RDKafkaErrorCode::ClusterAuthorizationFailed);
    assert_eq!(ends.other_news(), denied);
}

#[test]
fn forgotten_topic_is_not_asked_for() {
    let cluster = Cluster::with_topics(&[("kept", 1), ("forgotten", 1)]);
    let mut ends = Ends::of(&cluster);
    ends.ask("forgotten");
    ends.ask("kept");
    assert_eq!((ends.answer("kept"), ends.answer("forgotten")), (Ok(1), Ok(1)));
    ends.control.forget(&"forgotten".into());
    ends.news.clear();
    ends.control.refresh();
    ends.leaders("kept");
    assert_eq!(
        cluster.state().asked.last().map(|(_, names)| names.clone()),
        Some(vec!["kept".to_owned()])
    );
}

#[test]
fn thread_ends_with_its_last_end() {
    let ends = Ends::new(&[nobody()], terms());
    ends.ask("orders");
    let Ends { control, woken, wake, .. } = ends;
    drop((control, wake));
    // Both wakes are gone once the thread is.
    while woken.recv_timeout(LONG).is_ok() {}
    let error = woken.recv_timeout(LONG).expect_err("nobody is left");
    assert_eq!(error, std::sync::mpsc::RecvTimeoutError::Disconnected);
}

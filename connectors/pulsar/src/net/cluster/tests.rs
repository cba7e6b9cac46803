//! Against a real broker: how far the lowest layer reaches.

use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::admin::Topics;
use crate::net::connection::{ForConsumer, ForProducer};
use crate::net::runtime;
use crate::wire::frame::{message_head, open_envelope};
use crate::wire::proto::*;

const LIMIT: Duration = Duration::from_secs(20);

struct Told<T>(mpsc::Sender<T>);

impl ForProducer for Told<CommandSendReceipt> {
    fn receipt(&self, receipt: CommandSendReceipt) {
        drop(self.0.send(receipt));
    }

    fn refused(&self, refusal: CommandSendError) {
        panic!("{refusal:?}");
    }

    fn closed(&self, _why: Trouble) {}
}

impl ForConsumer for Told<(CommandMessage, Bytes)> {
    fn message(&self, command: CommandMessage, rest: Bytes) {
        drop(self.0.send((command, rest)));
    }

    fn acknowledged(&self, _answer: CommandAckResponse) {}

    fn active(&self, _is_active: bool) {}

    fn end_of_topic(&self) {}

    fn closed(&self, _why: Trouble) {}
}

#[test]
fn message_goes_to_the_broker_and_comes_back() {
    let Ok(address) = std::env::var("MILLSTREAM_TEST_PULSAR") else {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_PULSAR is not set");
        println!("SKIPPED: MILLSTREAM_TEST_PULSAR is not set");
        return;
    };
    let (cluster, topic) = runtime::handle().block_on(async {
        let topic = format!("persistent://public/default/cluster-{}", std::process::id());
        let cluster = Cluster::new(&ClusterConfig::new(&address));
        assert_eq!(cluster.n_partitions(&topic).await.expect("an answer"), 0);
        let connection = cluster.broker_of(&topic).await.expect("a broker");
        let (receipts, receipt) = mpsc::channel();
        let producer_id = connection.next_id();
        connection.add_producer(producer_id, Arc::new(Told(receipts))).expect("it lives");
        let made = connection.ask("a producer", LIMIT, |request_id| {
            let topic = topic.clone();
            Command::Producer(CommandProducer {
                topic,
                producer_id,
                request_id,
                ..CommandProducer::default()
            })
        });
        let Command::ProducerSuccess(made) = made.await.expect("a producer") else {
            panic!("another answer");
        };
        let metadata = MessageMetadata {
            producer_name: made.producer_name,
            publish_time: 1,
            ..MessageMetadata::default()
        };
        let send = CommandSend { producer_id, ..CommandSend::default() };
        let head = message_head(Command::Send(send), &metadata, b"hello");
        connection.send_message(head, Bytes::from_static(b"hello")).await.expect("it is taken");
        let stored = receipt.recv_timeout(LIMIT).expect("a receipt").message_id.expect("an id");
        let (messages, message) = mpsc::channel();
        let consumer_id = connection.next_id();
        connection.add_consumer(consumer_id, Arc::new(Told(messages))).expect("it lives");
        let subscribed = connection.ask("a subscription", LIMIT, |request_id| {
            Command::Subscribe(CommandSubscribe {
                topic: topic.clone(),
                subscription: "s".to_owned(),
                consumer_id,
                request_id,
                sub_type: SubType::Shared.into(),
                initial_position: Some(InitialPosition::Earliest.into()),
                ..CommandSubscribe::default()
            })
        });
        subscribed.await.expect("a subscription");
        let flow = Command::Flow(CommandFlow { consumer_id, message_permits: 10 });
        connection.send(flow).await.expect("it is taken");
        let (command, rest) = message.recv_timeout(LIMIT).expect("a message");
        assert_eq!(command.message_id.entry_id, stored.entry_id);
        assert_eq!(&open_envelope(rest).expect("whole").payload[..], b"hello");
        let names = cluster.topics_of("public/default").await.expect("topics");
        assert!(names.contains(&topic), "{names:?}");
        (cluster, topic)
    });
    check_backlog(&topic);
    drop(cluster);
}

/// The topic has a message that its subscription has taken and not acknowledged, and is in use.
fn check_backlog(topic: &str) {
    let Ok(url) = std::env::var("MILLSTREAM_TEST_PULSAR_HTTP") else { return };
    let topics = Topics::new(url);
    let stats = topics.stats(topic).expect("an answer").expect("it is there");
    assert_eq!((stats.msg_in_counter, stats.subscriptions.len()), (1, 1));
    let backlog = &stats.subscriptions["s"];
    assert_eq!((backlog.n_entries, backlog.n_unacknowledged), (1, 1));
    assert!(backlog.n_bytes > 0 && stats.storage_size > 0, "{stats:?}");
    assert!(topics.delete(topic).expect("it is deleted while it is used"));
}

//! Making a producer at the broker that serves its topic, and closing it there.

use std::sync::Arc;
use std::time::Duration;

use super::inbox::Inbox;
use super::settings::Settings;
use super::verdict::{Verdict, judge_making};
use crate::net::cluster::Cluster;
use crate::net::{Connection, Trouble};
use crate::wire::proto::{Command, CommandCloseProducer, CommandProducer};

/// How long a broker may take to close a producer: one that takes longer is as good as silent.
const CLOSE: Duration = Duration::from_secs(5);

/// What a producer has to say of itself to be made.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The whole name of the topic.
    pub(super) topic: Arc<str>,
    /// The name that the program gave, or the broker the last time.
    pub(super) name: Option<String>,
    /// How often it was made before.
    pub(super) n_before: u64,
}

/// A producer that is there.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) connection: Arc<Connection>,
    pub(super) id: u64,
    pub(super) name: String,
    /// The last number that the broker has of this name, -1 for none.
    pub(super) last_sequence_id: i64,
    pub(super) schema_version: Option<Vec<u8>>,
    pub(super) inbox: Arc<Inbox>,
}

impl Made {
    /// Closes it at the broker, so that its name is free and nothing more of it is stored. A broker that does not answer loses the
    /// connection: it would be taken for alive.
    pub(super) async fn close(self) {
        let Self { connection, id: producer_id, .. } = self;
        connection.remove_producer(producer_id);
        if connection.has_ended() {
            return;
        }
        let closed = connection.ask("the end of a producer", CLOSE, |request_id| {
            Command::CloseProducer(CommandCloseProducer { producer_id, request_id })
        });
        if let Err(trouble @ Trouble::Silent { .. }) = closed.await {
            connection.end(&trouble);
        }
    }
}

/// Makes a producer.
pub(super) async fn make(
    cluster: &Cluster,
    settings: &Settings,
    wish: Wish,
    inbox: Arc<Inbox>,
) -> Result<Made, Trouble> {
    let connection = cluster.broker_of(&wish.topic).await?;
    let id = connection.next_id();
    connection.add_producer(id, Arc::clone(&inbox) as Arc<_>)?;
    let asked = connection.ask("a producer", cluster.timeout(), |request_id| {
        Command::Producer(CommandProducer {
            topic: wish.topic.to_string(),
            producer_id: id,
            request_id,
            producer_name: wish.name,
            user_provided_producer_name: Some(settings.producer_name.is_some()),
            epoch: Some(wish.n_before),
            encrypted: Some(settings.encryption.is_some()),
            schema: settings.schema.clone(),
            producer_access_mode: Some(settings.access.into()),
            ..CommandProducer::default()
        })
    });
    match asked.await {
        Ok(Command::ProducerSuccess(made)) => Ok(Made {
            id,
            last_sequence_id: made.last_sequence_id(),
            schema_version: made.schema_version.filter(|version| !version.is_empty()),
            name: made.producer_name,
            connection,
            inbox,
        }),
        Ok(_) => {
            connection.remove_producer(id);
            let why = "the answer to a question for a producer is of another kind".to_owned();
            Err(Trouble::Protocol { broker: connection.broker().to_owned(), why })
        }
        Err(trouble) => {
            connection.remove_producer(id);
            if let Trouble::Silent { .. } = trouble {
                // It may be made yet, and nobody would close it.
                connection.end(&trouble);
            }
            Err(trouble)
        }
    }
}

/// Makes a producer and closes it, which shows that a topic is there, or can be made, and that we may write it.
pub(crate) async fn try_out(
    cluster: &Cluster,
    settings: &Settings,
    topic: &str,
) -> Result<(), Trouble> {
    let name = settings.producer_name.clone();
    let mut backoff = super::backoff();
    for n_tries in 1.. {
        let wish = Wish { topic: topic.into(), name: name.clone(), n_before: 0 };
        match make(cluster, settings, wish, Inbox::new(&Arc::default())).await {
            Ok(made) => {
                made.close().await;
                break;
            }
            Err(trouble) if judge_making(&trouble, n_tries) != Verdict::Again => {
                return Err(trouble);
            }
            Err(_may_pass) => tokio::time::sleep(backoff.next()).await,
        }
    }
    Ok(())
}

//! A cluster as one source or sink sees it: its connections, and which broker serves a topic.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::connect::{Entrance, Target};
use super::{Connection, Trouble};
use crate::config::ClusterConfig;
use crate::wire::proto::{
    Command, CommandGetTopicsOfNamespace, CommandLookupTopic, CommandLookupTopicResponse,
    CommandPartitionedTopicMetadata, LookupType, MetadataLookupType, NamespaceMode,
};

/// Brokers that are remembered before those without a connection are forgotten.
const MAX_IDLE_PLACES: usize = 100;

/// Brokers that may send us on to another one before we give up.
const MAX_REDIRECTS: usize = 20;

/// A connection, or the place of one that is to be made.
type Place = Arc<Mutex<Option<Arc<Connection>>>>;

/// The brokers of one service URL.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// `HOST:PORT` of the brokers that are asked first, in turn.
    addresses: Vec<String>,
    entrance: Entrance,
    listener_name: Option<String>,
    /// The longest that an answer may take.
    timeout: Duration,
    places: Mutex<HashMap<Target, Place>>,
}

impl Cluster {
    /// Opens nothing yet.
    pub(crate) fn new(config: &ClusterConfig) -> Arc<Self> {
        Arc::new(Self {
            addresses: config.addresses(),
            entrance: Entrance::new(config),
            listener_name: config.listener_name.clone(),
            timeout: config.operation_timeout,
            places: Mutex::default(),
        })
    }

    /// The longest that an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Ends all connections that are there; one that is being made ends with the cluster.
    pub(crate) fn end(&self) {
        let Ok(places) = self.places.try_lock() else { return };
        for place in places.values() {
            if let Ok(place) = place.try_lock()
                && let Some(connection) = &*place
            {
                let why = "it is not needed any more".to_owned();
                let broker = connection.broker().to_owned();
                connection.end(&Trouble::Disconnected { broker, why });
            }
        }
    }

    /// The connection to a target, made where there is none.
    async fn connection(&self, target: &Target) -> Result<Arc<Connection>, Trouble> {
        let place = self.place(target).await;
        let mut connection = place.lock().await;
        if let Some(connection) = connection.as_ref().filter(|connection| !connection.has_ended()) {
            return Ok(Arc::clone(connection));
        }
        let made = self.entrance.connect(target).await?;
        Ok(Arc::clone(connection.insert(made)))
    }

    async fn place(&self, target: &Target) -> Place {
        let mut places = self.places.lock().await;
        if places.len() >= MAX_IDLE_PLACES {
            // one that is locked is being connected
            places.retain(|_, place| {
                place.try_lock().map_or(true, |place| is_alive(place.as_deref()))
            });
        }
        match places.entry(target.clone()) {
            Entry::Occupied(place) => Arc::clone(place.get()),
            Entry::Vacant(place) => Arc::clone(place.insert(Place::default())),
        }
    }

    /// A connection to any broker.
    async fn any(&self) -> Result<Arc<Connection>, Trouble> {
        let mut trouble = Trouble::BadAddress { address: String::new(), why: "none".to_owned() };
        for address in &self.addresses {
            match self.connection(&direct(address)).await {
                Ok(connection) => return Ok(connection),
                Err(why) => trouble = why,
            }
        }
        Err(trouble)
    }

    /// A connection to the broker that serves `topic` now.
    pub(crate) async fn broker_of(&self, topic: &str) -> Result<Arc<Connection>, Trouble> {
        let mut asked = self.any().await?;
        let mut authoritative = false;
        for _ in 0..MAX_REDIRECTS {
            let answer = asked.ask("a lookup", self.timeout, |request_id| {
                Command::Lookup(CommandLookupTopic {
                    topic: topic.to_owned(),
                    request_id,
                    authoritative: Some(authoritative),
                    advertised_listener_name: self.listener_name.clone(),
                })
            });
            let Command::LookupResponse(answer) = answer.await? else {
                return Err(unexpected(&asked, "a lookup"));
            };
            if answer.response() == LookupType::Failed {
                return Err(asked.refused(answer.error(), answer.message()));
            }
            let address = self.told_address(&answer)?;
            let target = if answer.proxy_through_service_url() {
                Target { address: asked.broker().to_owned(), behind_proxy: Some(address) }
            } else {
                direct(&address)
            };
            let told = self.connection(&target).await;
            asked = told.map_err(|why| self.as_advertised(why, &target, &asked))?;
            if answer.response() == LookupType::Connect {
                return Ok(asked);
            }
            authoritative = answer.authoritative();
        }
        let why = format!("sent on {MAX_REDIRECTS} times");
        Err(Trouble::Protocol { broker: asked.broker().to_owned(), why })
    }

    /// How many partitions `topic` has; 0: it is not partitioned, or does not exist.
    pub(crate) async fn n_partitions(&self, topic: &str) -> Result<u32, Trouble> {
        let asked = self.any().await?;
        let answer = asked.ask("the partitions of a topic", self.timeout, |request_id| {
            let topic = topic.to_owned();
            Command::PartitionMetadata(CommandPartitionedTopicMetadata { topic, request_id })
        });
        match answer.await? {
            Command::PartitionMetadataResponse(answer)
                if answer.response() == MetadataLookupType::Failed =>
            {
                Err(asked.refused(answer.error(), answer.message()))
            }
            Command::PartitionMetadataResponse(answer) => Ok(answer.partitions()),
            _ => Err(unexpected(&asked, "the partitions of a topic")),
        }
    }

    /// The topics of a namespace (`TENANT/NAMESPACE`), partitions each by itself.
    pub(crate) async fn topics_of(&self, namespace: &str) -> Result<Vec<String>, Trouble> {
        let asked = self.any().await?;
        let answer = asked.ask("the topics of a namespace", self.timeout, |request_id| {
            Command::GetTopicsOfNamespace(CommandGetTopicsOfNamespace {
                request_id,
                namespace: namespace.to_owned(),
                mode: Some(NamespaceMode::All.into()),
                topics_pattern: None,
            })
        });
        match answer.await? {
            Command::GetTopicsOfNamespaceResponse(answer) => Ok(answer.topics),
            _ => Err(unexpected(&asked, "the topics of a namespace")),
        }
    }

    /// The address that an answer to a lookup names.
    fn told_address(&self, answer: &CommandLookupTopicResponse) -> Result<String, Trouble> {
        let (url, start) = match &self.entrance.tls {
            None => (answer.broker_service_url(), "pulsar://"),
            Some(_) => (answer.broker_service_url_tls(), "pulsar+ssl://"),
        };
        match url.strip_prefix(start) {
            Some(address) if !address.is_empty() => Ok(address.trim_end_matches('/').to_owned()),
            _ => Err(Trouble::BadAddress {
                address: url.to_owned(),
                why: format!("the broker of the topic is to have an address `{start}HOST:PORT`"),
            }),
        }
    }

    /// Trouble with an address that nobody here has named is the cluster's own.
    fn as_advertised(&self, why: Trouble, target: &Target, asked: &Connection) -> Trouble {
        let address = target.address.clone();
        if self.addresses.contains(&address) {
            return why;
        }
        let why = match why {
            Trouble::Disconnected { why, .. } => why,
            Trouble::Silent { what, .. } => format!("no answer to {what} in time"),
            other => return other,
        };
        Trouble::WrongAdvertised { asked: asked.broker().to_owned(), address, why }
    }
}

impl Drop for Cluster {
    /// Nobody asks any more: connections live as long as their cluster.
    fn drop(&mut self) {
        self.end();
    }
}

fn is_alive(connection: Option<&Connection>) -> bool {
    connection.is_some_and(|connection| !connection.has_ended())
}

fn direct(address: &str) -> Target {
    Target { address: address.to_owned(), behind_proxy: None }
}

fn unexpected(asked: &Connection, what: &str) -> Trouble {
    let why = format!("the answer to a question for {what} is of another kind");
    Trouble::Protocol { broker: asked.broker().to_owned(), why }
}

#[cfg(test)]
mod tests;

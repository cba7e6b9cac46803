//! Topics: made, looked at, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use serde::Deserialize;

use super::api::{Api, encoded, refused};
use crate::config::{ClusterConfig, Security};
use crate::net::http::Body;
use crate::topic_name::TopicName;

/// A topic that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    name: String,
    n_partitions: u32,
}

impl NewTopic {
    /// A topic of `n_partitions`; 0: one that is not partitioned. The name is `TOPIC`, which is in `public/default`,
    /// `TENANT/NAMESPACE/TOPIC`, or that with `persistent://` or `non-persistent://` before it.
    pub fn new(name: impl Into<String>, n_partitions: u32) -> Self {
        Self { name: name.into(), n_partitions }
    }
}

/// What a topic holds and does, of all its partitions together.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopicStats {
    /// Messages per second that come in.
    pub msg_rate_in: f64,
    /// Messages per second that go out.
    pub msg_rate_out: f64,
    /// Entries (batches count once) that were written since the broker serves the topic.
    pub msg_in_counter: u64,
    /// Bytes that were written since the broker serves the topic.
    pub bytes_in_counter: u64,
    /// Bytes that are stored.
    pub storage_size: u64,
    /// What each subscription has not yet acknowledged.
    pub subscriptions: BTreeMap<String, Backlog>,
}

/// What a subscription has not yet acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Backlog {
    /// Entries: a batch counts once, however many records are in it.
    #[serde(rename = "msgBacklog")]
    pub n_entries: u64,
    /// Bytes of them; none where the broker does not tell.
    #[serde(rename = "backlogSize")]
    pub n_bytes: i64,
    /// Messages that were handed out and are not acknowledged.
    #[serde(rename = "unackedMessages")]
    pub n_unacknowledged: u64,
}

#[derive(Deserialize)]
struct Partitioned {
    partitions: u32,
}

/// The topics of a cluster, for programs that make their own.
///
/// # Blocking
/// Every call waits for the cluster, at most 30 s unless [`Topics::with_timeout`] says otherwise: call it before the dataflow
/// runs, never in a closure of one and never on a thread of an async runtime.
///
/// # Errors
/// `E0101` when the cluster does not answer in time, which a retry can help; `E0120` when it refuses the login, `E0121` without the
/// permission, `E0130` to `E0134` for what is wrong with TLS; `E0110` for a topic or namespace that does not exist; `E0115` for a
/// name that cannot be one; `E0201` when the cluster refuses what it is asked.
///
/// # Examples
/// ```no_run
/// use millstream_pulsar::{NewTopic, Topics};
///
/// let topics = Topics::new("http://127.0.0.1:8080");
/// let is_new = topics.create(&NewTopic::new("orders", 4))?;
/// if !is_new && topics.n_partitions("orders")? < Some(8) {
///     topics.add_partitions("orders", 8)?;
/// }
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topics(Api);

impl Topics {
    /// The topics of the cluster with the admin API at `admin_url`, `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn new(admin_url: impl Into<String>) -> Self {
        Self(Api::new(admin_url))
    }

    /// The topics of a cluster, with its [`ClusterConfig::admin_url`], security and operation timeout.
    ///
    /// # Errors
    /// *Config* where there is no `admin_url`.
    pub fn of(config: &ClusterConfig) -> Result<Self> {
        Api::of(config).map(Self)
    }

    /// Sets how to reach a cluster that asks who comes. Default: without a login; `https://` believes the authorities of the
    /// operating system.
    #[must_use]
    pub fn with_security(self, security: Security) -> Self {
        Self(self.0.with_security(security))
    }

    /// Sets how long a call may take. Default: 30 s. Too low: a cluster that is just starting seems to be away.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self(self.0.with_timeout(timeout))
    }

    /// Makes a topic; says whether it is new. One that exists already is left as it is.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn create(&self, new: &NewTopic) -> Result<bool> {
        let what = format!("create the topic \"{}\"", new.name);
        let name = whole(&new.name, &what)?;
        let (path, body) = match new.n_partitions {
            0 => (path(&name), Body::Nothing),
            n_partitions => (partitions(&name), Body::Json(n_partitions.to_string())),
        };
        self.0.change(Method::PUT, &path, body, (409, &what))
    }

    /// Gives a partitioned topic more partitions, `n_partitions` in all. Where it has that many already, nothing happens. A key
    /// whose partition changes loses its order across the change.
    ///
    /// # Errors
    /// As for all of [`Topics`]; *config* when the topic has more partitions already, or is not partitioned.
    pub fn add_partitions(&self, topic: &str, n_partitions: u32) -> Result<()> {
        let what = format!("give the topic \"{topic}\" {n_partitions} partitions");
        let name = whole(topic, &what)?;
        match self.n_partitions(topic)? {
            None => {
                return Err(Error::new(ErrorKind::Config, codes::UNKNOWN_TOPIC, what)
                    .with_source("it does not exist"));
            }
            Some(n_now) if n_now == n_partitions => return Ok(()),
            Some(n_now) if n_now > n_partitions => {
                return Err(Error::config(what)
                    .with_source(format!("it has {n_now}"))
                    .with_hint("Pulsar takes none away."));
            }
            Some(_) => {}
        }
        let body = Body::Json(n_partitions.to_string());
        let answer = self.0.call(Method::POST, &partitions(&name), body, &what)?;
        if answer.status < 300 { Ok(()) } else { Err(refused(&answer, &what)) }
    }

    /// Deletes a topic with all its messages, its partitions and its subscriptions, even in use; says whether it was there.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn delete(&self, topic: &str) -> Result<bool> {
        let what = format!("delete the topic \"{topic}\"");
        let name = whole(topic, &what)?;
        let path = match self.n_partitions(topic)? {
            None => return Ok(false),
            Some(0) => path(&name),
            Some(_) => partitions(&name),
        };
        let path = format!("{path}?force=true");
        self.0.change(Method::DELETE, &path, Body::Nothing, (404, &what))
    }

    /// Whether a topic exists.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn exists(&self, topic: &str) -> Result<bool> {
        Ok(self.n_partitions(topic)?.is_some())
    }

    /// How many partitions a topic has, 0 where it is not partitioned; `None` where it does not exist.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn n_partitions(&self, topic: &str) -> Result<Option<u32>> {
        let what = format!("look up the topic \"{topic}\"");
        let name = whole(topic, &what)?;
        let found: Option<Partitioned> = self.0.find(&partitions(&name), &what)?;
        match found.map(|found| found.partitions) {
            // the same answer as for one that is not there
            None | Some(0) => {
                let of_namespace = format!("{}/{}", domain(&name), name.namespace());
                let names: Option<Vec<String>> = self.0.find(&of_namespace, &what)?;
                let is_there = names.is_some_and(|names| names.iter().any(|n| n == name.as_str()));
                Ok(is_there.then_some(0))
            }
            some => Ok(some),
        }
    }

    /// What a topic holds and does; `None` where it does not exist.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn stats(&self, topic: &str) -> Result<Option<TopicStats>> {
        let what = format!("look at the topic \"{topic}\"");
        let name = whole(topic, &what)?;
        let page = match self.n_partitions(topic)? {
            None => return Ok(None),
            Some(0) => "stats",
            Some(_) => "partitioned-stats",
        };
        let exact = "getPreciseBacklog=true&subscriptionBacklogSize=true";
        self.0.find(&format!("{}/{page}?{exact}", path(&name)), &what)
    }
}

/// The name, read.
fn whole(topic: &str, what: &str) -> Result<TopicName> {
    TopicName::parse(topic)
        .map_err(|rule| Error::new(ErrorKind::Config, codes::INVALID_TOPIC, what).with_source(rule))
}

fn domain(name: &TopicName) -> &'static str {
    if name.is_persistent() { "persistent" } else { "non-persistent" }
}

fn path(name: &TopicName) -> String {
    format!("{}/{}/{}", domain(name), name.namespace(), encoded(name.local()))
}

fn partitions(name: &TopicName) -> String {
    format!("{}/partitions", path(name))
}

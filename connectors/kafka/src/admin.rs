//! Makes, widens and deletes topics. Sources and sinks never do so by themselves.
//!
//! Invariant: every call ends within its timeout, and what it has changed is visible to clients by then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millstream_engine::clock::SystemClock;
use millstream_engine::error::{Error, ErrorKind, Result, codes};
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic as Request, TopicReplication, TopicResult,
};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode as Kafka, RDKafkaRespErr};

use crate::config::Security;
use crate::entrance::{Entrance, give_up_in_time};
use crate::error::{from_client, from_code, reason, unknown_topic};
use crate::listener::Listener;
use crate::raw::{RawConsumer, with_tokens};

/// How long the cluster may take, unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two looks at whether a change has become visible.
const PAUSE: Duration = Duration::from_millis(10);

/// A topic that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    name: String,
    n_partitions: u32,
    replication: Option<u16>,
    settings: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic of `n_partitions`, with the cluster's default replication and settings.
    pub fn new(name: impl Into<String>, n_partitions: u32) -> Self {
        Self { name: name.into(), n_partitions, replication: None, settings: BTreeMap::new() }
    }

    /// Sets on how many brokers each partition lies. Default: what the cluster is set to.
    #[must_use]
    pub fn with_replication(mut self, n_copies: u16) -> Self {
        self.replication = Some(n_copies);
        self
    }

    /// Sets one of Kafka's settings of topics, such as `cleanup.policy`. Default: none, so the cluster's.
    #[must_use]
    pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(key.into(), value.into());
        self
    }

    fn request(&self) -> Result<Request<'_>> {
        let too_many = |_ignored| {
            Error::config(format!("create the topic \"{}\": too many partitions", self.name))
        };
        let n_partitions = i32::try_from(self.n_partitions).map_err(too_many)?;
        // -1 asks for the cluster's default; the crate's type has no other way to say so.
        let n_copies = self.replication.map_or(-1, i32::from);
        let new = Request::new(&self.name, n_partitions, TopicReplication::Fixed(n_copies));
        Ok(self.settings.iter().fold(new, |new, (key, value)| new.set(key, value)))
    }
}

/// The topics of a cluster, for programs that make their own.
///
/// # Blocking
/// Every call waits for the cluster, at most 30 s unless [`Topics::with_timeout`] says otherwise: call it before the dataflow
/// runs, never in a closure of one.
///
/// # Errors
/// `E0101` when the cluster does not answer in time, which a retry can help; `E0121` without the permission; `E0110` for a topic
/// that does not exist; `E0201` when the cluster refuses a name, a number or a setting.
///
/// # Examples
/// ```no_run
/// use millstream_kafka::{NewTopic, Topics};
///
/// let topics = Topics::new("127.0.0.1:9092");
/// let orders = NewTopic::new("orders", 4).with_replication(3).with_setting("cleanup.policy", "compact");
/// let is_new = topics.create(&orders)?;
/// if !is_new && topics.n_partitions("orders")? < Some(8) {
///     topics.add_partitions("orders", 8)?;
/// }
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topics {
    brokers: String,
    security: Security,
    timeout: Duration,
}

/// A connection for one call.
struct Session {
    admin: AdminClient<Listener>,
    /// Asks for metadata, because asking by a producer may create the topic; and it was let in first.
    probe: RawConsumer,
}

impl Session {
    fn run<T>(&self, request: impl Future<Output = T>) -> T {
        with_tokens(self.admin.inner(), self.probe.listener().keeper(), || {
            futures_executor::block_on(request)
        })
    }
}

impl Topics {
    /// The topics of the cluster that `brokers` (`host:port`, separated by commas) belong to.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), security: Security::default(), timeout: TIMEOUT }
    }

    /// Sets how to reach a cluster that asks who comes. Default: in the clear, without a login.
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Sets how long a call may take. Default: 30 s. Too low: a cluster that is just starting seems to be away.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes a topic and waits until it is there; says whether it is new. One that exists already is left as it is.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn create(&self, new: &NewTopic) -> Result<bool> {
        let what = || format!("create the topic \"{}\" at {}", new.name, self.brokers);
        let request = new.request()?;
        let session = self.connect(&what())?;
        let made = session.run(session.admin.create_topics([&request], &self.options()));
        match self.outcome(made, &what())? {
            None => self
                .await_count(&session, &new.name, &what(), |count| count.is_some())
                .map(|()| true),
            Some(Kafka::TopicAlreadyExists) => Ok(false),
            Some(code) => Err(refused(code, &what())),
        }
    }

    /// Gives a topic more partitions, `n_partitions` in all, and waits until they are there. Where it has that many already,
    /// nothing happens. A key whose partition changes loses its order across the change.
    ///
    /// # Errors
    /// As for all of [`Topics`]; *config* when the topic has more partitions already: Kafka takes none away.
    pub fn add_partitions(&self, topic: &str, n_partitions: u32) -> Result<()> {
        let what = || format!("give the topic \"{topic}\" {n_partitions} partitions");
        match self.n_partitions(topic)? {
            None => return Err(unknown_topic(topic, std::iter::empty())),
            Some(n_now) if n_now == n_partitions => return Ok(()),
            Some(_) => {}
        }
        let wanted = usize::try_from(n_partitions).unwrap_or(usize::MAX);
        let request = NewPartitions::new(topic, wanted);
        let session = self.connect(&what())?;
        let made = session.run(session.admin.create_partitions([&request], &self.options()));
        match self.outcome(made, &what())? {
            None => self.await_count(&session, topic, &what(), |count| count >= Some(n_partitions)),
            Some(code) => Err(refused(code, &what())),
        }
    }

    /// Deletes a topic with all its records and waits until it is gone; says whether it was there.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn delete(&self, topic: &str) -> Result<bool> {
        let what = || format!("delete the topic \"{topic}\" at {}", self.brokers);
        let session = self.connect(&what())?;
        let deleted = session.run(session.admin.delete_topics(&[topic], &self.options()));
        match self.outcome(deleted, &what())? {
            None => {
                self.await_count(&session, topic, &what(), |count| count.is_none()).map(|()| true)
            }
            Some(Kafka::UnknownTopicOrPartition) => Ok(false),
            Some(code) => Err(refused(code, &what())),
        }
    }

    /// How many partitions a topic has; `None` where it does not exist.
    ///
    /// # Errors
    /// As for all of [`Topics`].
    pub fn n_partitions(&self, topic: &str) -> Result<Option<u32>> {
        let what = format!("look up the topic \"{topic}\" at {}", self.brokers);
        self.count(&self.connect(&what)?, topic, &what)
    }

    /// The one place where clients are made.
    fn connect(&self, what: &str) -> Result<Session> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        self.security.apply(&mut config)?;
        give_up_in_time(&mut config, &self.security, self.timeout);
        let listener = || Listener::new("topics", SystemClock::new(), &self.security);
        let failed = |error: KafkaError| from_client(&error, what);
        let probe = RawConsumer::new(&config, listener()).map_err(failed)?;
        Entrance::default().pass(&probe, &self.brokers, self.timeout)?;
        let admin = config.create_with_context(listener()).map_err(failed)?;
        Ok(Session { admin, probe })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.timeout))
            .operation_timeout(Some(self.timeout))
    }

    /// What the cluster said of the one topic that it was asked about: done, or why not.
    fn outcome(&self, answer: KafkaResult<Vec<TopicResult>>, what: &str) -> Result<Option<Kafka>> {
        let results = answer.map_err(|error| self.failed(&error, what))?;
        Ok(results.into_iter().filter_map(std::result::Result::err).map(|(_, code)| code).next())
    }

    fn count(&self, session: &Session, topic: &str, what: &str) -> Result<Option<u32>> {
        let metadata = session.probe.client().fetch_metadata(Some(topic), self.timeout);
        let metadata = metadata.map_err(|error| self.failed(&error, what))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        match found.map(|found| (found.error(), found.partitions().len())) {
            None | Some((Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), _)) => {
                Ok(None)
            }
            Some((None | Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), n)) => {
                Ok(u32::try_from(n).ok().filter(|n| *n > 0))
            }
            Some((Some(code), _)) => Err(refused(code.into(), what)),
        }
    }

    /// Waits until what was changed shows: the controller knows first, the broker that clients ask a moment later.
    fn await_count(
        &self,
        session: &Session,
        topic: &str,
        what: &str,
        is_there: impl Fn(Option<u32>) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + self.timeout;
        while !is_there(self.count(session, topic, what)?) {
            if Instant::now() >= end {
                return Err(self.away(Kafka::OperationTimedOut, what));
            }
            std::thread::park_timeout(PAUSE);
        }
        Ok(())
    }

    /// A cluster that did not answer in time; anything else says itself what it is.
    fn failed(&self, error: &KafkaError, what: &str) -> Error {
        // The crate tells the code of every error but this one.
        let code = match error {
            KafkaError::AdminOp(code) => Some(*code),
            other => other.rdkafka_error_code(),
        };
        match code {
            Some(
                code @ (Kafka::OperationTimedOut
                | Kafka::BrokerTransportFailure
                | Kafka::AllBrokersDown
                | Kafka::Resolve),
            ) => self.away(code, what),
            Some(code) => refused(code, what),
            None => from_client(error, what),
        }
    }

    fn away(&self, code: Kafka, what: &str) -> Error {
        let hint = format!(
            "The cluster did not answer within {:?}. Is a broker listening there, and does it advertise an address that this host can reach?",
            self.timeout
        );
        Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what)
            .with_source(reason(code))
            .with_hint(hint)
    }
}

/// What the cluster does not do, as one of our errors.
fn refused(code: Kafka, what: &str) -> Error {
    let hint = match code {
        Kafka::InvalidTopic => "A name has 1 to 249 letters, digits, dots, dashes and underscores.",
        Kafka::InvalidPartitions => "There is at least one, and Kafka takes none away.",
        Kafka::InvalidReplicationFactor => {
            "There are at most as many copies as the cluster has brokers."
        }
        Kafka::InvalidConfig => "Settings are named as Kafka names those of topics.",
        Kafka::PolicyViolation => "The cluster has a rule of its own for topics: ask who runs it.",
        Kafka::TopicAuthorizationFailed | Kafka::ClusterAuthorizationFailed => {
            return from_code(code, what)
                .with_hint("Needed on the topic: CREATE, ALTER, DELETE or DESCRIBE.");
        }
        _ => return from_code(code, what),
    };
    Error::config(what).with_source(reason(code)).with_hint(hint)
}

/// Makes a topic of `n_partitions` with the cluster's default replication; one that exists already is left as it is.
///
/// # Blocking
/// Waits for the cluster, at most 30 s.
///
/// # Errors
/// As for [`Topics`], which can do more.
///
/// # Examples
/// ```no_run
/// millstream_kafka::create_topic("127.0.0.1:9092", "orders", 4)?;
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub fn create_topic(brokers: &str, topic: &str, n_partitions: u32) -> Result<()> {
    Topics::new(brokers).create(&NewTopic::new(topic, n_partitions)).map(|_is_new| ())
}

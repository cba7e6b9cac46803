//! The thread that asks: looks at what is due, puts it in one question, and tells what it has found.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::runtime::Wake;
use rdkafka::types::RDKafkaErrorCode;

use super::exchange::{Findings, Shared, Wishes};
use super::kept::{Kept, Next};
use super::refusal::{Refusal, is_unknown};
use super::terms::Terms;
use crate::error::unknown_topic;
use crate::listener::Listener;
use crate::net::address::Address;
use crate::net::asker::Asker;
use crate::net::backoff::Backoff;
use crate::trouble::Trouble;
use crate::wire::metadata::{Metadata, TopicMetadata};

/// Topics of one question at most: the answer stays well below what a broker sends at once.
const AT_ONCE: usize = 500;

/// How long the names of all topics are kept, which suggestions are made from.
const NAMES: Duration = Duration::from_secs(30);

/// How long to wait before a producer's id is asked for again that a broker could not give.
const RETRY: Duration = Duration::from_millis(500);

/// Whom to wake.
pub(super) struct Wakes {
    pub(super) writer: Wake,
    pub(super) producer: Box<dyn Fn() + Send>,
}

/// The thread's half.
pub(super) struct Clerk {
    asker: Asker,
    terms: Terms,
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    wakes: Wakes,
    topics: HashMap<Arc<str>, Kept>,
    /// As last told.
    brokers: Vec<(i32, Address)>,
    /// The topics of the cluster, and until when they are believed.
    names: Option<(Vec<(String, usize)>, Instant)>,
    /// When a producer's id is asked for, if one is wanted.
    id_due: Option<Instant>,
    /// Nobody is asked before: a broker could not be reached.
    rest_until: Instant,
    backoff: Backoff,
    findings: Findings,
}

impl Clerk {
    pub(super) fn new(
        (asker, terms): (Asker, Terms),
        shared: Arc<Shared>,
        listener: Arc<Listener>,
        wakes: Wakes,
    ) -> Self {
        let now = Instant::now();
        Self {
            asker,
            backoff: terms.reconnect.clone(),
            terms,
            shared,
            listener,
            wakes,
            topics: HashMap::new(),
            brokers: Vec::new(),
            names: None,
            id_due: None,
            rest_until: now,
            findings: Findings::default(),
        }
    }

    /// Until the writer is gone.
    pub(super) fn run(mut self) {
        let mut until = None;
        while let Some(wishes) = self.shared.await_wishes(until) {
            let now = Instant::now();
            self.accept(wishes, now);
            self.give_up_late(now);
            if self.rest_until <= now
                && let Err(trouble) = self.look_around(now)
            {
                self.listener.hear_trouble(trouble);
                self.rest_until = Instant::now() + self.backoff.next();
            }
            self.publish();
            until = self.next_look();
        }
    }

    fn accept(&mut self, wishes: Wishes, now: Instant) {
        for (topic, is_asked) in wishes.topics {
            if is_asked {
                let kept = self.topics.entry(topic).or_insert_with(|| Kept::new(now));
                kept.ask(&self.terms, now);
            } else {
                self.topics.remove(&topic);
            }
        }
        if wishes.refresh {
            self.topics.values_mut().for_each(|kept| kept.refresh(&self.terms, now));
        }
        if wishes.producer_id {
            self.id_due = Some(now);
        }
    }

    fn give_up_late(&mut self, now: Instant) {
        let is_late = |kept: &Kept| kept.until().is_some_and(|until| until <= now);
        let late: Vec<_> = self.topics.extract_if(|_, kept| is_late(kept)).collect();
        for (topic, mut kept) in late {
            match kept.give_up() {
                Next::Refuse(code) => self.refuse(topic, code),
                next => {
                    self.tell(&topic, next);
                    self.topics.insert(topic, kept);
                }
            }
        }
    }

    /// Puts what is due.
    fn look_around(&mut self, now: Instant) -> Result<(), Trouble> {
        if self.id_due.is_some_and(|due| due <= now) {
            self.get_producer_id()?;
            self.publish();
        }
        let due = self.due(now);
        if due.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = due.iter().map(|topic| &**topic).collect();
        let told = self.asker.topics(&names)?;
        self.backoff.reset();
        self.take_in(due, told)
    }

    /// The topics of the next question. Those that are due soon come along.
    fn due(&self, now: Instant) -> Vec<Arc<str>> {
        if self.topics.values().all(|kept| kept.due() > now) {
            return Vec::new();
        }
        let may_join = self.topics.iter().filter(|(_, kept)| kept.may_join(now));
        let mut due: Vec<_> = may_join.map(|(topic, kept)| (kept.due(), topic)).collect();
        due.sort_unstable_by_key(|(due, _)| *due);
        due.into_iter().take(AT_ONCE).map(|(_, topic)| Arc::clone(topic)).collect()
    }

    /// Tells what is to be told, and creates what may be created.
    fn take_in(&mut self, asked: Vec<Arc<str>>, told: Metadata) -> Result<(), Trouble> {
        let now = Instant::now();
        if told.brokers != self.brokers && !told.brokers.is_empty() {
            self.brokers.clone_from(&told.brokers);
            self.findings.brokers = Some(told.brokers);
        }
        let mut told: HashMap<_, _> =
            told.topics.into_iter().map(|topic| (topic.name, topic.leaders)).collect();
        let (mut missing, mut refused) = (Vec::new(), Vec::new());
        for topic in asked {
            let Some(kept) = self.topics.get_mut(&topic) else { continue };
            match kept.hear(told.remove(&*topic), &self.terms, now) {
                Next::Create => missing.push(topic),
                Next::Refuse(code) => refused.push((topic, code)),
                next => self.tell(&topic, next),
            }
        }
        // What is known does not wait for what follows.
        self.publish();
        for (topic, code) in refused {
            self.refuse(topic, code);
        }
        self.create(&missing)
    }

    fn tell(&mut self, topic: &Arc<str>, next: Next) {
        let Next::Tell(n_partitions, leaders) = next else { return };
        if let Some(n_partitions) = n_partitions {
            self.findings.answers.insert(Arc::clone(topic), Ok(n_partitions));
        }
        if let Some(leaders) = leaders {
            self.findings.leaders.insert(Arc::clone(topic), leaders);
        }
    }

    fn refuse(&mut self, topic: Arc<str>, code: RDKafkaErrorCode) {
        let refusal = if is_unknown(code) {
            Refusal::unknown(code, self.suggestion(&topic))
        } else {
            code.into()
        };
        self.topics.remove(&topic);
        self.findings.answers.insert(topic, Err(refusal));
    }

    /// Creates topics. A new one is there when it is told of, so it is asked for once more.
    fn create(&mut self, missing: &[Arc<str>]) -> Result<(), Trouble> {
        let Some(n_partitions) = self.terms.creation.filter(|_| !missing.is_empty()) else {
            return Ok(());
        };
        let names: Vec<&str> = missing.iter().map(|topic| &**topic).collect();
        let outcomes = self.asker.create_topics(&names, n_partitions)?;
        let outcomes: HashMap<_, _> = outcomes.into_iter().collect();
        let now = Instant::now();
        for topic in missing {
            match outcomes.get(&**topic) {
                Some(Ok(()) | Err(RDKafkaErrorCode::TopicAlreadyExists)) => {
                    self.topics.entry(Arc::clone(topic)).and_modify(|kept| kept.settle(now));
                }
                Some(Err(code)) if !may_pass(*code) => self.refuse(Arc::clone(topic), *code),
                // It is asked for again, and created if it is still missing.
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }

    /// What to do about a topic that does not exist, with the name that was perhaps meant.
    fn suggestion(&mut self, topic: &str) -> Arc<str> {
        let now = Instant::now();
        if self.names.as_ref().is_none_or(|(_, until)| *until < now) {
            self.names = Some((self.all_names(), now + NAMES));
        }
        let known = self.names.iter().flat_map(|(names, _)| names);
        let error = unknown_topic(topic, known.map(|(name, n)| (name.as_str(), *n)));
        error.hint().unwrap_or_default().into()
    }

    /// All topics with the number of their partitions; none where no broker tells.
    fn all_names(&mut self) -> Vec<(String, usize)> {
        match self.asker.all_topics() {
            Ok(told) => {
                let count =
                    |topic: TopicMetadata| (topic.name, topic.leaders.map_or(0, |l| l.len()));
                told.topics.into_iter().map(count).collect()
            }
            Err(trouble) => {
                self.listener.hear_trouble(trouble);
                Vec::new()
            }
        }
    }

    fn get_producer_id(&mut self) -> Result<(), Trouble> {
        let given = self.asker.producer_id()?;
        self.backoff.reset();
        let is_final = match given {
            Ok(_) => true,
            Err(code) => is_denied(code),
        };
        self.id_due = (!is_final).then(|| Instant::now() + RETRY);
        self.findings.producer_id = is_final.then_some(given);
        Ok(())
    }

    /// Hands over what was found.
    fn publish(&mut self) {
        let findings = std::mem::take(&mut self.findings);
        let (has_news, has_answers) = (findings.has_news(), !findings.answers.is_empty());
        if !has_news && !has_answers {
            return;
        }
        self.shared.publish(findings);
        // The producer is to know where partitions are before it gets records for them.
        if has_news {
            (self.wakes.producer)();
        }
        if has_answers {
            self.wakes.writer.wake();
        }
    }

    /// When there is something to do again, if nothing is wished before.
    fn next_look(&self) -> Option<Instant> {
        let due = self.topics.values().map(Kept::due).chain(self.id_due).min();
        let until = self.topics.values().filter_map(Kept::until);
        due.map(|due| due.max(self.rest_until)).into_iter().chain(until).min()
    }
}

/// Whether topics that were not created are perhaps created when asked for again.
fn may_pass(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::NetworkException
            | RDKafkaErrorCode::ThrottlingQuotaExceeded
    )
}

/// Whether a producer gets no id until somebody acts.
fn is_denied(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::UnsupportedVersion
            | RDKafkaErrorCode::InvalidRequest
    )
}

//! Looks topics up for a writer that routes, and creates them where it may: on a thread of its own, many with one question.
//!
//! Invariant: every question is answered once, at the latest when its patience is over; there are never more of them than the writer
//! has topics in use.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::error::{Error, ErrorKind, Result, codes};
use millstream_engine::runtime::Wake;
use rdkafka::types::RDKafkaErrorCode;

use crate::control::{Found, Refusal, is_lasting, is_unknown};
use crate::error::unknown_topic;
use crate::raw::{Answered, Client};

/// Topics of one question at most: the answer stays well below what a broker sends at once.
const AT_ONCE: usize = 500;

/// How long the cluster may take for one question.
const QUESTION: Duration = Duration::from_secs(5);

/// How long it may take to create topics.
const CREATION: Duration = Duration::from_secs(30);

/// How long to wait before a question is put again that was not answered.
const RETRY: Duration = Duration::from_millis(500);

/// The same for topics that were just created: every broker hears of them soon.
const SETTLING: Duration = Duration::from_millis(50);

/// How long the names of all topics are kept, which suggestions are made from.
const NAMES: Duration = Duration::from_secs(30);

/// The writer's end. The thread ends when it is dropped.
pub(crate) struct Directory {
    shared: Arc<Shared>,
    patience: Duration,
}

#[derive(Default)]
struct Shared {
    exchange: Mutex<Exchange>,
    asked: Condvar,
}

#[derive(Default)]
struct Exchange {
    questions: Vec<Question>,
    answers: Vec<(Arc<str>, Found)>,
    login_is_due: bool,
    closed: bool,
}

struct Question {
    topic: Arc<str>,
    until: Instant,
    /// It was created for this question.
    was_created: bool,
    /// One broker has said already that it does not know it.
    is_doubtful: bool,
}

impl Directory {
    /// Starts the thread; with `creation` it creates topics of so many partitions. `patience` is how long a topic is looked for
    /// while the cluster does not answer.
    pub(crate) fn start(
        client: Arc<Client>,
        creation: Option<u32>,
        patience: Duration,
        wake: &Wake,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let search = Search {
            client,
            creation,
            shared: Arc::clone(&shared),
            names: None,
            wake: wake.clone(),
        };
        std::thread::Builder::new()
            .name("kafka-topics".to_owned())
            .spawn(move || search.run())
            .map_err(|error| {
                let what = "start a thread for the Kafka client";
                Error::new(ErrorKind::Unavailable, codes::UNREACHABLE, what).with_source(error)
            })?;
        Ok(Self { shared, patience })
    }

    /// Asks for a topic. The wake is called when the answer is there.
    pub(crate) fn ask(&self, topic: &Arc<str>) {
        let until = Instant::now() + self.patience;
        let topic = Arc::clone(topic);
        let question = Question { topic, until, was_created: false, is_doubtful: false };
        self.shared.lock().questions.push(question);
        self.shared.asked.notify_one();
    }

    /// Looks the password up again, because the cluster refuses the client.
    pub(crate) fn renew_login(&self) {
        self.shared.lock().login_is_due = true;
        self.shared.asked.notify_one();
    }

    /// Takes the answers that have come.
    pub(crate) fn answers(&self) -> Vec<(Arc<str>, Found)> {
        std::mem::take(&mut self.shared.lock().answers)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.asked.notify_one();
    }
}

impl Shared {
    /// What was exchanged; a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for questions and takes as many as are put at once, none where a login is due; nothing once the writer is gone.
    fn take(&self) -> Option<Vec<Question>> {
        let mut exchange = self
            .asked
            .wait_while(self.lock(), |at| at.questions.is_empty() && !at.login_is_due && !at.closed)
            .unwrap_or_else(PoisonError::into_inner);
        exchange.login_is_due = false;
        let n_questions = exchange.questions.len().min(AT_ONCE);
        (!exchange.closed).then(|| exchange.questions.drain(..n_questions).collect())
    }

    /// Waits, unless the writer goes meanwhile.
    fn pause(&self, wait: Duration) {
        drop(self.asked.wait_timeout_while(self.lock(), wait, |at| !at.closed));
    }
}

/// The thread's half.
struct Search {
    client: Arc<Client>,
    creation: Option<u32>,
    shared: Arc<Shared>,
    /// The topics of the cluster, and until when they are believed.
    names: Option<(Vec<(String, usize)>, Instant)>,
    wake: Wake,
}

/// What becomes of a question.
enum Next {
    Answer(Found),
    Create,
    Again,
}

impl Search {
    fn run(mut self) {
        while let Some(questions) = self.shared.take() {
            if self.client.listener().take_login() {
                self.client.renew_login();
            }
            if questions.is_empty() {
                continue;
            }
            let names: Vec<&str> = questions.iter().map(|question| &*question.topic).collect();
            let Ok(described) = self.client.describe(&names, QUESTION) else {
                self.put_back(questions, RETRY);
                continue;
            };
            self.sort(questions, described);
        }
    }

    /// Answers what can be answered, creates what may be created, and asks again for the rest.
    fn sort(&mut self, questions: Vec<Question>, described: Vec<Answered>) {
        let told: HashMap<String, Result<u32, RDKafkaErrorCode>> = described.into_iter().collect();
        let (mut answers, mut missing, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for mut question in questions {
            let outcome = told.get(&*question.topic).copied();
            match self.next(&mut question, outcome) {
                Next::Answer(found) => answers.push((question.topic, found)),
                Next::Create => missing.push(question),
                Next::Again => again.push(question),
            }
        }
        self.answer(answers);
        again.extend(self.create(missing));
        if !again.is_empty() {
            let waits_for_new = again.iter().all(|question| question.was_created);
            self.put_back(again, if waits_for_new { SETTLING } else { RETRY });
        }
    }

    fn next(
        &mut self,
        question: &mut Question,
        found: Option<Result<u32, RDKafkaErrorCode>>,
    ) -> Next {
        match found {
            Some(Ok(n_partitions)) if n_partitions > 0 => Next::Answer(Ok(n_partitions)),
            Some(Err(code)) if is_unknown(code) && question.was_created => Next::Again,
            Some(Err(code)) if is_unknown(code) && self.creation.is_some() => Next::Create,
            // Somebody may just have created it, which every broker hears of in its own time.
            Some(Err(code)) if is_unknown(code) && !question.is_doubtful => {
                question.is_doubtful = true;
                Next::Again
            }
            Some(Err(code)) if is_unknown(code) => {
                let hint = self.suggestion(&question.topic);
                Next::Answer(Err(Refusal::unknown(code, hint)))
            }
            Some(Err(code)) if is_lasting(code) => Next::Answer(Err(code.into())),
            Some(Ok(_) | Err(_)) | None => Next::Again,
        }
    }

    /// Creates topics, and returns the questions that are to be put once more: a new topic is there when it is described.
    fn create(&mut self, missing: Vec<Question>) -> Vec<Question> {
        let Some(n_partitions) = self.creation.filter(|_| !missing.is_empty()) else {
            return missing;
        };
        let names: Vec<&str> = missing.iter().map(|question| &*question.topic).collect();
        let Ok(created) = self.client.create(&names, n_partitions, CREATION) else {
            return missing;
        };
        let outcomes: HashMap<_, _> = created.into_iter().collect();
        let (mut refused, mut again) = (Vec::new(), Vec::new());
        for question in missing {
            match outcomes.get(&*question.topic) {
                Some(Err(code)) if *code != RDKafkaErrorCode::TopicAlreadyExists => {
                    refused.push((question.topic, Err(Refusal::from(*code))));
                }
                _ => again.push(Question { was_created: true, ..question }),
            }
        }
        self.answer(refused);
        again
    }

    /// What to do about a topic that does not exist, with the name that was perhaps meant.
    fn suggestion(&mut self, topic: &str) -> Arc<str> {
        let now = Instant::now();
        if self.names.as_ref().is_none_or(|(_, until)| *until < now) {
            self.names = Some((self.client.all_topics(QUESTION), now + NAMES));
        }
        let known = self.names.iter().flat_map(|(names, _)| names);
        let error = unknown_topic(topic, known.map(|(name, n)| (name.as_str(), *n)));
        error.hint().unwrap_or_default().into()
    }

    fn answer(&self, answers: Vec<(Arc<str>, Found)>) {
        if !answers.is_empty() {
            self.shared.lock().answers.extend(answers);
            self.wake.wake();
        }
    }

    /// Puts questions again after a pause, those apart whose patience is over.
    fn put_back(&self, questions: Vec<Question>, pause: Duration) {
        let now = Instant::now();
        let (late, again): (Vec<_>, Vec<_>) =
            questions.into_iter().partition(|question| question.until < now);
        let timed_out = Refusal::from(RDKafkaErrorCode::MessageTimedOut);
        self.answer(late.into_iter().map(|late| (late.topic, Err(timed_out.clone()))).collect());
        self.shared.pause(pause);
        self.shared.lock().questions.extend(again);
    }
}

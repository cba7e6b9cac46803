//! Finds out how many partitions topics have, and whether they are there; looks again from time to time, since partitions are added.
//!
//! Invariant: each topic that is asked for gets an answer within the time for it, and at most 32 are looked up at once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::runtime::Wake;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::admin::{NewTopic, Topics};
use crate::net::cluster::Cluster;
use crate::net::{Trouble, runtime};
use crate::topic_name::TopicName;
use crate::wire::proto::ServerError;

/// How often topics are looked at again, as Java's client does.
const AGAIN: Duration = Duration::from_mins(1);

/// Topics that are looked up at once.
const MAX_ASKED: usize = 32;

/// How long to wait before a topic is asked for again that could not be looked up.
const PAUSE: Duration = Duration::from_millis(500);

/// What becomes of a topic that does not exist.
#[derive(Clone, Debug)]
pub(crate) enum Absent {
    /// The broker makes it with the first producer, if it is set up so.
    LeftToBroker,
    /// It is made with so many partitions by the admin API, 0 for a topic without.
    Created(Box<Topics>, u32),
    /// It is told as unknown.
    Told,
}

/// How many partitions a topic has, 0 for a topic without; or why it cannot be told.
pub(crate) type Found = Result<u32, Trouble>;

/// Looks topics up for one writer.
pub(crate) struct Survey {
    looking: Arc<Looking>,
}

struct Looking {
    cluster: Arc<Cluster>,
    absent: Absent,
    /// How long a topic is tried for.
    limit: Duration,
    wake: Wake,
    places: Semaphore,
    state: Mutex<State>,
    /// A task that waits is told of the end.
    over: Notify,
    listings: tokio::sync::Mutex<HashMap<String, Listing>>,
}

#[derive(Default)]
struct State {
    /// Topics in use, and how many partitions they had the last time.
    kept: HashMap<Arc<str>, Option<u32>>,
    answers: Vec<(Arc<str>, Found)>,
    is_over: bool,
}

/// The topics of a namespace.
struct Listing {
    begun: Instant,
    names: HashSet<String>,
}

impl Survey {
    /// Starts the task that looks again.
    pub(crate) fn start(
        cluster: &Arc<Cluster>,
        absent: Absent,
        limit: Duration,
        wake: Wake,
    ) -> Self {
        let looking = Arc::new(Looking {
            cluster: Arc::clone(cluster),
            absent,
            limit,
            wake,
            places: Semaphore::new(MAX_ASKED),
            state: Mutex::default(),
            over: Notify::new(),
            listings: tokio::sync::Mutex::default(),
        });
        runtime::handle().spawn(Arc::clone(&looking).look_again());
        Self { looking }
    }

    /// Keeps a topic in mind: it is looked at again from time to time, once it was found.
    pub(crate) fn keep(&self, topic: &Arc<str>) -> Kept {
        self.looking.lock().kept.insert(Arc::clone(topic), None);
        Kept { looking: Arc::clone(&self.looking), topic: Arc::clone(topic) }
    }

    /// Looks up a topic that is kept in mind.
    pub(crate) fn ask(&self, topic: &Arc<str>) {
        let (looking, topic) = (Arc::clone(&self.looking), Arc::clone(topic));
        runtime::handle().spawn(async move { looking.look(&topic).await });
    }

    /// What was found since the last time: each topic once, and again where it has more partitions.
    pub(crate) fn answers(&self) -> Vec<(Arc<str>, Found)> {
        std::mem::take(&mut self.looking.lock().answers)
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        self.looking.lock().is_over = true;
        self.looking.over.notify_waiters();
        self.looking.over.notify_one();
    }
}

/// A topic in use. Dropped, it is forgotten.
pub(crate) struct Kept {
    looking: Arc<Looking>,
    topic: Arc<str>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.looking.lock().kept.remove(&self.topic);
    }
}

impl Looking {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_again(self: Arc<Self>) {
        while timeout(AGAIN, self.over.notified()).await.is_err() {
            let known = |(topic, found): (&Arc<str>, &Option<u32>)| {
                found.is_some().then(|| Arc::clone(topic))
            };
            let topics: Vec<_> = self.lock().kept.iter().filter_map(known).collect();
            for topic in topics {
                // A topic that cannot be looked at now is looked at the next time.
                if let Ok(found) = self.partitions(&topic).await {
                    self.tell(&topic, Ok(found));
                }
            }
        }
    }

    /// Looks a topic up, again and again while that may help and the time for it lasts.
    async fn look(&self, topic: &Arc<str>) {
        let until = Instant::now() + self.limit;
        let found = loop {
            let found = match self.places.acquire().await {
                Ok(_place) => self.find(topic).await,
                Err(_closed) => return,
            };
            if self.lock().is_over {
                return;
            }
            match found {
                Err(trouble) if trouble.may_pass() && Instant::now() + PAUSE < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                found => break found,
            }
        };
        self.tell(topic, found);
    }

    fn tell(&self, topic: &Arc<str>, found: Found) {
        let mut state = self.lock();
        let Some(kept) = state.kept.get_mut(topic) else { return };
        let before = std::mem::replace(kept, found.as_ref().ok().copied());
        if found.is_ok() && before == *kept {
            return;
        }
        state.answers.push((Arc::clone(topic), found));
        drop(state);
        self.wake.wake();
    }

    async fn partitions(&self, topic: &str) -> Found {
        let name = parse(topic)?;
        self.cluster.n_partitions(name.as_str()).await
    }

    async fn find(&self, topic: &str) -> Found {
        let asked = Instant::now();
        let name = parse(topic)?;
        let n_partitions = self.cluster.n_partitions(name.as_str()).await?;
        let is_left = matches!(self.absent, Absent::LeftToBroker);
        if n_partitions > 0 || is_left || self.is_listed(&name, asked).await? {
            return Ok(n_partitions);
        }
        match &self.absent {
            Absent::Created(topics, wanted) => create((**topics).clone(), &name, *wanted).await,
            _ => Err(Trouble::refused(
                ServerError::TopicNotFound,
                "it does not exist on this cluster",
            )),
        }
    }

    /// Whether a topic was there after `asked`. Topics that are asked for at once share a listing of their namespace.
    async fn is_listed(&self, name: &TopicName, asked: Instant) -> Result<bool, Trouble> {
        let mut listings = self.listings.lock().await;
        if let Some(listing) = listings.get(name.namespace())
            && (listing.begun >= asked || listing.names.contains(name.as_str()))
        {
            return Ok(listing.names.contains(name.as_str()));
        }
        let begun = Instant::now();
        let names = self.cluster.topics_of(name.namespace()).await?;
        let names: HashSet<_> = names.into_iter().collect();
        let is_there = names.contains(name.as_str());
        // One namespace is the usual case; others take its place.
        listings.clear();
        listings.insert(name.namespace().to_owned(), Listing { begun, names });
        Ok(is_there)
    }
}

/// Makes a topic. Where somebody else was faster, it has the partitions that he wanted.
async fn create(topics: Topics, name: &TopicName, n_partitions: u32) -> Found {
    let new = NewTopic::new(name.as_str(), n_partitions);
    let made = runtime::handle().spawn_blocking(move || topics.create(&new)).await;
    match made {
        Ok(Ok(true)) => Ok(n_partitions),
        // It is looked up once more.
        Ok(Ok(false)) | Err(_) => Err(Trouble::refused(ServerError::MetadataError, "it changes")),
        Ok(Err(error)) if error.is_retryable() => {
            Err(Trouble::refused(ServerError::MetadataError, &error.to_string()))
        }
        Ok(Err(error)) => Err(Trouble::refused(ServerError::TopicNotFound, &error.to_string())),
    }
}

fn parse(topic: &str) -> Result<TopicName, Trouble> {
    TopicName::parse(topic).map_err(|why| Trouble::refused(ServerError::InvalidTopicName, why))
}

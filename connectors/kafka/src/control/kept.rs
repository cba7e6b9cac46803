//! A topic that the writer uses: what is known of it, and when it is asked for again.

use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode;

use super::refusal::{is_lasting, is_unknown};
use super::terms::Terms;
use crate::wire::metadata::Leaders;

/// How long to wait before a question is put again that was not answered.
const RETRY: Duration = Duration::from_millis(500);

/// The same for a topic that was just created: every broker hears of it soon.
const SETTLING: Duration = Duration::from_millis(50);

/// The longest wait for a partition that has no leader.
const ELECTION: Duration = Duration::from_secs(1);

/// One topic.
pub(super) struct Kept {
    stage: Stage,
    /// The writer waits for an answer.
    question: Option<Question>,
    /// The producer waits for the leaders, changed or not.
    owes_leaders: bool,
    /// When a broker answered last.
    heard_at: Option<Instant>,
    /// When it may be asked for together with others, and when it must.
    early: Instant,
    due: Instant,
}

/// An open question of the writer.
struct Question {
    /// When it is given up; `None`: never.
    until: Option<Instant>,
}

/// How much is known.
enum Stage {
    /// Nothing yet.
    New,
    /// One broker has said already that it does not know it.
    Doubtful,
    /// It was created.
    Created,
    /// There it is.
    Seen { leaders: Leaders, leaderless_since: Option<Instant> },
    /// It was there, and brokers say that it is not.
    Missing { leaders: Leaders, since: Instant },
}

/// What becomes of a topic once a broker has answered, or has not for too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is asked for again in its time.
    Wait,
    /// The writer is told the number of partitions, the producer the leaders, where they are to know.
    Tell(Option<u32>, Option<Leaders>),
    /// It is to be created.
    Create,
    /// It cannot be written, and is not kept any more.
    Refuse(RDKafkaErrorCode),
}

impl Kept {
    /// A topic that nobody has asked for.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            stage: Stage::New,
            question: None,
            owes_leaders: false,
            heard_at: None,
            early: now,
            due: now,
        }
    }

    /// The writer asks for it.
    pub(super) fn ask(&mut self, terms: &Terms, now: Instant) {
        let until = terms.patience.and_then(|patience| now.checked_add(patience));
        self.question.get_or_insert(Question { until });
        self.refresh(terms, now);
    }

    /// The producer asks for its leaders: soon, and not more often than is good for the cluster.
    pub(super) fn refresh(&mut self, terms: &Terms, now: Instant) {
        self.owes_leaders = true;
        // Others are looked up as fast as they can be.
        if let Stage::Seen { .. } = self.stage {
            let soon = self.heard_at.map_or(now, |heard_at| now.max(heard_at + terms.retry));
            self.due = self.due.min(soon);
            self.early = self.early.min(soon);
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether it may be asked for now where another one must.
    pub(super) fn may_join(&self, now: Instant) -> bool {
        self.early <= now
    }

    /// When the open question is given up.
    pub(super) fn until(&self) -> Option<Instant> {
        self.question.as_ref()?.until
    }

    /// Takes in that nobody has answered for too long. What was known before is still believed.
    pub(super) fn give_up(&mut self) -> Next {
        self.question = None;
        match self.leaders() {
            [] => Next::Refuse(RDKafkaErrorCode::MessageTimedOut),
            leaders => Next::Tell(Some(count(leaders)), None),
        }
    }

    /// Takes in what a broker says, if anything.
    pub(super) fn hear(
        &mut self,
        told: Option<Result<Leaders, RDKafkaErrorCode>>,
        terms: &Terms,
        now: Instant,
    ) -> Next {
        self.heard_at = Some(now);
        match told {
            Some(Ok(leaders)) if !leaders.is_empty() => self.see(leaders, terms, now),
            Some(Err(code)) if is_unknown(code) => self.miss(code, terms, now),
            Some(Err(code)) if is_lasting(code) => Next::Refuse(code),
            // It is being made, or that broker does not know yet.
            Some(Ok(_) | Err(_)) | None => self.wait(RETRY, now),
        }
    }

    /// Takes in that it was created.
    pub(super) fn settle(&mut self, now: Instant) {
        self.stage = Stage::Created;
        self.wait(SETTLING, now);
    }

    fn see(&mut self, leaders: Leaders, terms: &Terms, now: Instant) -> Next {
        let is_asked = self.question.take().is_some();
        let n_partitions =
            (is_asked || self.leaders().len() != leaders.len()).then(|| count(&leaders));
        let is_owed = std::mem::take(&mut self.owes_leaders);
        let news = (is_owed || self.leaders() != leaders).then(|| leaders.clone());
        let before = match self.stage {
            Stage::Seen { leaderless_since, .. } => leaderless_since,
            _ => None,
        };
        let is_leaderless = leaders.contains(&None);
        let leaderless_since = is_leaderless.then(|| before.unwrap_or(now));
        match (leaderless_since, terms.refresh) {
            (Some(since), _) => {
                let wait = (now - since) / 2;
                self.wait(wait.min(ELECTION).max(terms.retry), now);
            }
            (None, Some(refresh)) => {
                self.wait(refresh, now);
                self.early = self.due.checked_sub(refresh / 10).unwrap_or(self.due);
            }
            (None, None) => {
                self.wait(Duration::from_hours(24 * 365), now);
            }
        }
        self.stage = Stage::Seen { leaders, leaderless_since };
        match (n_partitions, news) {
            (None, None) => Next::Wait,
            (n_partitions, news) => Next::Tell(n_partitions, news),
        }
    }

    fn miss(&mut self, code: RDKafkaErrorCode, terms: &Terms, now: Instant) -> Next {
        let may_create = terms.creation.is_some();
        match &mut self.stage {
            Stage::Created => return self.wait(SETTLING, now),
            Stage::Seen { leaders, .. } => {
                self.stage = Stage::Missing { leaders: std::mem::take(leaders), since: now };
            }
            Stage::Missing { since, .. } if now - *since < terms.propagation => {}
            Stage::New | Stage::Missing { .. } if may_create => {
                self.wait(RETRY, now);
                return Next::Create;
            }
            // Somebody may just have created it, which every broker hears of in its own time.
            Stage::New => self.stage = Stage::Doubtful,
            Stage::Doubtful | Stage::Missing { .. } => return Next::Refuse(code),
        }
        self.wait(RETRY, now)
    }

    fn leaders(&self) -> &[Option<i32>] {
        match &self.stage {
            Stage::Seen { leaders, .. } | Stage::Missing { leaders, .. } => leaders,
            Stage::New | Stage::Doubtful | Stage::Created => &[],
        }
    }

    fn wait(&mut self, wait: Duration, now: Instant) -> Next {
        self.due = now + wait;
        self.early = self.due;
        Next::Wait
    }
}

fn count(leaders: &[Option<i32>]) -> u32 {
    u32::try_from(leaders.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::config::SinkConfig;

    use super::*;

    fn seen(leaders: &[Option<i32>], terms: &Terms, now: Instant) -> Kept {
        let mut kept = Kept::new(now);
        kept.hear(Some(Ok(leaders.to_vec())), terms, now);
        kept
    }

    #[test]
    fn topic_that_is_due_soon_comes_along() {
        let (terms, now) = (Terms::of(&SinkConfig::new("k:1", "orders")), Instant::now());
        let kept = seen(&[Some(1)], &terms, now);
        assert_eq!(kept.due(), now + Duration::from_mins(1));
        assert!(!kept.may_join(now + Duration::from_secs(53)));
        assert!(kept.may_join(now + Duration::from_secs(55)));
    }

    #[test]
    fn leaders_are_not_looked_up_twice_at_once() {
        let (terms, now) = (Terms::of(&SinkConfig::new("k:1", "orders")), Instant::now());
        let mut kept = seen(&[Some(1)], &terms, now);
        kept.refresh(&terms, now);
        assert_eq!(kept.due(), now + terms.retry);
        let later = now + Duration::from_secs(30);
        let mut other = seen(&[Some(1)], &terms, now);
        other.refresh(&terms, later);
        assert_eq!(other.due(), later);
    }

    #[test]
    fn long_elections_are_asked_for_less_often() {
        let (terms, now) = (Terms::of(&SinkConfig::new("k:1", "orders")), Instant::now());
        let mut kept = seen(&[None], &terms, now);
        assert_eq!(kept.due(), now + terms.retry);
        for (passed, wait) in [(400, 200), (1000, 500), (60_000, 1000)] {
            let later = now + Duration::from_millis(passed);
            kept.hear(Some(Ok(vec![None])), &terms, later);
            assert_eq!(kept.due(), later + Duration::from_millis(wait));
        }
        kept.hear(Some(Ok(vec![Some(1)])), &terms, now);
        kept.hear(Some(Ok(vec![None])), &terms, now + Duration::from_hours(1));
        let next = now + Duration::from_hours(1) + terms.retry;
        assert_eq!(kept.due(), next, "the next election is another one");
    }

    #[test]
    fn topic_is_gone_only_when_it_was_missing_for_long() {
        let (terms, now) = (Terms::of(&SinkConfig::new("k:1", "orders")), Instant::now());
        let code = RDKafkaErrorCode::UnknownTopicOrPartition;
        let after = |kept: &mut Kept, by, seconds| {
            kept.hear(Some(Err(code)), by, now + Duration::from_secs(seconds))
        };
        let mut kept = seen(&[Some(1)], &terms, now);
        for seconds in [0, 1, 29] {
            assert_eq!(after(&mut kept, &terms, seconds), Next::Wait);
        }
        assert_eq!(kept.hear(Some(Ok(vec![Some(1)])), &terms, now), Next::Wait, "it is back");
        assert_eq!(after(&mut kept, &terms, 40), Next::Wait);
        assert_eq!(after(&mut kept, &terms, 69), Next::Wait);
        let creating = Terms { creation: Some(1), ..terms.clone() };
        assert_eq!(after(&mut kept, &creating, 70), Next::Create);
        assert_eq!(after(&mut kept, &terms, 70), Next::Refuse(code));
    }
}

//! What the copying programs find and leave behind: a full topic, a fresh one for every run, counts to compare.

use crate::contents::contents;
use crate::contest::Setting;
use crate::filled::fill;
use crate::run::Seen;
use crate::topics::Topics;

/// One topic to read, and a fresh one to write for every run.
pub(crate) struct Copies {
    topics: Topics,
    from: String,
}

impl Copies {
    /// At the cluster that `MILLSTREAM_TEST_KAFKA` names, with `n_records` to read; `None` when it names none.
    pub(crate) fn from_env(n_records: u64) -> Option<Self> {
        let mut topics = Topics::from_env()?;
        let from = fill(&mut topics, n_records);
        Some(Self { topics, from })
    }
}

impl Setting for Copies {
    fn prepare(&mut self) -> Vec<String> {
        let to = self.topics.make("copy");
        vec![self.topics.brokers.clone(), self.from.clone(), to]
    }

    fn left_behind(&mut self, arguments: &[String]) -> Seen {
        contents(&self.topics.brokers, &arguments[2])
    }

    fn tidy_up(&mut self, arguments: &[String]) {
        self.topics.delete(&arguments[2]);
    }

    fn close(&mut self) {
        self.topics.delete(&self.from);
    }
}

/// What a copy has seen: records read and written.
pub(crate) fn told((n_read, n_written): (u64, u64)) -> Seen {
    Seen::from([("read".to_owned(), n_read), ("written".to_owned(), n_written)])
}

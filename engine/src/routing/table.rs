//! The topics that a writer has in use: by the number of a batch, by name, and in the order of their last use.
//!
//! A name is looked up once per batch; after that a record finds its topic by two numbers. A use is one number written where the
//! topic is: with thousands of topics every other place that is touched is a wait for memory. Invariant: never more topics than
//! the policy allows, and none is let go of that the batch at hand uses, or that its writer says is in use.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::error;
use super::index::Index;
use super::policy::{NameRule, TopicPolicy};
use crate::batch::{RecordBatch, hash_of_name};
use crate::error::Result;

/// Marks the absence of a topic.
const NONE: u32 = u32::MAX;

/// Topics in use, each with what its writer keeps of it.
pub struct TopicTable<T> {
    policy: TopicPolicy,
    rule: NameRule,
    by_name: Index,
    topics: Vec<Place<T>>,
    /// Counts uses of topics.
    n_uses: u64,
    /// What it was when the batch at hand began.
    n_uses_before: u64,
    /// Uses and places of topics, oldest first; those used again since then are passed over.
    by_use: VecDeque<(u64, u32)>,
    /// Where the topics of the batch at hand are, by their number in the batch.
    of_batch: Vec<u32>,
    /// Where they will be, as far as the table had them when the batch began.
    expected: Vec<u32>,
}

struct Place<T> {
    name: Arc<str>,
    /// The number of its last use.
    used: u64,
    value: T,
}

impl<T> TopicTable<T> {
    /// An empty table under `policy`, for names that keep to `rule`.
    pub fn new(policy: TopicPolicy, rule: NameRule) -> Self {
        Self {
            policy,
            rule,
            by_name: Index::default(),
            topics: Vec::new(),
            n_uses: 0,
            n_uses_before: 0,
            by_use: VecDeque::new(),
            of_batch: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// The policy.
    pub fn policy(&self) -> &TopicPolicy {
        &self.policy
    }

    /// Begins with a batch: what was found for the one before is no longer known by number.
    pub fn start_batch(&mut self, batch: &RecordBatch) {
        self.of_batch.clear();
        self.of_batch.resize(batch.n_topics(), NONE);
        self.n_uses_before = self.n_uses;
        self.expect(batch);
    }

    /// Looks the names of a batch up: in steps, each of them for all names, so that what is in no cache is waited for together.
    fn expect(&mut self, batch: &RecordBatch) {
        let hashes = (0..).map_while(|number| batch.topic_hash(number));
        let places = hashes.map(|hash| self.by_name.find(hash, |_| true).unwrap_or(NONE));
        self.expected.clear();
        self.expected.extend(places);
        let topics = || self.expected.iter().filter_map(|at| self.topics.get(*at as usize));
        std::hint::black_box(topics().fold(0, |sum, topic| sum ^ topic.used));
        std::hint::black_box(
            topics().fold(0, |sum, topic| sum ^ topic.name.bytes().next().unwrap_or(0)),
        );
        for (number, at) in (0..).zip(&mut self.expected) {
            let name = self.topics.get(*at as usize).map(|topic| &*topic.name);
            if name != batch.topic_name(number) {
                *at = NONE;
            }
        }
    }

    /// Where the topic of this number in the batch is, once [`enter`](Self::enter) has found it.
    #[inline]
    pub fn found(&self, number: u32) -> Option<usize> {
        let at = *self.of_batch.get(number as usize)?;
        (at != NONE).then_some(at as usize)
    }

    /// Finds the topic of this number and name, or makes it, and says where it is. Where the table is full, the topic that was not
    /// used for longest gives up its place, if `is_idle` and unless the batch at hand uses it.
    ///
    /// # Errors
    /// *Bad item* when the name is none (`E0115`), is not allowed (`E0116`), or finds no place (`E0117`).
    pub fn enter(
        &mut self,
        (number, name): (u32, &str),
        make: impl FnOnce(&Arc<str>) -> Result<T>,
        is_idle: impl Fn(&T) -> bool,
    ) -> Result<usize> {
        let expected = self.expected.get(number as usize).copied().filter(|at| *at != NONE);
        let at = match expected.or_else(|| self.place_of(name)) {
            Some(at) => at,
            None => self.insert(name, make, is_idle)?,
        };
        self.n_uses += 1;
        self.topics[at as usize].used = self.n_uses;
        if let Some(found) = self.of_batch.get_mut(number as usize) {
            *found = at;
        }
        Ok(at as usize)
    }

    /// What is kept of a topic.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.topics[at].value
    }

    /// The same, only to look at.
    #[inline]
    pub fn get(&self, at: usize) -> &T {
        &self.topics[at].value
    }

    /// What is kept of a topic, and its name.
    #[inline]
    pub fn get_named(&mut self, at: usize) -> (&Arc<str>, &mut T) {
        let place = &mut self.topics[at];
        (&place.name, &mut place.value)
    }

    /// Where the topic of this name is.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.place_of(name).map(|at| at as usize)
    }

    fn place_of(&self, name: &str) -> Option<u32> {
        self.by_name.find(hash_of_name(name), |at| &*self.topics[at as usize].name == name)
    }

    /// The name of a topic.
    pub fn name(&self, at: usize) -> &Arc<str> {
        &self.topics[at].name
    }

    /// All topics.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.topics.iter().map(|place| (&place.name, &place.value))
    }

    /// What is kept of all topics.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.topics.iter_mut().map(|place| &mut place.value)
    }

    /// Lets go of all topics.
    pub fn clear(&mut self) {
        self.by_name.clear();
        self.topics.clear();
        self.of_batch.fill(NONE);
        self.expected.clear();
        self.by_use.clear();
    }

    #[cold]
    fn insert(
        &mut self,
        name: &str,
        make: impl FnOnce(&Arc<str>) -> Result<T>,
        is_idle: impl Fn(&T) -> bool,
    ) -> Result<u32> {
        (self.rule)(name).map_err(|why| error::invalid(name, why))?;
        self.policy.check(name)?;
        let room = if self.topics.len() < self.policy.max_topics() {
            None
        } else {
            let oldest = self.oldest().filter(|at| is_idle(&self.topics[*at as usize].value));
            Some(oldest.ok_or_else(|| error::too_many(name, self.policy.max_topics()))?)
        };
        let name: Arc<str> = name.into();
        let place = Place { value: make(&name)?, name, used: 0 };
        let at = room.unwrap_or(u32::try_from(self.topics.len()).unwrap_or(NONE));
        self.by_name.insert(hash_of_name(&place.name), at);
        if room.is_some() {
            let before = std::mem::replace(&mut self.topics[at as usize], place);
            self.by_name.remove(hash_of_name(&before.name), at);
            self.expected.clear();
        } else {
            self.topics.push(place);
        }
        Ok(at)
    }

    /// The topic that was not used for longest, unless the batch at hand uses it.
    fn oldest(&mut self) -> Option<u32> {
        loop {
            if self.by_use.is_empty() {
                self.sort_by_use();
            }
            let (used, at) = *self.by_use.front()?;
            if self.topics[at as usize].used == used {
                return Some(at).filter(|_| used <= self.n_uses_before);
            }
            self.by_use.pop_front();
        }
    }

    /// Sorts all topics by their last use; what it costs is shared by the uses that made it necessary.
    fn sort_by_use(&mut self) {
        let uses = (0..).zip(&self.topics).map(|(at, place)| (place.used, at));
        self.by_use.extend(uses);
        self.by_use.make_contiguous().sort_unstable();
    }
}

impl<T> fmt::Debug for TopicTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_topics = self.topics.len();
        f.debug_struct("TopicTable").field("n_topics", &n_topics).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    fn table(max_topics: usize) -> TopicTable<bool> {
        let rule: NameRule = |name| if name.is_empty() { Err("it is empty") } else { Ok(()) };
        TopicTable::new(TopicPolicy::every_topic_of_the_cluster().with_max_topics(max_topics), rule)
    }

    /// Enters topics that stay in use; says which place each got, or the code of the error.
    fn entered(table: &mut TopicTable<bool>, names: &[&str]) -> Vec<Result<usize, &'static str>> {
        table.start_batch(&RecordBatch::default());
        let enter = |name: &&str| {
            let found = table.enter((0, name), |_| Ok(true), |in_use| !in_use);
            found.map_err(|error| error.code().0)
        };
        names.iter().map(enter).collect()
    }

    #[test]
    fn topic_used_longest_ago_gives_up_its_place() {
        let mut table = table(3);
        assert_eq!(entered(&mut table, &["a", "b", "c", "a"]), [Ok(0), Ok(1), Ok(2), Ok(0)]);
        assert_eq!(entered(&mut table, &["d"]), [Err(codes::TOO_MANY_TOPICS.0)]);
        for at in 0..3 {
            *table.get_mut(at) = false;
        }
        assert_eq!(entered(&mut table, &["d", "a", "e"]), [Ok(1), Ok(0), Ok(2)]);
        let names: Vec<_> = table.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a", "d", "e"]);
        assert_eq!(entered(&mut table, &["b"]), [Err(codes::TOO_MANY_TOPICS.0)]);
        table.clear();
        assert_eq!(entered(&mut table, &["b", ""]), [Ok(0), Err(codes::INVALID_TOPIC.0)]);
    }

    #[test]
    fn batch_at_hand_keeps_the_topics_it_uses() {
        let mut idle = table(2);
        let mut enter = |name, begins: bool| {
            if begins {
                idle.start_batch(&RecordBatch::default());
            }
            idle.enter((0, name), |_| Ok(false), |in_use| !in_use).ok()
        };
        assert_eq!((enter("a", true), enter("b", false)), (Some(0), Some(1)));
        assert_eq!(enter("c", false), None, "all are idle, and the batch uses them");
        assert_eq!((enter("b", true), enter("c", false)), (Some(1), Some(0)));
        assert_eq!(enter("d", false), None);
    }

    #[test]
    fn topics_are_found_by_number_within_a_batch() {
        let (mut table, mut batch) = (table(3), RecordBatch::default());
        for name in ["b", "a"] {
            let mut writer = batch.writer();
            writer.topic(name);
            writer.finish();
        }
        entered(&mut table, &["a", "b"]);
        table.start_batch(&batch);
        assert_eq!((table.found(0), table.found(1)), (None, None));
        let found = table.enter((1, "a"), |_| Ok(true), |_| false);
        assert_eq!((found.ok(), table.found(0), table.found(1)), (Some(0), None, Some(0)));
        assert_eq!(table.found(2), None);
    }

    #[test]
    fn topic_that_lost_its_place_is_not_found_there() {
        let (mut table, mut batch) = (table(1), RecordBatch::default());
        for name in ["c", "a"] {
            let mut writer = batch.writer();
            writer.topic(name);
            writer.finish();
        }
        entered(&mut table, &["a"]);
        table.start_batch(&batch);
        let mut enter = |number, name| table.enter((number, name), |_| Ok(true), |_| true).ok();
        assert_eq!((enter(0, "c"), enter(1, "a")), (Some(0), None));
    }

    #[test]
    fn long_name_is_cut_in_its_error() {
        let mut table = table(1);
        entered(&mut table, &["a"]);
        let name = "ü".repeat(200);
        let refused = table.enter((0, &name), |_| Ok(true), |_| false).unwrap_err().report();
        assert!(refused.contains(&format!("{:?}…", "ü".repeat(60))), "{refused}");
    }
}

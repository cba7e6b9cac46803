//! What the threads hand each other: wishes to the one that asks, findings from it.
//!
//! Invariant: a later wish or finding about a topic takes the place of an earlier one, so that nothing piles up.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Found, News};
use crate::net::address::Address;
use crate::wire::metadata::Leaders;
use crate::wire::producer_id::Given;

/// What the thread is to do.
#[derive(Default)]
pub(super) struct Wishes {
    /// Whether each is to be asked for; else it is to be forgotten.
    pub(super) topics: HashMap<Arc<str>, bool>,
    pub(super) refresh: bool,
    pub(super) producer_id: bool,
}

/// What it has found out.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) answers: HashMap<Arc<str>, Found>,
    pub(super) brokers: Option<Vec<(i32, Address)>>,
    pub(super) leaders: HashMap<Arc<str>, Leaders>,
    pub(super) producer_id: Option<Given>,
}

#[derive(Default)]
pub(super) struct Shared {
    exchange: Mutex<Exchange>,
    wished: Condvar,
}

#[derive(Default)]
struct Exchange {
    wishes: Wishes,
    findings: Findings,
    closed: bool,
}

impl Wishes {
    fn is_empty(&self) -> bool {
        self.topics.is_empty() && !self.refresh && !self.producer_id
    }
}

impl Findings {
    pub(super) fn has_news(&self) -> bool {
        self.brokers.is_some() || !self.leaders.is_empty() || self.producer_id.is_some()
    }

    /// Adds later findings.
    fn extend(&mut self, later: Self) {
        self.answers.extend(later.answers);
        self.leaders.extend(later.leaders);
        self.brokers = later.brokers.or(self.brokers.take());
        self.producer_id = later.producer_id.or(self.producer_id.take());
    }
}

impl Shared {
    /// What was exchanged; a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wish<R>(&self, add: impl FnOnce(&mut Wishes) -> R) {
        add(&mut self.lock().wishes);
        self.wished.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wished.notify_one();
    }

    pub(super) fn take_answers(&self) -> Vec<(Arc<str>, Found)> {
        self.lock().findings.answers.drain().collect()
    }

    pub(super) fn take_news(&self) -> Vec<News> {
        let mut exchange = self.lock();
        let found = &mut exchange.findings;
        let mut news: Vec<_> = found.brokers.take().map(News::Brokers).into_iter().collect();
        let leaders = found.leaders.drain();
        news.extend(leaders.map(|(topic, leaders)| News::Leaders { topic, leaders }));
        news.extend(found.producer_id.take().map(|given| match given {
            Ok((id, epoch)) => News::ProducerId(id, epoch),
            Err(code) => News::NoProducerId(code),
        }));
        news
    }

    /// Waits for wishes, until a time at most, and takes them; `None` once the writer is gone.
    pub(super) fn await_wishes(&self, until: Option<Instant>) -> Option<Wishes> {
        let mut exchange = self.lock();
        while exchange.wishes.is_empty() && !exchange.closed {
            let Some(until) = until else {
                exchange = self.wished.wait(exchange).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.wished.wait_timeout(exchange, left);
            exchange = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (!exchange.closed).then(|| std::mem::take(&mut exchange.wishes))
    }

    pub(super) fn publish(&self, findings: Findings) {
        self.lock().findings.extend(findings);
    }
}

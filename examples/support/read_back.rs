//! What an example has written, read back from its topics.

use std::sync::{Arc, Mutex, PoisonError};

use millstream::batch::{OwnedRecord, Record};
use millstream::operators::prelude::*;
use millstream::{Config, Dataflow, Result};

use super::place::Place;

impl Place {
    /// The records of `topic`; on a real broker those that were not read back before.
    pub(crate) fn read_back(&self, topic: &str) -> Result<Vec<OwnedRecord>> {
        let found = Arc::new(Mutex::new(Vec::new()));
        let (place, name, to) = (self.clone(), topic.to_owned(), Arc::clone(&found));
        let flow = Dataflow::new("read-back", move |flow| {
            let to = Arc::clone(&to);
            let keep = move |record: Record<'_>| {
                to.lock().unwrap_or_else(PoisonError::into_inner).push(record.to_owned());
            };
            flow.source(&name, place.source(&name)).map(keep).discard();
        });
        millstream::run(&flow, Config::default())?;
        Ok(std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The key of a record as text; empty where there is none.
pub(crate) fn key(record: &OwnedRecord) -> &str {
    record.key.as_deref().and_then(|key| str::from_utf8(key).ok()).unwrap_or_default()
}

/// Why a dead letter was set aside: code and text.
pub(crate) fn reason(letter: &OwnedRecord) -> String {
    [header(letter, "millstream-error-code"), header(letter, "millstream-error")].join(" ")
}

fn header<'a>(record: &'a OwnedRecord, name: &str) -> &'a str {
    let found = record.headers.iter().rev().find(|(header, _)| header == name);
    let value = found.and_then(|(_, value)| value.as_deref());
    value.and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
}

//! The five stages. Each does little, so that the share of whoever calls them shows.

use std::fmt;

/// What a record says: 96 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    id: u64,
    amount: u64,
    time: u64,
    user: u64,
    rest: [u64; 8],
}

/// A record that says nothing of use.
#[derive(Debug)]
pub(crate) struct BadEvent(u64);

impl fmt::Display for BadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} is marked as not valid", self.0)
    }
}

impl std::error::Error for BadEvent {}

/// First stage, which can fail.
#[inline]
pub(crate) fn parse(value: &[u8]) -> Result<Event, BadEvent> {
    let (words, _) = value.as_chunks::<8>();
    let word = |at: usize| u64::from_le_bytes(words[at]);
    let id = word(0);
    if word(4) == 0 {
        return Err(BadEvent(id));
    }
    Ok(Event {
        id,
        amount: word(1),
        time: word(2),
        user: word(3),
        rest: std::array::from_fn(|at| word(5 + at)),
    })
}

/// Second stage.
#[inline]
pub(crate) fn is_large(event: &Event) -> bool {
    event.amount >= 10
}

/// Third stage.
#[inline]
pub(crate) fn double(mut event: Event) -> Event {
    event.amount *= 2;
    event
}

/// Fourth stage.
#[inline]
pub(crate) fn mark(mut event: Event) -> Event {
    event.rest[0] ^= event.id;
    event.time += 1;
    event
}

/// Fifth stage.
#[inline]
pub(crate) fn is_wanted(event: &Event) -> bool {
    event.user != 3
}

/// What is left of an event in the checksum.
#[inline]
pub(crate) fn digest(event: &Event) -> u64 {
    let rest = event.rest.iter().fold(0, |all, word| all ^ word);
    event.amount ^ event.time ^ rest
}

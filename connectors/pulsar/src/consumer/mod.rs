//! Consumers of topics: subscribed on the I/O runtime, emptied in bulk by a reader's thread.
//!
//! Invariant: what came from the broker is handed on in its order, and nothing is asked for that has no room. A consumer that is closed
//! never unsubscribes.

mod entry;
mod flow;
mod inbox;
mod link;
mod probe;
mod receiver;
mod terms;

pub(crate) use entry::{Entry, Opener, Unreadable, clear};
pub(crate) use flow::Flow;
pub(crate) use inbox::{Arrival, Delivered, Ends, Inbox};
pub(crate) use link::{Ack, Link, MAX_ACKS, Wanted};
pub(crate) use probe::{Bounds, probe, subscribe_once};
pub(crate) use terms::{Kind, Terms};

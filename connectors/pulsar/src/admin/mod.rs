//! Topics and namespaces, made and looked at by Pulsar's admin API. Sources and sinks never do so by themselves.
//!
//! Invariant: every call ends within its timeout, and what it has changed is there when it returns.

mod api;
mod namespaces;
mod topics;

pub use namespaces::{Namespaces, NewNamespace};
pub use topics::{Backlog, NewTopic, TopicStats, Topics};

//! Routing by the record: which topics a sink may write, and the topics that a writer has in use.
//!
//! Used by connectors. Invariant: a record that says where it goes goes there or is rejected, never elsewhere.

mod chains;
mod error;
mod from_url;
mod index;
mod policy;
mod table;

pub use chains::Chains;
pub use error::{no_topic, unknown_partition};
pub use policy::{NameRule, TopicPolicy};
pub use table::TopicTable;

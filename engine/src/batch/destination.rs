//! Where one record is to go, where it says so itself.

use serde::{Deserialize, Serialize};

/// Where a record is to go: what is absent is the sink's to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The topic; without one the record goes where its sink writes.
    pub topic: Option<&'a str>,
    /// The partition; without one the sink chooses, as a rule by the key.
    pub partition: Option<u32>,
}

impl Destination<'_> {
    /// Whether the record says nothing of where it goes.
    pub fn is_none(self) -> bool {
        self.topic.is_none() && self.partition.is_none()
    }

    /// A copy that outlives the batch.
    pub fn to_owned(self) -> OwnedDestination {
        OwnedDestination { topic: self.topic.map(str::to_owned), partition: self.partition }
    }
}

/// A [`Destination`] that owns its topic's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedDestination {
    /// The topic; without one the record goes where its sink writes.
    pub topic: Option<String>,
    /// The partition; without one the sink chooses, as a rule by the key.
    pub partition: Option<u32>,
}

impl OwnedDestination {
    /// The same, borrowed.
    pub fn as_ref(&self) -> Destination<'_> {
        Destination { topic: self.topic.as_deref(), partition: self.partition }
    }
}

//! What a consumer asks of the broker when it subscribes.

use crate::position::EntryId;
use crate::wire::proto::{
    CommandSubscribe, InitialPosition, KeySharedMeta, KeySharedMode, SubType,
};

/// How a subscription shares its messages out, and who keeps its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody else reads with it, and it is gone when its consumer is: the position is ours.
    Reader,
    Exclusive,
    Shared,
    Failover,
    KeyShared,
}

impl Kind {
    fn to_proto(self) -> SubType {
        match self {
            Self::Reader | Self::Exclusive => SubType::Exclusive,
            Self::Shared => SubType::Shared,
            Self::Failover => SubType::Failover,
            Self::KeyShared => SubType::KeyShared,
        }
    }
}

/// The terms of a subscription, whatever the topic.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    pub(crate) subscription: String,
    pub(crate) consumer_name: Option<String>,
    pub(crate) priority: i32,
    pub(crate) read_compacted: bool,
    /// Where a subscription that does not exist yet begins.
    pub(crate) starts_at_end: bool,
}

impl Terms {
    /// The command for one topic; a reader begins at `start`, that entry included.
    pub(crate) fn subscribe(
        &self,
        topic: &str,
        start: EntryId,
        (consumer_id, request_id): (u64, u64),
    ) -> CommandSubscribe {
        let is_reader = self.kind == Kind::Reader;
        let initial =
            if self.starts_at_end { InitialPosition::Latest } else { InitialPosition::Earliest };
        CommandSubscribe {
            topic: topic.to_owned(),
            subscription: self.subscription.clone(),
            sub_type: self.kind.to_proto().into(),
            consumer_id,
            request_id,
            consumer_name: self.consumer_name.clone(),
            priority_level: (self.priority != 0).then_some(self.priority),
            durable: Some(!is_reader),
            start_message_id: is_reader.then(|| start.to_proto()),
            read_compacted: Some(self.read_compacted),
            initial_position: Some(initial.into()),
            // a topic that is misspelt must not come into being
            force_topic_creation: Some(false),
            key_shared_meta: (self.kind == Kind::KeyShared).then(|| KeySharedMeta {
                key_shared_mode: KeySharedMode::AutoSplit.into(),
                ..KeySharedMeta::default()
            }),
            ..CommandSubscribe::default()
        }
    }
}

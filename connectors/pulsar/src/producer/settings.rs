//! What senders are told by the settings of a sink.

use std::time::Duration;

use crate::encryption::Encryption;
use crate::wire::proto::{CompressionType, ProducerAccessMode, Schema};

/// What a sender has to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// None: the broker names the producer.
    pub(crate) producer_name: Option<String>,
    pub(crate) access: ProducerAccessMode,
    pub(crate) schema: Option<Schema>,
    pub(crate) is_batching: bool,
    pub(crate) compression: (CompressionType, Option<i32>),
    pub(crate) encryption: Option<Encryption>,
    pub(crate) send_timeout: Duration,
    /// A producer that had nothing to send for so long is closed, and made again when there is something.
    pub(crate) idle: Duration,
    pub(crate) max_under_way: usize,
}

impl Settings {
    /// Batches of one topic that may be under way at once: more than a second of a fast link, in batches of 128 KiB.
    pub(crate) const MAX_UNDER_WAY: usize = 1_000;
}

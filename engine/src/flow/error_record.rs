//! What leaves on an error stream: the record as it came, the reason, and where it happened.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::build::Build;
use crate::batch::{Origin, OwnedRecord, RecordWriter};
use crate::error::Code;

/// An item that could not be processed or delivered, with its bytes, its origin and the reason.
///
/// Before the first boundary `record` holds the source's record. Beyond it items have no bytes, and `record` is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// The dataflow's name.
    pub dataflow: Arc<str>,
    /// The step that failed.
    pub step: Arc<str>,
    /// The stable error code, such as `E0301`.
    pub code: Cow<'static, str>,
    /// The reason, in one line.
    pub error: String,
    /// The record's bytes, and where it came from.
    pub record: OwnedRecord,
    /// When it failed, in milliseconds since the Unix epoch.
    pub failed_at: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// The headers of a dead letter, in the order in which they are written; values are UTF-8 text.
///
/// The same on every connector; the record's own headers come before them.
pub const fn dead_letter_headers() -> [&'static str; 10] {
    [
        "millstream-error-code",
        "millstream-error",
        "millstream-dataflow",
        "millstream-step",
        "millstream-connector",
        "millstream-topic",
        "millstream-partition",
        "millstream-position",
        "millstream-time",
        "millstream-attempts",
    ]
}

impl ErrorRecord {
    /// A first failure, now. Names are shared, so that an error costs its text and its record's bytes.
    pub(crate) fn now(
        build: &Build,
        step: &Arc<str>,
        code: Code,
        error: String,
        record: OwnedRecord,
    ) -> Self {
        Self {
            dataflow: Arc::clone(&build.shared.dataflow),
            step: Arc::clone(step),
            code: Cow::Borrowed(code.0),
            error,
            record,
            failed_at: build.shared.clock.unix_millis(),
            attempts: 1,
        }
    }

    /// Writes the dead letter of this error: original key, value and headers, then the headers that say what happened.
    pub fn write_dead_letter(&self, out: &mut RecordWriter<'_>) {
        let record = &self.record;
        if let Some(key) = &record.key {
            out.key(key);
        }
        if let Some(value) = &record.value {
            out.value(value);
        }
        for (name, value) in &record.headers {
            out.header(name, value.as_deref());
        }
        let origin = record.origin.as_ref();
        let of_origin = |text: fn(&Origin) -> Cow<'_, str>| origin.map(text);
        let texts: [Option<Cow<'_, str>>; 10] = [
            Some(Cow::from(&*self.code)),
            Some(Cow::from(&self.error)),
            Some(Cow::from(&*self.dataflow)),
            Some(Cow::from(&*self.step)),
            of_origin(|o| Cow::from(&*o.connector)),
            of_origin(|o| Cow::from(&*o.topic)),
            of_origin(|o| Cow::from(o.partition.to_string())),
            origin.map(|_| Cow::from(record.position.to_string())),
            Some(Cow::from(self.failed_at.to_string())),
            Some(Cow::from(self.attempts.to_string())),
        ];
        for (name, text) in dead_letter_headers().into_iter().zip(texts) {
            if let Some(text) = text {
                out.header(name, Some(text.as_bytes()));
            }
        }
    }
}

//! What leaves on an error stream: the record as it came, the reason, and where it happened.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::build::Build;
use crate::batch::OwnedRecord;
use crate::error::{Code, Error};

/// Bytes of an error's text at most: what is longer is cut, and ends in `…`.
pub const MAX_ERROR_BYTES: usize = 1024;

/// An item that could not be processed or delivered, with its bytes, its origin and the reason.
///
/// What `record` holds depends on where the step stands:
///
/// | step | bytes | origin and position |
/// |---|---|---|
/// | before the first boundary | key, value, headers, time of the source's record | of that record |
/// | beyond, `try_map_with(format, …)` | the value: the item as `format` writes it | with [`with_origin`](super::Stream::with_origin), else none |
/// | beyond, any other step | none | as above |
/// | a sink | the record as it was to be written | so far as the connector still has them |
/// | a source | none | of what could not be read, where known |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// The dataflow's name.
    pub dataflow: Arc<str>,
    /// The step that failed.
    pub step: Arc<str>,
    /// The stable error code, such as `E0301`.
    pub code: Cow<'static, str>,
    /// The reason, in at most [`MAX_ERROR_BYTES`].
    pub error: String,
    /// The record's bytes, and where it came from.
    pub record: OwnedRecord,
    /// When it failed, in milliseconds since the Unix epoch.
    pub failed_at: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// The text of an error, cut at [`MAX_ERROR_BYTES`]; no more than that is ever put together.
pub(crate) fn short_text(error: &dyn fmt::Display) -> String {
    let mut text = ShortText(String::with_capacity(64));
    if fmt::write(&mut text, format_args!("{error}")).is_err() {
        text.0.truncate(text.0.floor_char_boundary(MAX_ERROR_BYTES - MORE.len()));
        text.0.push_str(MORE);
    }
    text.0
}

/// What failed, and its cause, of an error of ours: the place is in the record.
pub(crate) fn text_of(error: &Error) -> String {
    let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
    short_text(&format_args!("failed to {error}{cause}"))
}

/// What a text that was cut ends in.
const MORE: &str = "…";

struct ShortText(String);

impl fmt::Write for ShortText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = MAX_ERROR_BYTES - self.0.len();
        let fits = part.len() <= room;
        self.0.push_str(&part[..part.floor_char_boundary(room)]);
        if fits { Ok(()) } else { Err(fmt::Error) }
    }
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
}

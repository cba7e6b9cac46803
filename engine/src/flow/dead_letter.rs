//! The one form that dead letters have on every connector: how an error is written, and how it is read back.
//!
//! Invariant: our headers come after the record's own, and begin with the error's code; so what lies before the last header of
//! that name is the record's, whatever it is called.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;
use std::str::FromStr;

use super::error_record::ErrorRecord;
use crate::batch::{Header, Origin, OwnedRecord, Record, RecordWriter};
use crate::error::{Error, ErrorKind, Result, codes};

/// The headers of a dead letter, in the order in which they are written; values are UTF-8 text.
///
/// The same on every connector; the record's own headers come before them. The four that name the origin are absent where it is
/// not known; `millstream-position` is a number, or the broker's own id of the record where there is one ([`Record::id`]). Two more may follow: [`RECORD_TIME_HEADER`] and [`VALUE_LEFT_OUT_HEADER`].
pub const fn dead_letter_headers() -> [&'static str; 10] {
    [
        CODE,
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

/// The record's own event time in milliseconds, where it had one. The dead letter itself has none: the broker gives it its own,
/// or a topic that keeps records for a time would drop those that were old when they failed.
pub const RECORD_TIME_HEADER: &str = "millstream-record-time";

/// How many bytes of value were left out, because the sink refused the dead letter with them.
pub const VALUE_LEFT_OUT_HEADER: &str = "millstream-value-left-out";

/// The first of our headers; always there.
const CODE: &str = "millstream-error-code";

impl ErrorRecord {
    /// Writes the dead letter of this error: original key, value and headers, then the headers that say what happened.
    pub fn write_dead_letter(&self, out: &mut RecordWriter<'_>) {
        let record = &self.record;
        write_content(record, out);
        let [code, error, dataflow, step, connector, topic, partition, position, time, attempts] =
            dead_letter_headers();
        text(out, code, &self.code);
        text(out, error, &self.error);
        text(out, dataflow, &self.dataflow);
        text(out, step, &self.step);
        if let Some(origin) = &record.origin {
            text(out, connector, &origin.connector);
            text(out, topic, &origin.topic);
            number(out, partition, origin.partition);
            match record.envelope.as_ref().and_then(|envelope| envelope.id.as_deref()) {
                Some(id) => text(out, position, id),
                None => number(out, position, record.position),
            }
        }
        number(out, time, self.failed_at);
        number(out, attempts, self.attempts);
        if let Some(millis) = record.time {
            number(out, RECORD_TIME_HEADER, millis);
        }
    }
}

fn write_content(record: &OwnedRecord, out: &mut RecordWriter<'_>) {
    if let Some(key) = &record.key {
        out.key(key);
    }
    if let Some(value) = &record.value {
        out.value(value);
    }
    for (name, value) in &record.headers {
        out.header(name, value.as_deref());
    }
}

fn text(out: &mut RecordWriter<'_>, name: &str, value: &str) {
    out.header(name, Some(value.as_bytes()));
}

/// Writes a number without a string of its own: no 64 bits have more than 20 digits and signs.
fn number(out: &mut RecordWriter<'_>, name: &str, value: impl Display) {
    let mut digits = [0; 20];
    let mut rest = &mut digits[..];
    let written = write!(rest, "{value}");
    debug_assert!(written.is_ok(), "64 bits fit");
    let n_left = rest.len();
    out.header(name, Some(&digits[..digits.len() - n_left]));
}

/// A dead letter that was read back: the record as it came, and what happened to it.
///
/// # Examples
/// A program that sends what was set aside back to where it came from, once its fault is mended:
/// ```
/// use millstream_engine::batch::{Record, RecordBatch};
/// use millstream_engine::flow::DeadLetter;
///
/// fn place_of(record: Record<'_>) -> millstream_engine::Result<String> {
///     let letter = DeadLetter::read(record)?;
///     let origin = letter.error.record.origin.as_ref();
///     Ok(format!("{} at {:?}: {}", letter.error.code, origin, letter.error.error))
/// }
///
/// let mut batch = RecordBatch::default();
/// batch.writer().finish();
/// let error = place_of(batch.get(0).unwrap()).unwrap_err();
/// assert_eq!(error.to_string(), "read a dead letter: it has no header `millstream-error-code`");
/// ```
/// In a dataflow this is `.try_map(DeadLetter::read).errors_fail().encode(DeadLetter::write_original)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The error as it was, with the record as it came.
    pub error: ErrorRecord,
    /// Bytes of the value, where it was left out because the sink refused the dead letter with it. The record cannot be written
    /// again from here: it has to be read at its origin.
    pub left_out_bytes: Option<u64>,
}

impl DeadLetter {
    /// Reads a dead letter.
    ///
    /// Headers of the record itself that begin with `millstream-` stay with it: a dead letter of a dead letter reads as the
    /// inner dead letter. Headers that somebody added behind ours count as the record's own.
    ///
    /// # Errors
    /// *Bad item*: the record is no dead letter, or a header of it cannot be read.
    pub fn read(record: Record<'_>) -> Result<Self> {
        let headers: Vec<Header<'_>> = record.headers().collect();
        let start = headers
            .iter()
            .rposition(|header| header.name == CODE)
            .ok_or_else(|| unread(&format!("it has no header `{CODE}`")))?;
        let (own, after) = headers.split_at(start);
        let ours = Ours(after);
        let added = after.iter().filter(|header| !is_ours(header.name));
        let content = OwnedRecord {
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: own.iter().chain(added).map(owned).collect(),
            time: ours.parsed(RECORD_TIME_HEADER)?,
            ..OwnedRecord::default()
        };
        Ok(Self {
            error: ours.error(content)?,
            left_out_bytes: ours.parsed(VALUE_LEFT_OUT_HEADER)?,
        })
    }

    /// Writes the record as it came: key, value, headers and time.
    ///
    /// # Errors
    /// *Bad item* when the value was left out: written without it the record would say something else.
    pub fn write_original(&self, out: &mut RecordWriter<'_>) -> Result<()> {
        if let Some(n_bytes) = self.left_out_bytes {
            let what = format!("write a record again: its value of {n_bytes} bytes was left out");
            let hint = "Read it at its origin, which the dead letter names.";
            return Err(Error::new(ErrorKind::BadItem, codes::BAD_ITEM, what).with_hint(hint));
        }
        let record = &self.error.record;
        write_content(record, out);
        if let Some(millis) = record.time {
            out.time(millis);
        }
        Ok(())
    }
}

/// Our headers of a dead letter.
struct Ours<'h, 'a>(&'h [Header<'a>]);

impl<'a> Ours<'_, 'a> {
    fn error(&self, mut record: OwnedRecord) -> Result<ErrorRecord> {
        let [code, error, dataflow, step, connector, topic, partition, position, time, attempts] =
            dead_letter_headers();
        if let Some(connector) = self.text(connector)? {
            record.origin =
                Some(Origin::new(connector, self.needed(topic)?, self.needed_number(partition)?));
            record = record.at(self.needed(position)?);
        }
        Ok(ErrorRecord {
            dataflow: self.needed(dataflow)?.into(),
            step: self.needed(step)?.into(),
            code: Cow::Owned(self.needed(code)?.to_owned()),
            error: self.needed(error)?.to_owned(),
            record,
            failed_at: self.needed_number(time)?,
            attempts: self.needed_number(attempts)?,
        })
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>> {
        let Some(header) = self.0.iter().find(|header| header.name == name) else {
            return Ok(None);
        };
        let bytes = header.value.ok_or_else(|| unread(&format!("header `{name}` is null")))?;
        let text = str::from_utf8(bytes).ok();
        text.map(Some).ok_or_else(|| unread(&format!("header `{name}` is no text")))
    }

    fn parsed<N: FromStr>(&self, name: &str) -> Result<Option<N>> {
        let no_number = || unread(&format!("header `{name}` is no number"));
        self.text(name)?.map(|text| text.parse().ok().ok_or_else(no_number)).transpose()
    }

    fn needed(&self, name: &str) -> Result<&'a str> {
        self.text(name)?.ok_or_else(|| unread(&format!("it has no header `{name}`")))
    }

    fn needed_number<N: FromStr>(&self, name: &str) -> Result<N> {
        self.parsed(name)?.ok_or_else(|| unread(&format!("it has no header `{name}`")))
    }
}

fn is_ours(name: &str) -> bool {
    dead_letter_headers().contains(&name)
        || [RECORD_TIME_HEADER, VALUE_LEFT_OUT_HEADER].contains(&name)
}

fn owned(header: &Header<'_>) -> (String, Option<Vec<u8>>) {
    (header.name.to_owned(), header.value.map(<[u8]>::to_vec))
}

fn unread(why: &str) -> Error {
    Error::new(ErrorKind::BadItem, codes::BAD_RECORD, format!("read a dead letter: {why}"))
}

#[cfg(test)]
mod tests;

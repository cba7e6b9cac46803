//! Standard input and output from URLs: `-`, with fields behind it.
//!
//! Invariant: a field is named as the setter that it calls, without `with_`.

use millstream_engine::Result;
use millstream_engine::url::{ConnectorUrl, Fields};

use crate::sink::Sink;
use crate::source::{CONNECTOR, Source};

impl Source {
    /// Reads standard input as a URL says: `-`, `-?format=jsonl`.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `format` | `lines`, `jsonl`, `csv` | [`Source::with_format`] |
    /// | `max_record_bytes` | a size | [`Source::with_max_record_bytes`] |
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let (mut fields, new) = (fields_of(url), Self::new());
        let source = Self {
            format: fields.choice("format").unwrap_or(new.format),
            max_record_bytes: fields.bytes("max_record_bytes").unwrap_or(new.max_record_bytes),
            ..new
        };
        fields.finish().map(|()| source)
    }
}

impl Sink {
    /// Writes to standard output as a URL says.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `format` | `lines`, `jsonl`, `csv` | [`Sink::with_format`] |
    /// | `queue_records` | a number | [`Sink::with_queue_records`] |
    /// | `queue_bytes` | a size | [`Sink::with_queue_bytes`] |
    /// | `when_full` | `wait`, `reject` | [`Sink::with_when_full`] |
    ///
    /// # Errors
    /// As for [`Source::from_url`].
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let mut fields = fields_of(url);
        let mut sink = Self::new();
        if let Some(format) = fields.choice("format") {
            sink = sink.with_format(format);
        }
        if let Some(queue_records) = fields.number("queue_records") {
            sink = sink.with_queue_records(queue_records);
        }
        if let Some(queue_bytes) = fields.bytes("queue_bytes") {
            sink = sink.with_queue_bytes(queue_bytes);
        }
        if let Some(when_full) = fields.choice("when_full") {
            sink = sink.with_when_full(when_full);
        }
        fields.finish().map(|()| sink)
    }
}

fn fields_of(url: &ConnectorUrl) -> Fields<'_> {
    let mut fields = url.fields(CONNECTOR);
    if !url.address().is_empty() || !url.path().is_empty() {
        fields.fault("standard input and output have neither address nor path; write -");
    }
    fields
}

#[cfg(test)]
mod tests {
    use millstream_engine::sink::WhenFull;
    use millstream_file::Format;

    use super::*;

    fn url(text: &str) -> ConnectorUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn url_sets_what_setters_set() {
        let source = Source::from_url(&url("-?format=jsonl&max_record_bytes=1KiB"));
        let same = Source::new().with_format(Format::JsonLines).with_max_record_bytes(1024);
        assert_eq!(format!("{:?}", source.expect("it is right")), format!("{same:?}"));
        let sink =
            Sink::from_url(&url("-?format=csv&queue_records=3&queue_bytes=4KiB&when_full=reject"));
        let alike = Sink::new()
            .with_format(Format::Csv)
            .with_queue_records(3)
            .with_queue_bytes(4096)
            .with_when_full(WhenFull::Reject);
        assert_eq!(format!("{:?}", sink.expect("it is right")), format!("{alike:?}"));
    }

    #[test]
    fn each_wrong_field_is_told() {
        let source = Source::from_url(&url("stdio:x?format=x&max_record_bytes=x&forma=x"));
        insta::assert_snapshot!(source.unwrap_err().report(), @r#"
        E0201 failed to use the URL stdio:x?format=…&max_record_bytes=…&forma=…: standard input and output have neither address nor path; write -; "format" is not one of lines, jsonl, csv; "max_record_bytes" is not a size such as 32MiB; there is no field "forma" (did you mean "format"?)
        Its fields are format, max_record_bytes.
        "#);
        let sink = Sink::from_url(&url("-?format=x&queue_records=x&queue_bytes=x&when_full=x&x=x"));
        insta::assert_snapshot!(sink.unwrap_err().report(), @r#"
        E0201 failed to use the URL stdio:?format=…&queue_records=…&queue_bytes=…&when_full=…&x=…: "format" is not one of lines, jsonl, csv; "queue_records" is not a valid number; "queue_bytes" is not a size such as 32MiB; "when_full" is not one of wait, reject; there is no field "x"
        Its fields are format, queue_records, queue_bytes, when_full.
        "#);
    }
}

//! Sources and sinks of files from URLs.
//!
//! Invariant: a field is named as the setter that it calls, without `with_`.

use millstream_engine::Result;
use millstream_engine::url::{ConnectorUrl, Fields};

use crate::config::{Roll, SinkConfig, SourceConfig};
use crate::sink::Sink;
use crate::source::{CONNECTOR, Source};

impl Source {
    /// Reads the file, or the files that match the pattern, that a URL names: `file:///var/log/app.log`, `file:in.csv`.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `format` | `lines`, `jsonl`, `csv` | [`Source::with_format`] |
    /// | `start` | `earliest`, `latest` | [`Source::with_start`] |
    /// | `end` | `never`, `latest` | [`Source::with_end`] |
    /// | `expired` | `stop`, `earliest`, `latest` | [`Source::with_expired`] |
    /// | `max_record_bytes` | a size | [`Source::with_max_record_bytes`] |
    /// | `max_files` | a number | [`Source::with_max_files`] |
    /// | `poll_interval` | a time span | [`Source::with_poll_interval`] |
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    ///
    /// # Examples
    /// ```
    /// use millstream_file::{Format, Source};
    ///
    /// let rows = Source::from_url(&"file:///tmp/in.csv?format=csv&end=latest".parse()?)?;
    /// let same = Source::new("/tmp/in.csv").with_format(Format::Csv).until_end();
    /// assert_eq!(format!("{rows:?}"), format!("{same:?}"));
    /// # Ok::<_, millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let (mut fields, new) = (fields_of(url), SourceConfig::new(url.path()));
        let config = SourceConfig {
            format: fields.choice("format").unwrap_or(new.format),
            start: fields.choice("start").unwrap_or(new.start),
            end: fields.choice("end").unwrap_or(new.end),
            expired: fields.choice("expired").unwrap_or(new.expired),
            max_record_bytes: fields.bytes("max_record_bytes").unwrap_or(new.max_record_bytes),
            max_files: fields.number("max_files").unwrap_or(new.max_files),
            poll_interval: fields.duration("poll_interval").unwrap_or(new.poll_interval),
            paths: new.paths,
        };
        fields.finish().map(|()| Self::from_config(config))
    }
}

impl Sink {
    /// Writes to the file that a URL names.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `format` | `lines`, `jsonl`, `csv` | [`Sink::with_format`] |
    /// | `roll_bytes`, `roll_interval` | a size, a time span | [`Sink::with_roll`] |
    /// | `sync_interval` | a time span | [`Sink::with_sync_interval`] |
    /// | `queue_records` | a number | [`Sink::with_queue_records`] |
    /// | `queue_bytes` | a size | [`Sink::with_queue_bytes`] |
    /// | `when_full` | `wait`, `reject` | [`Sink::with_when_full`] |
    ///
    /// # Errors
    /// As for [`Source::from_url`].
    ///
    /// # Examples
    /// ```
    /// use millstream_file::{Roll, Sink};
    ///
    /// let rolling = Sink::from_url(&"file:///tmp/out.jsonl?roll_bytes=64MiB".parse()?)?;
    /// let roll = Roll { bytes: Some(64 << 20), interval: None };
    /// assert_eq!(format!("{rolling:?}"), format!("{:?}", Sink::new("/tmp/out.jsonl").with_roll(roll)));
    /// # Ok::<_, millstream_engine::Error>(())
    /// ```
    pub fn from_url(url: &ConnectorUrl) -> Result<Self> {
        let (mut fields, new) = (fields_of(url), SinkConfig::new(url.path()));
        let format = fields.choice("format").unwrap_or(new.format);
        let bytes = fields.bytes("roll_bytes").map(|bytes| bytes as u64);
        let interval = fields.duration("roll_interval");
        let rolls = bytes.is_some() || interval.is_some();
        let config = SinkConfig {
            format,
            roll: rolls.then_some(Roll { bytes, interval }),
            sync_interval: fields.duration("sync_interval").unwrap_or(new.sync_interval),
            queue_records: fields.number("queue_records").unwrap_or(new.queue_records),
            queue_bytes: fields.bytes("queue_bytes").unwrap_or(new.queue_bytes),
            when_full: fields.choice("when_full").unwrap_or(new.when_full),
            path: new.path,
        };
        fields.finish().map(|()| Self::from_config(config))
    }
}

fn fields_of(url: &ConnectorUrl) -> Fields<'_> {
    let mut fields = url.fields(CONNECTOR);
    if !url.address().is_empty() {
        fields.fault("a file has no address; write file:///PATH, with three slashes, or file:PATH");
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_engine::sink::WhenFull;

    use super::*;
    use crate::config::{Expired, Format, Start};

    fn url(text: &str) -> ConnectorUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn url_sets_what_setters_set() {
        let source = Source::from_url(&url(
            "file:/a?format=jsonl&start=latest&end=latest&expired=earliest&max_record_bytes=1KiB&max_files=7&poll_interval=5ms",
        ));
        let same = Source::new("/a")
            .with_format(Format::JsonLines)
            .with_start(Start::Latest)
            .until_end()
            .with_expired(Expired::Earliest)
            .with_max_record_bytes(1024)
            .with_max_files(7)
            .with_poll_interval(Duration::from_millis(5));
        assert_eq!(format!("{:?}", source.expect("it is right")), format!("{same:?}"));
    }

    #[test]
    fn url_sets_what_setters_of_a_sink_set() {
        let sink = Sink::from_url(&url(
            "file:/a?format=csv&roll_bytes=1KiB&roll_interval=1min&sync_interval=1s&queue_records=3&queue_bytes=4KiB&when_full=reject",
        ));
        let roll = Roll { bytes: Some(1024), interval: Some(Duration::from_mins(1)) };
        let same = Sink::new("/a")
            .with_format(Format::Csv)
            .with_roll(roll)
            .with_sync_interval(Duration::from_secs(1))
            .with_queue_records(3)
            .with_queue_bytes(4096)
            .with_when_full(WhenFull::Reject);
        assert_eq!(format!("{:?}", sink.expect("it is right")), format!("{same:?}"));
    }

    #[test]
    fn each_wrong_field_is_told() {
        let source = Source::from_url(&url(
            "file://tmp/a?format=x&start=x&end=x&expired=x&max_record_bytes=x&max_files=x&poll_interval=x&pol=x",
        ));
        insta::assert_snapshot!(source.unwrap_err().report(), @r#"
        E0201 failed to use the URL file://tmp/a?format=…&start=…&end=…&expired=…&max_record_bytes=…&max_files=…&poll_interval=…&pol=…: a file has no address; write file:///PATH, with three slashes, or file:PATH; "format" is not one of lines, jsonl, csv; "start" is not one of earliest, latest; "end" is not one of never, latest; "expired" is not one of stop, earliest, latest; "max_record_bytes" is not a size such as 32MiB; "max_files" is not a valid number; "poll_interval" is not a duration such as 10ms or 30s; there is no field "pol" (did you mean "poll_interval"?)
        Its fields are format, start, end, expired, max_record_bytes, max_files, poll_interval.
        "#);
        let sink = Sink::from_url(&url(
            "file:a?format=x&roll_bytes=x&roll_interval=x&sync_interval=x&queue_records=x&queue_bytes=x&when_full=x&roll=x",
        ));
        insta::assert_snapshot!(sink.unwrap_err().report(), @r#"
        E0201 failed to use the URL file:a?format=…&roll_bytes=…&roll_interval=…&sync_interval=…&queue_records=…&queue_bytes=…&when_full=…&roll=…: "format" is not one of lines, jsonl, csv; "roll_bytes" is not a size such as 32MiB; "roll_interval" is not a duration such as 10ms or 30s; "sync_interval" is not a duration such as 10ms or 30s; "queue_records" is not a valid number; "queue_bytes" is not a size such as 32MiB; "when_full" is not one of wait, reject; there is no field "roll" (did you mean "roll_bytes"?)
        Its fields are format, roll_bytes, roll_interval, sync_interval, queue_records, queue_bytes, when_full.
        "#);
    }
}

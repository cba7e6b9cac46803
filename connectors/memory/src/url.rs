//! Sources and sinks of the embedded broker from URLs.
//!
//! Invariant: a field is named as the setter that it calls, without `with_`.

use millstream_engine::Result;
use millstream_engine::routing::TopicPolicy;
use millstream_engine::url::{ConnectorUrl, Fields};

use crate::broker::Broker;
use crate::config::{End, Expired, Start};
use crate::sink::Sink;
use crate::source::{CONNECTOR, Source};

impl Source {
    /// Reads the topic of `broker` that a URL names.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `group` | a name | [`Source::with_group`] |
    /// | `start` | `earliest`, `latest`, `time:MILLIS` | [`Source::with_start`] |
    /// | `positions` | `PARTITION:POSITION`, separated by commas | [`Source::with_position`] |
    /// | `end` | `never`, `latest`, `time:MILLIS` | [`Source::with_end`] |
    /// | `expired` | `stop`, `earliest`, `latest` | [`Source::with_expired`] |
    ///
    /// # Errors
    /// *Config*, with every field that is unknown or wrong at once.
    ///
    /// # Examples
    /// ```
    /// use millstream_memory::{Broker, Source, Start};
    ///
    /// let broker = Broker::new();
    /// let late = Source::from_url(&broker, &"memory:orders?start=latest".parse()?)?;
    /// assert_eq!(format!("{late:?}"), format!("{:?}", Source::new(&broker, "orders").with_start(Start::Latest)));
    /// # Ok::<_, millstream_engine::Error>(())
    /// ```
    pub fn from_url(broker: &Broker, url: &ConnectorUrl) -> Result<Self> {
        let mut fields = fields_of(url);
        let source = Self {
            group: fields.text("group"),
            start: fields
                .read("start", "earliest, latest or time:MILLIS", start)
                .unwrap_or_default(),
            expired: fields
                .read("expired", "stop, earliest or latest", expired)
                .unwrap_or_default(),
            positions: fields
                .pairs("positions")
                .map(|pairs| pairs.into_iter().collect())
                .unwrap_or_default(),
            end: fields.read("end", "never, latest or time:MILLIS", end).unwrap_or_default(),
            ..Self::new(broker, url.topic())
        };
        fields.finish().map(|()| source)
    }
}

impl Sink {
    /// Writes to the topic of `broker` that a URL names, or, where it ends in `*` or there is the field `topics`, to those that
    /// records say.
    ///
    /// | field | value | setter |
    /// |---|---|---|
    /// | `when_full` | `wait`, `reject` | [`Sink::with_when_full`] |
    /// | `topics`, `max_topics`, `creation` | names, separated by commas; numbers | [`TopicPolicy::from_url`] |
    ///
    /// # Errors
    /// As for [`Source::from_url`].
    ///
    /// # Examples
    /// ```
    /// use millstream_engine::sink::Sink as _;
    /// use millstream_memory::{Broker, Sink};
    ///
    /// let tenants = Sink::from_url(&Broker::new(), &"memory:orders.*?creation=4".parse()?)?;
    /// assert_eq!(tenants.target(), "topics that begin with \"orders.\"");
    /// # Ok::<_, millstream_engine::Error>(())
    /// ```
    pub fn from_url(broker: &Broker, url: &ConnectorUrl) -> Result<Self> {
        let mut fields = fields_of(url);
        let sink = match TopicPolicy::from_url(url, &mut fields) {
            Some(policy) => Self::routed(broker, policy),
            None => Self::new(broker, url.topic()),
        };
        let sink = sink.with_when_full(fields.choice("when_full").unwrap_or_default());
        fields.finish().map(|()| sink)
    }
}

fn fields_of(url: &ConnectorUrl) -> Fields<'_> {
    let mut fields = url.fields(CONNECTOR);
    if !url.address().is_empty() {
        fields.fault("the embedded broker has no address; write memory:TOPIC");
    }
    fields
}

fn start(text: &str) -> Option<Start> {
    match text {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        _ => text.strip_prefix("time:")?.parse().ok().map(Start::Time),
    }
}

fn end(text: &str) -> Option<End> {
    match text {
        "never" => Some(End::Never),
        "latest" => Some(End::Latest),
        _ => text.strip_prefix("time:")?.parse().ok().map(End::Time),
    }
}

fn expired(text: &str) -> Option<Expired> {
    match text {
        "stop" => Some(Expired::Stop),
        "earliest" => Some(Expired::Earliest),
        "latest" => Some(Expired::Latest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::sink::WhenFull;

    use super::*;

    fn url(text: &str) -> ConnectorUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn url_sets_what_setters_set() {
        let broker = Broker::new();
        let source =
            |text| format!("{:?}", Source::from_url(&broker, &url(text)).expect("it is right"));
        let new = || Source::new(&broker, "a");
        assert_eq!(source("memory:a"), format!("{:?}", new()));
        assert_eq!(
            source("memory:a?group=g&start=time:5&end=latest&expired=earliest&positions=0:7,2:9"),
            format!(
                "{:?}",
                new()
                    .with_group("g")
                    .with_start(Start::Time(5))
                    .until_end()
                    .with_expired(Expired::Earliest)
                    .with_position(0, 7)
                    .with_position(2, 9)
            )
        );
        let sink = Sink::from_url(&broker, &url("memory:a?when_full=reject")).expect("it is right");
        let same = Sink::new(&broker, "a").with_when_full(WhenFull::Reject);
        assert_eq!(format!("{sink:?}"), format!("{same:?}"));
    }

    #[test]
    fn each_wrong_field_is_told() {
        let broker = Broker::new();
        let wrong = url("memory://h/a?start=x&end=x&expired=x&positions=0&grup=x");
        insta::assert_snapshot!(Source::from_url(&broker, &wrong).unwrap_err().report(), @r#"
        E0201 failed to use the URL memory://h/a?start=…&end=…&expired=…&positions=…&grup=…: the embedded broker has no address; write memory:TOPIC; "start" is not earliest, latest or time:MILLIS; "expired" is not stop, earliest or latest; "positions" is not PARTITION:POSITION, separated by commas; "end" is not never, latest or time:MILLIS; there is no field "grup" (did you mean "group"?)
        Its fields are group, start, expired, positions, end.
        "#);
        let unroutable = url("kafka:a?when_full=x&creation=x&max_topics=x&topics=b");
        insta::assert_snapshot!(Sink::from_url(&broker, &unroutable).unwrap_err().report(), @r#"
        E0201 failed to use the URL kafka:a?when_full=…&creation=…&max_topics=…&topics=…: it is read by memory, and names kafka; "max_topics" is not a valid number; "creation" is not a valid number; a topic in the URL and "topics" do not go together; "when_full" is not one of wait, reject
        Its fields are topics, max_topics, creation, when_full.
        "#);
    }
}

//! `ConnectorUrl`: the parts of a URL, decoded.
//!
//! Invariant: values of fields are shown nowhere, because one may be a secret at the wrong place; nor is any text that was refused.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::fields::Fields;
use crate::error::{Error, Result};

/// The connector that `-` stands for.
const STDIO: &str = "stdio";

const FORMS: &str = "Write it as kafka://HOST:PORT/TOPIC?start=earliest, memory:TOPIC, file:///PATH?format=lines, \
    generator:?rate=1000, or - for standard input and output.";

/// A source or a sink in one line.
///
/// | form | connector | address | path |
/// |---|---|---|---|
/// | `kafka://h1:9092,h2:9092/orders?start=latest` | `kafka` | `h1:9092,h2:9092` | `/orders` |
/// | `file:///var/in.jsonl?format=lines` | `file` | | `/var/in.jsonl` |
/// | `file:in.jsonl`, `memory:orders` | `file`, `memory` | | `in.jsonl`, `orders` |
/// | `generator:?rate=1000` | `generator` | | |
/// | `-`, `-?format=lines` | `stdio` | | |
///
/// Path and fields are percent-decoded; a `+` stands for itself. `Display` and `Debug` show which fields there are, not their values.
///
/// # Errors
/// Parsing refuses, as *config* and without showing it, what has no connector, is not percent-encoded UTF-8, or has a user or a
/// password before an `@`. An `@` that is meant as such is written `%40`, except in
/// a URL with an empty address.
///
/// # Examples
/// ```
/// use millstream_engine::url::ConnectorUrl;
///
/// let url: ConnectorUrl = "kafka://h1:9092,h2:9092/orders?group=billing".parse()?;
/// assert_eq!((url.connector(), url.address(), url.topic()), ("kafka", "h1:9092,h2:9092", "orders"));
/// let mut fields = url.fields("kafka");
/// assert_eq!(fields.text("group").as_deref(), Some("billing"));
/// fields.finish()?;
/// assert_eq!(url.to_string(), "kafka://h1:9092,h2:9092/orders?group=…");
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectorUrl {
    connector: String,
    address: Option<String>,
    path: String,
    fields: Vec<(String, String)>,
}

impl ConnectorUrl {
    /// The connector's name.
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// What stands between `//` and the next `/`: hosts and ports as the connector knows them. Empty where there is none.
    pub fn address(&self) -> &str {
        self.address.as_deref().unwrap_or_default()
    }

    /// What follows, with its slash after an address.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path without a slash at its begin, for connectors that have topics.
    pub fn topic(&self) -> &str {
        self.path.strip_prefix('/').unwrap_or(&self.path)
    }

    /// What a topic that ends in `*` begins with: the URL of a sink whose records say their topics.
    pub fn topic_prefix(&self) -> Option<&str> {
        self.topic().strip_suffix('*')
    }

    /// Adds a field unless the URL has it.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: &str) -> Self {
        if !self.fields.iter().any(|(given, _)| given == name) {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The fields, to be taken one after the other by `connector`, which reads the URL. Another one named in the URL is a fault.
    pub fn fields(&self, connector: &str) -> Fields<'_> {
        Fields::new(self, connector)
    }

    pub(super) fn given(&self) -> &[(String, String)] {
        &self.fields
    }
}

impl FromStr for ConnectorUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (connector, rest) = match place {
            "-" => (STDIO, ""),
            _ => place.split_once(':').ok_or_else(|| refused("it names no connector"))?,
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if connector.is_empty() || !connector.chars().all(is_name) {
            return Err(refused("what stands before the first colon is not a connector"));
        }
        let (address, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        // Only after `//` and no address an `@` cannot end a login, however the slashes of a password fell.
        if !rest.starts_with("///") && (text.contains('@') || address.contains('%')) {
            return Err(login_in_url());
        }
        let fields = query.split('&').filter(|field| !field.is_empty());
        Ok(Self {
            connector: connector.to_owned(),
            address: rest.starts_with("//").then(|| address.to_owned()),
            path: decode(path).ok_or_else(|| refused("its path is not UTF-8"))?,
            fields: fields.map(field).collect::<Result<_>>()?,
        })
    }
}

fn field(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let pair = decode(name).zip(decode(value));
    pair.ok_or_else(|| refused("the name or the value of a field is not UTF-8"))
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn refused(why: &str) -> Error {
    Error::config(format!("read a connector URL: {why}")).with_hint(FORMS)
}

fn login_in_url() -> Error {
    Error::config("read a connector URL: a user or a password must not stand in its address")
        .with_hint(
            "Name a variable or a file: password_env=NAME or password_file=PATH. An @ that belongs to something else is written %40.",
        )
}

impl fmt::Display for ConnectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.connector)?;
        if let Some(address) = &self.address {
            write!(f, "//{address}")?;
        }
        f.write_str(&self.path)?;
        for (at, (name, _)) in self.fields.iter().enumerate() {
            write!(f, "{}{name}=…", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectorUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn url(text: &str) -> ConnectorUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn every_form_is_taken_apart() {
        let parts = |text: &str| {
            let url = url(text);
            format!("{} | {} | {} | {}", url.connector(), url.address(), url.path(), url.topic())
        };
        assert_eq!(
            parts("kafka://h1:9092,h2:9092/orders"),
            "kafka | h1:9092,h2:9092 | /orders | orders"
        );
        assert_eq!(
            parts("kafka://[::1]:9092/orders?start=latest"),
            "kafka | [::1]:9092 | /orders | orders"
        );
        assert_eq!(
            parts("file:///tmp/a%20b+c.csv?x=1"),
            "file |  | /tmp/a b+c.csv | tmp/a b+c.csv"
        );
        assert_eq!(parts("file:///home/me@work/x"), "file |  | /home/me@work/x | home/me@work/x");
        assert_eq!(parts("memory:orders"), "memory |  | orders | orders");
        assert_eq!(parts("generator:?rate=1000"), "generator |  |  | ");
        assert_eq!(parts("-?format=lines"), "stdio |  |  | ");
    }

    #[test]
    fn star_ends_a_prefix_of_topics() {
        assert_eq!(url("kafka://h:9092/orders.*").topic_prefix(), Some("orders."));
        assert_eq!(url("kafka://h:9092/orders").topic_prefix(), None);
    }

    #[test]
    fn default_gives_way_to_what_the_url_says() {
        let said = |text| url(text).with_default("end", "latest").given()[0].1.clone();
        assert_eq!(
            (said("memory:a"), said("memory:a?end=never")),
            ("latest".into(), "never".into())
        );
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_forms() {
        let told = |text: &str| text.parse::<ConnectorUrl>().unwrap_err().report();
        assert_snapshot!(told("orders.jsonl"), @"
        E0201 failed to read a connector URL: it names no connector
        Write it as kafka://HOST:PORT/TOPIC?start=earliest, memory:TOPIC, file:///PATH?format=lines, generator:?rate=1000, or - for standard input and output.
        ");
        assert_snapshot!(told("Kafka Broker://x"), @"
        E0201 failed to read a connector URL: what stands before the first colon is not a connector
        Write it as kafka://HOST:PORT/TOPIC?start=earliest, memory:TOPIC, file:///PATH?format=lines, generator:?rate=1000, or - for standard input and output.
        ");
        assert_snapshot!(told("memory:a?b=%ff"), @"
        E0201 failed to read a connector URL: the name or the value of a field is not UTF-8
        Write it as kafka://HOST:PORT/TOPIC?start=earliest, memory:TOPIC, file:///PATH?format=lines, generator:?rate=1000, or - for standard input and output.
        ");
        assert_snapshot!(told("kafka://me:canary@h:9092/orders"), @"
        E0201 failed to read a connector URL: a user or a password must not stand in its address
        Name a variable or a file: password_env=NAME or password_file=PATH. An @ that belongs to something else is written %40.
        ");
    }

    #[test]
    fn passwords_are_shown_nowhere() {
        let texts = [
            "kafka://me:canary@h:9092/orders",
            "kafka://me:can/ary@h:9092/orders",
            "kafka://me:can?ary@h:9092/orders",
            "kafka://me:canary%40h:9092/orders",
            "canary",
            "kafka:me:canary@h:9092/orders",
            "kafka://me:ca?n=ary@h:9092/orders",
        ];
        for text in texts {
            let told = match text.parse::<ConnectorUrl>() {
                Err(refused) => refused.report(),
                Ok(url) => panic!("taken: {url}"),
            };
            assert!(!told.contains("can") && !told.contains("ary"), "{told}");
        }
        let shown = url("kafka://h:9092/orders?password=canary&sasl.password=canary");
        assert_eq!(format!("{shown}"), "kafka://h:9092/orders?password=…&sasl.password=…");
        assert!(!format!("{shown:?}").contains("canary"));
    }
}

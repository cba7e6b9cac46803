//! `Fields`: how a connector takes the settings out of its URL.
//!
//! Invariant: no field goes unread in silence, all faults are told at once, and none of them shows a value.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::de::DeserializeOwned;

use super::ConnectorUrl;
use super::choice::choose;
use crate::Secret;
use crate::error::{Error, Result};

/// How alike two names must be for a suggestion, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The fields of a [`ConnectorUrl`], taken by name and type.
///
/// Each method takes one field: `None` where the URL does not have it, or has it wrong, which [`Fields::finish`] then tells.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use millstream_engine::url::ConnectorUrl;
///
/// let url: ConnectorUrl = "kafka://h:9092/orders?linger=20ms&queue_byte=8MiB".parse()?;
/// let mut fields = url.fields("kafka");
/// assert_eq!(fields.duration("linger"), Some(Duration::from_millis(20)));
/// assert_eq!(fields.bytes("queue_bytes"), None);
/// let wrong = fields.finish().unwrap_err().report();
/// assert!(wrong.contains("there is no field \"queue_byte\" (did you mean \"queue_bytes\"?)"), "{wrong}");
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Fields<'u> {
    url: &'u ConnectorUrl,
    /// Which of the URL's fields somebody has asked for.
    read: Vec<bool>,
    /// The names asked for, in that order.
    known: Vec<String>,
    faults: Vec<String>,
}

impl<'u> Fields<'u> {
    pub(super) fn new(url: &'u ConnectorUrl, connector: &str) -> Self {
        let mut fields = Self {
            url,
            read: vec![false; url.given().len()],
            known: Vec::new(),
            faults: Vec::new(),
        };
        if url.connector() != connector {
            fields.fault(format!("it is read by {connector}, and names {}", url.connector()));
        }
        fields
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(str::to_owned)
    }

    /// Texts, separated by commas.
    pub fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let list = self.take(name)?;
        Some(list.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
    }

    /// Pairs of numbers such as `0:100,1:250`: a partition and a position.
    pub fn pairs(&mut self, name: &str) -> Option<Vec<(u32, u64)>> {
        self.read(name, "PARTITION:POSITION, separated by commas", |value| {
            let pair = |pair: &str| {
                let (partition, position) = pair.split_once(':')?;
                Some((partition.parse().ok()?, position.parse().ok()?))
            };
            value.split(',').map(pair).collect()
        })
    }

    /// A number.
    pub fn number<N: FromStr>(&mut self, name: &str) -> Option<N> {
        self.read(name, "a valid number", |value| value.parse().ok())
    }

    /// `true` or `false`; the name alone is `true`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, "true or false", |value| match value {
            "" | "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// A time span such as `20ms` or `2min`.
    pub fn duration(&mut self, name: &str) -> Option<Duration> {
        self.read(name, "a duration such as 10ms or 30s", |value| {
            humantime::parse_duration(value).ok()
        })
    }

    /// A size such as `4096`, `64KiB` or `1MB`.
    pub fn bytes(&mut self, name: &str) -> Option<usize> {
        self.read(name, "a size such as 32MiB", |value| {
            let size: ByteSize = value.parse().ok()?;
            usize::try_from(size.as_u64()).ok()
        })
    }

    /// A variant of an enum, by the name that serde has for it.
    pub fn choice<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.take(name)?;
        match choose(value) {
            Ok(chosen) => Some(chosen),
            Err(variants) => {
                self.fault(format!("\"{name}\" is not one of {}", variants.join(", ")));
                None
            }
        }
    }

    /// What `parse` makes of the text; `expected` reads on after "is not".
    pub fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let read = parse(self.take(name)?);
        if read.is_none() {
            self.fault(format!("\"{name}\" is not {expected}"));
        }
        read
    }

    /// A secret, by the variable or the file that has it: the field `<name>_env` or `<name>_file`. The value itself, in a field
    /// `<name>`, is refused.
    pub fn secret(&mut self, name: &str) -> Option<Secret> {
        let env = self.take(&format!("{name}_env")).map(Secret::from_env);
        let file = self.take(&format!("{name}_file")).map(Secret::from_file);
        if self.find(name).is_some() {
            self.fault(format!(
                "\"{name}\" must not stand in a URL; name a variable or a file: {name}_env=NAME or {name}_file=PATH"
            ));
        }
        if env.is_some() && file.is_some() {
            self.fault(format!("\"{name}_env\" and \"{name}_file\" say the same"));
        }
        env.or(file)
    }

    /// All fields whose names begin with `prefix`, without it: settings that only the connector's client knows.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        self.known.push(format!("{prefix}NAME"));
        let mut found = Vec::new();
        for ((name, value), read) in self.url.given().iter().zip(&mut self.read) {
            if let Some(name) = name.strip_prefix(prefix) {
                *read = true;
                found.push((name.to_owned(), value.clone()));
            }
        }
        found
    }

    /// Adds a fault that the connector has found, such as two fields that do not go together. It shows no value.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// *Config*, with all faults at once: fields that nobody asked for, each with the nearest name, fields that are there twice,
    /// values that do not parse, and what [`Fields::fault`] was told. The hint lists the fields there are.
    pub fn finish(mut self) -> Result<()> {
        let unread = self.url.given().iter().zip(&self.read).filter(|(_, read)| !**read);
        let unknown: Vec<_> = unread.map(|((name, _), _)| self.unknown(name)).collect();
        self.faults.extend(unknown);
        if self.faults.is_empty() {
            return Ok(());
        }
        let known = if self.known.is_empty() {
            "It takes no fields.".to_owned()
        } else {
            format!("Its fields are {}.", self.known.join(", "))
        };
        Err(Error::config(format!("use the URL {}", self.url))
            .with_source(self.faults.join("; "))
            .with_hint(known))
    }

    fn take(&mut self, name: &str) -> Option<&'u str> {
        self.known.push(name.to_owned());
        self.find(name)
    }

    fn find(&mut self, name: &str) -> Option<&'u str> {
        let mut found = None;
        for ((given, value), read) in self.url.given().iter().zip(&mut self.read) {
            if given == name {
                *read = true;
                if found.replace(value.as_str()).is_some() {
                    self.faults.push(format!("\"{name}\" is there twice"));
                }
            }
        }
        found
    }

    fn unknown(&self, name: &str) -> String {
        let alike = |known: &&String| strsim::jaro_winkler(known, name);
        let near = self.known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        let near = near.filter(|near| alike(near) >= ALIKE);
        let near = near.map(|near| format!(" (did you mean \"{near}\"?)"));
        format!("there is no field \"{name}\"{}", near.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Start {
        Earliest,
        AtOnce,
    }

    fn url(text: &str) -> ConnectorUrl {
        text.parse().expect("a URL")
    }

    /// Takes one field of every type.
    fn read_all(url: &ConnectorUrl) -> (String, Result<()>) {
        let mut fields = url.fields("memory");
        let secret = fields.secret("password");
        let found = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            fields.text("group"),
            fields.list("topics"),
            fields.number::<u16>("count"),
            fields.flag("follow"),
            fields.duration("linger"),
            fields.bytes("queue_bytes"),
            fields.choice::<Start>("start"),
            secret.map(|secret| secret.to_string()),
            fields.prefixed("option."),
        );
        (found, fields.finish())
    }

    #[test]
    fn every_type_is_read() {
        let given = url(
            "memory:a?group=b%26c&topics=d,e&count=3&follow&linger=2s&queue_bytes=1KiB&start=at_once&password_env=P&option.x.y=1",
        );
        let (found, finished) = read_all(&given);
        finished.expect("all fields are known");
        assert_snapshot!(found, @r#"Some("b&c") Some(["d", "e"]) Some(3) Some(true) Some(2s) Some(1024) Some(AtOnce) Some("from the environment variable P") [("x.y", "1")]"#);
    }

    #[test]
    fn all_faults_are_told_at_once_without_values() {
        let given = url(
            "kafka:a?grop=canary&count=canary&follow=canary&linger=canary&queue_bytes=canary&start=canary&password=canary\
             &group=1&group=canary&zzz=canary",
        );
        let (_, finished) = read_all(&given);
        let told = finished.unwrap_err().report();
        assert!(!told.contains("canary"), "{told}");
        assert_snapshot!(told, @r#"
        E0201 failed to use the URL kafka:a?grop=…&count=…&follow=…&linger=…&queue_bytes=…&start=…&password=…&group=…&group=…&zzz=…: it is read by memory, and names kafka; "password" must not stand in a URL; name a variable or a file: password_env=NAME or password_file=PATH; "group" is there twice; "count" is not a valid number; "follow" is not true or false; "linger" is not a duration such as 10ms or 30s; "queue_bytes" is not a size such as 32MiB; "start" is not one of earliest, at_once; there is no field "grop" (did you mean "group"?); there is no field "zzz"
        Its fields are password_env, password_file, group, topics, count, follow, linger, queue_bytes, start, option.NAME.
        "#);
    }

    #[test]
    fn secret_has_one_origin() {
        let both = url("memory:a?password_env=A&password_file=/b");
        let (_, finished) = read_all(&both);
        assert!(finished.unwrap_err().report().contains("say the same"));
    }

    #[test]
    fn connector_without_fields_says_so() {
        let extra = url("memory:a?x=1");
        assert_snapshot!(extra.fields("memory").finish().unwrap_err().report(), @r#"
        E0201 failed to use the URL memory:a?x=…: there is no field "x"
        It takes no fields.
        "#);
    }
}

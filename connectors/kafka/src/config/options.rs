//! Options of librdkafka that no typed field sets, and the checks on all of them.
//!
//! Invariant: values never reach `Debug` or an error, because an option may be a password.

use std::collections::BTreeMap;
use std::fmt;

use millstream_engine::error::Error;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::error::did_you_mean;
use crate::raw;

/// Options of the client, by librdkafka's names.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub BTreeMap<String, String>);

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A key that may not be given as an option: the key, and the setter that takes its place (empty: the connector alone decides).
pub(crate) type Taken = (&'static str, &'static str);

/// Keys that neither a source nor a sink takes as an option.
const TAKEN: &[Taken] = &[
    ("bootstrap.servers", "`new`, as its first argument"),
    ("metadata.broker.list", "`new`, as its first argument"),
    ("client.id", "`with_client_id`"),
    ("log.queue", ""),
    ("allow.auto.create.topics", ""),
];

impl Options {
    /// All faults of the options, and of the settings made from typed fields: unknown keys, keys that have a setter, bad values.
    pub(crate) fn faults(&self, typed: &ClientConfig, taken: &[Taken]) -> Vec<Error> {
        let of_options = self.0.iter().filter_map(|(key, value)| match find(key, taken) {
            Some(setter) => Some(refused(key, setter)),
            None => fault(key, value),
        });
        let typed = typed.config_map();
        let of_fields = typed.iter().filter(|(key, _)| !self.0.contains_key(**key));
        of_options.chain(of_fields.filter_map(|(key, value)| fault(key, value))).collect()
    }

    pub(crate) fn apply(&self, config: &mut ClientConfig) {
        for (key, value) in &self.0 {
            config.set(key, value);
        }
    }
}

fn find(key: &str, taken: &[Taken]) -> Option<&'static str> {
    taken.iter().chain(TAKEN).find(|(name, _)| *name == key).map(|(_, setter)| *setter)
}

fn refused(key: &str, setter: &str) -> Error {
    let error = Error::config(format!("use the Kafka option \"{key}\": the connector sets it"));
    if setter.is_empty() {
        error.with_hint("Leave it out.")
    } else {
        error.with_hint(format!("Leave it out and use {setter}."))
    }
}

/// What is wrong with one setting, if anything.
fn fault(key: &str, value: &str) -> Option<Error> {
    let refusal = raw::check_option(key, value)?;
    Some(match refusal {
        raw::Refusal::UnknownKey => {
            let error =
                Error::config(format!("use the Kafka option \"{key}\": there is no such option"));
            let known = raw::known_options();
            match did_you_mean(key, known.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
                None => error.with_hint("The options are those of librdkafka, by its names."),
            }
        }
        raw::Refusal::BadValue => {
            Error::config(format!("use the Kafka option \"{key}\": its value is not valid"))
                .with_hint(
                    "The page CONFIGURATION.md of librdkafka lists the values that it takes.",
                )
        }
    })
}

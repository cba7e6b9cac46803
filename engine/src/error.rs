//! The one error type of the engine and its connectors: what failed, where, why, what we do, what you can do.
//!
//! Invariant: no error text ever holds a secret or a payload; positions stand in for records.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Any error, as user closures return it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// A result with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user, now: a wrong setting, a graph that cannot be built.
    Config,
    /// Nobody: the other side is away; a retry can help.
    Unavailable,
    /// Whoever runs the system: a login or a permission.
    Denied,
    /// Whoever made the record: it cannot be processed or delivered.
    BadItem,
    /// Nobody can go on: what was stored or sent is damaged, or a position is gone.
    Corrupt,
    /// The author of a closure that panicked.
    Panic,
    /// Nobody: the dataflow was stopped before it was done.
    Stopped,
}

impl ErrorKind {
    /// The exit code that a program ends with for an error of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Config => 2,
            Self::Unavailable => 3,
            Self::Denied => 4,
            Self::BadItem => 5,
            Self::Corrupt => 6,
            Self::Panic => 101,
            Self::Stopped => 130,
        }
    }
}

/// A stable error code such as `E0101`, the same in every release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The codes of the engine; connectors use the ranges named in `docs/guide/errors.md`.
pub mod codes {
    use super::Code;

    /// The broker cannot be reached.
    pub const UNREACHABLE: Code = Code("E0101");
    /// A topic does not exist.
    pub const UNKNOWN_TOPIC: Code = Code("E0110");
    /// A stored position is no longer at the broker.
    pub const EXPIRED_POSITION: Code = Code("E0111");
    /// The broker refused the login.
    pub const BAD_LOGIN: Code = Code("E0120");
    /// The broker refused the permission.
    pub const NOT_AUTHORISED: Code = Code("E0121");
    /// There is no token to log in with.
    pub const NO_TOKEN: Code = Code("E0122");
    /// The broker's certificate is for another host.
    pub const WRONG_HOST: Code = Code("E0130");
    /// A certificate has expired, or is not valid yet.
    pub const OUT_OF_DATE: Code = Code("E0131");
    /// The broker's certificate is signed by an unknown authority.
    pub const UNKNOWN_AUTHORITY: Code = Code("E0132");
    /// The broker refused the certificate of the program, or wants one.
    pub const CERTIFICATE_REFUSED: Code = Code("E0133");
    /// The TLS handshake failed for another reason.
    pub const NO_TLS: Code = Code("E0134");
    /// A key that messages are to be encrypted with cannot be found or used.
    pub const UNUSABLE_KEY: Code = Code("E0135");
    /// A message cannot be decrypted.
    pub const UNDECRYPTABLE: Code = Code("E0136");
    /// A name that a record is to go to cannot be that of a topic.
    pub const INVALID_TOPIC: Code = Code("E0115");
    /// A topic that the sink's policy does not allow.
    pub const FORBIDDEN_TOPIC: Code = Code("E0116");
    /// More topics are in use than the sink's policy allows.
    pub const TOO_MANY_TOPICS: Code = Code("E0117");
    /// A record that is to be routed says no topic.
    pub const NO_TOPIC: Code = Code("E0118");
    /// A record could not be delivered.
    pub const NOT_DELIVERED: Code = Code("E0140");
    /// A record is larger than a limit.
    pub const TOO_LARGE: Code = Code("E0141");
    /// A record found a full queue, and was not to wait.
    pub const QUEUE_FULL: Code = Code("E0142");
    /// A file, a folder or a stream of the process cannot be opened, read or written.
    pub const FILE_UNUSABLE: Code = Code("E0150");
    /// A disk is full.
    pub const DISK_FULL: Code = Code("E0151");
    /// Nobody reads any more what is written.
    pub const CLOSED_PIPE: Code = Code("E0152");
    /// A setting is wrong.
    pub const BAD_CONFIG: Code = Code("E0201");
    /// A value from the environment is wrong.
    pub const BAD_ENVIRONMENT: Code = Code("E0202");
    /// The graph cannot be built.
    pub const BAD_GRAPH: Code = Code("E0210");
    /// Workers built different graphs from the same closure.
    pub const UNEQUAL_GRAPHS: Code = Code("E0211");
    /// A record does not decode.
    pub const BAD_RECORD: Code = Code("E0301");
    /// An item could not be processed.
    pub const BAD_ITEM: Code = Code("E0303");
    /// An item could not be encoded.
    pub const BAD_ENCODING: Code = Code("E0304");
    /// A closure of the program panicked.
    pub const PANIC: Code = Code("E0401");
    /// The state folder cannot be used.
    pub const STATE_FOLDER: Code = Code("E0511");
    /// A file of the state folder is damaged.
    pub const STATE_CORRUPT: Code = Code("E0510");
    /// Another run holds the state folder.
    pub const STATE_LOCKED: Code = Code("E0512");
    /// The deadline of a stop passed with records not confirmed.
    pub const STOP_DEADLINE: Code = Code("E0602");
    /// The dataflow was told to stop at once.
    pub const STOPPED: Code = Code("E0603");
}

/// Where an error happened. Every part is optional; what is known is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The step, by name.
    pub step: Option<String>,
    /// The line of the program where the step was added.
    pub line: Option<String>,
    /// The worker's index.
    pub worker: Option<usize>,
    /// The topic.
    pub topic: Option<String>,
    /// The partition.
    pub partition: Option<u32>,
    /// The position of the record in its partition, as the connector writes it.
    pub position: Option<String>,
    /// The epoch.
    pub epoch: Option<u64>,
}

struct Repr {
    kind: ErrorKind,
    code: Code,
    what: String,
    place: Place,
    action: Option<String>,
    hint: Option<String>,
    source: Option<BoxError>,
    retryable: Option<bool>,
}

/// What failed, where, why, what is done about it, and what the reader can do.
///
/// `Display` is one fragment that reads on after "failed to"; [`Error::report`] is the whole message, as people should see
/// it. `Debug` prints the report too, so that a `main` returning this error reads well.
pub struct Error(Box<Repr>);

impl Error {
    /// An error of `kind`; `what` reads on after "failed to", lower case, without full stop.
    pub fn new(kind: ErrorKind, code: Code, what: impl Into<String>) -> Self {
        Self(Box::new(Repr {
            kind,
            code,
            what: what.into(),
            place: Place::default(),
            action: None,
            hint: None,
            source: None,
            retryable: None,
        }))
    }

    /// A wrong setting.
    pub fn config(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, codes::BAD_CONFIG, what)
    }

    /// The same failure, of something else that was being done.
    #[must_use]
    pub(crate) fn doing(mut self, what: &str) -> Self {
        what.clone_into(&mut self.0.what);
        self
    }

    /// Adds the cause from below.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what the reader can do, as one sentence; it names only commands that exist.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds what is done about it, as one sentence.
    #[must_use]
    pub fn with_action(mut self, action: impl Into<String>) -> Self {
        self.0.action = Some(action.into());
        self
    }

    /// Says whether a retry can help, where the kind alone does not tell.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// Adds the step, unless one is known already: the innermost place is the right one.
    #[must_use]
    pub fn at_step(mut self, step: &str) -> Self {
        self.0.place.step.get_or_insert_with(|| step.to_owned());
        self
    }

    /// Adds topic and partition, unless known already.
    #[must_use]
    pub fn at_partition(mut self, topic: &str, partition: u32) -> Self {
        self.0.place.topic.get_or_insert_with(|| topic.to_owned());
        self.0.place.partition.get_or_insert(partition);
        self
    }

    /// Adds the topic, unless known already.
    #[must_use]
    pub fn at_topic(mut self, topic: &str) -> Self {
        self.0.place.topic.get_or_insert_with(|| topic.to_owned());
        self
    }

    /// Adds the position, unless known already.
    #[must_use]
    pub fn at_position(mut self, position: impl fmt::Display) -> Self {
        self.0.place.position.get_or_insert_with(|| position.to_string());
        self
    }

    /// Adds the worker, unless known already.
    #[must_use]
    pub fn at_worker(mut self, worker: usize) -> Self {
        self.0.place.worker.get_or_insert(worker);
        self
    }

    /// Adds the epoch, unless known already.
    #[must_use]
    pub fn at_epoch(mut self, epoch: u64) -> Self {
        self.0.place.epoch.get_or_insert(epoch);
        self
    }

    /// Adds the line of the program where the step was added, unless known already.
    #[must_use]
    pub fn at_line(mut self, line: impl fmt::Display) -> Self {
        self.0.place.line.get_or_insert_with(|| line.to_string());
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Where it happened.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// What the reader can do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether doing the same again can help.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or(self.0.kind == ErrorKind::Unavailable)
    }

    /// The exit code for a program that ends with this error: that of its kind, and 6 for all that concerns the state folder.
    pub fn exit_code(&self) -> u8 {
        if self.0.code.0.starts_with("E05") { 6 } else { self.0.kind.exit_code() }
    }

    /// The cause from below, in one line.
    pub fn cause(&self) -> Option<String> {
        let mut next = self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static));
        let mut text = next?.to_string();
        while let Some(error) = next.and_then(StdError::source) {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = Some(error);
        }
        Some(text)
    }

    /// The whole message: code, what, place, cause; then what is done, and what you can do, a line each.
    pub fn report(&self) -> String {
        let mut text = format!("{} failed to {}", self.0.code, self.0.what);
        let place = self.0.place.to_string();
        if !place.is_empty() {
            text.push_str(" (");
            text.push_str(&place);
            text.push(')');
        }
        if let Some(cause) = self.cause() {
            text.push_str(": ");
            text.push_str(&cause);
        }
        for line in [&self.0.action, &self.0.hint].into_iter().flatten() {
            text.push('\n');
            text.push_str(line);
        }
        text
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(step) = &self.step {
            parts.push(match &self.line {
                Some(line) if !step.contains(line) => format!("step \"{step}\" at {line}"),
                _ => format!("step \"{step}\""),
            });
        }
        match (&self.topic, self.partition, &self.position) {
            (Some(topic), Some(partition), Some(position)) => {
                parts.push(format!("record {topic}[{partition}]@{position}"));
            }
            (Some(topic), Some(partition), None) => {
                parts.push(format!("partition {topic}[{partition}]"));
            }
            (Some(topic), None, _) => parts.push(format!("topic \"{topic}\"")),
            _ => {}
        }
        if let Some(worker) = self.worker {
            parts.push(format!("worker {worker}"));
        }
        if let Some(epoch) = self.epoch {
            parts.push(format!("epoch {epoch}"));
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_names_place_cause_and_hint() {
        let error = Error::new(ErrorKind::BadItem, codes::BAD_RECORD, "decode a record as JSON")
            .at_step("parse")
            .at_line("src/main.rs:14")
            .at_partition("orders", 2)
            .at_position(8412)
            .at_worker(1)
            .with_source("expected `,` at byte 57")
            .with_hint("Take the errors as a stream with `.split_errors()`.");
        assert_eq!(
            error.report(),
            "E0301 failed to decode a record as JSON (step \"parse\" at src/main.rs:14, record orders[2]@8412, worker 1): \
             expected `,` at byte 57\nTake the errors as a stream with `.split_errors()`."
        );
        assert_eq!(error.to_string(), "decode a record as JSON");
        assert!(!error.is_retryable());
        assert_eq!(error.exit_code(), 5);
    }

    #[test]
    fn innermost_place_wins() {
        let error = Error::config("start").at_step("inner").at_step("outer");
        assert_eq!(error.place().step.as_deref(), Some("inner"));
    }
}

//! What test data is wanted: from arguments, or from answers on standard input.

use std::io::{IsTerminal, Write, stdin, stdout};

use millstream::batch::OwnedRecord;
use millstream::{Error, Result};

use super::args::Args;
use super::orders::orders;

/// Records to be made.
pub(crate) struct Wanted {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    /// Generated orders where there is none.
    pub(crate) value: Option<String>,
    pub(crate) count: u64,
}

impl Wanted {
    /// From the arguments; nothing where they name no topic.
    pub(crate) fn from_args(args: &mut Args) -> Result<Option<Self>> {
        let (key, value) = (args.take("--key")?, args.take("--value")?);
        let (topic, count) = (args.take("--topic")?, args.count(1)?);
        if topic.is_none() && (key.is_some() || value.is_some()) {
            return Err(Error::config("read the arguments: key and value want a --topic"));
        }
        Ok(topic.map(|topic| Self { topic, key, value, count }))
    }

    /// From the answers to four questions; nothing once the first answer is, or the input has ended.
    pub(crate) fn ask() -> Result<Option<Self>> {
        let Some(topic) = answer("Topic (nothing: done)")?.filter(|topic| !topic.is_empty()) else {
            return Ok(None);
        };
        let key = answer("Key (nothing: none)")?.filter(|key| !key.is_empty());
        let value = answer("Value, in which {n} is its number (nothing: generated orders)")?;
        let value = value.filter(|value| !value.is_empty());
        Ok(ask_count()?.map(|count| Self { topic, key, value, count }))
    }

    /// The records, one after the other.
    pub(crate) fn records(&self) -> impl Iterator<Item = OwnedRecord> {
        orders(self.count).zip(0..self.count).map(|(order, n)| {
            let numbered = |value: &String| OwnedRecord::of(value.replace("{n}", &n.to_string()));
            let record = self.value.as_ref().map_or(order, numbered);
            match &self.key {
                Some(key) => record.with_key(key.as_str()),
                None => record,
            }
        })
    }
}

/// Asks until the answer is a number; nothing where the input ends before.
#[expect(clippy::print_stdout, reason = "it talks to people")]
fn ask_count() -> Result<Option<u64>> {
    while let Some(text) = answer("How many (nothing: 1)")? {
        match text.parse::<u64>() {
            _ if text.is_empty() => return Ok(Some(1)),
            Ok(count) => return Ok(Some(count)),
            Err(_) => println!("{text:?} is no whole number."),
        }
    }
    Ok(None)
}

/// A line of the input without its end; nothing where the input has ended. People see the question, programs do not.
fn answer(question: &str) -> Result<Option<String>> {
    let mut line = String::new();
    if stdin().is_terminal() {
        write!(stdout(), "{question}: ").and_then(|()| stdout().flush()).map_err(failed)?;
    }
    let n_bytes = stdin().read_line(&mut line).map_err(failed)?;
    Ok((n_bytes > 0).then(|| line.trim_end().to_owned()))
}

fn failed(error: std::io::Error) -> Error {
    Error::config("ask what is wanted").with_source(error)
}

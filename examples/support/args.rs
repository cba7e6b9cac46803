//! The command line of an example: `--NAME VALUE` pairs, each taken by whom it concerns; what nobody took is an error.

use millstream::{Error, Result};

/// Arguments that nobody has taken yet.
pub(crate) struct Args(Vec<String>);

impl Args {
    /// Those of this program.
    pub(crate) fn of_program() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// The value behind `name`, which is gone afterwards.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<String>> {
        let Some(at) = self.0.iter().position(|arg| arg == name) else { return Ok(None) };
        let mut pair = self.0.drain(at..self.0.len().min(at + 2)).skip(1);
        match pair.next() {
            Some(value) if !value.starts_with("--") => Ok(Some(value)),
            _ => Err(wrong(&format!("{name} wants a value behind it"))),
        }
    }

    /// The number behind `--count`.
    pub(crate) fn count(&mut self, default: u64) -> Result<u64> {
        self.take("--count")?.map_or(Ok(default), |text| {
            text.parse::<u64>().map_err(|e| {
                wrong(&format!("--count wants a whole number, not {text:?}")).with_source(e)
            })
        })
    }

    /// Says that all who know an argument have taken theirs; `known` is what there is, for people.
    pub(crate) fn end(self, known: &str) -> Result<()> {
        self.0.first().map_or(Ok(()), |arg| {
            Err(wrong(&format!("{arg:?} is none of them"))
                .with_hint(format!("There are: {known}.")))
        })
    }
}

fn wrong(what: &str) -> Error {
    Error::config(format!("read the arguments: {what}"))
}

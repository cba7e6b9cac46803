//! The command line of `copy`.
//!
//! Invariant: a URL is read by us and not by the parser of the command line, which would show it in its errors.

#![expect(clippy::doc_markdown, reason = "`--help` prints these comments as they stand")]

use std::path::PathBuf;

use clap::Parser;
use millstream::copy::Copying;
use millstream::registry::Registry;
use millstream::url::ConnectorUrl;
use millstream::{Config, Preset, Result};

/// Copies records from one connector to another, as they are: key, headers, time, bytes.
///
/// A URL is such as kafka://HOST:PORT/TOPIC?start=latest, file:///PATH?format=lines, memory:TOPIC, generator:?rate=1000, or - for
/// standard input and output. Behind the ? it takes the settings of its connector; secrets only as NAME_env=VARIABLE or NAME_file=PATH.
#[derive(Debug, Parser)]
#[command(name = "copy")]
pub(crate) struct Args {
    /// Where records come from
    #[arg(long, value_name = "URL")]
    from: String,
    /// Where they go
    #[arg(long, value_name = "URL")]
    to: String,
    /// Where those that fail go, with the reason; without it the first failure stops the copy
    #[arg(long, value_name = "URL")]
    errors: Option<String>,
    /// The field of a JSON value that says the topic; --to ends in *, for which it stands
    #[arg(long, value_name = "JSON_FIELD")]
    route_by: Option<String>,
    /// End at the end of what is there now
    #[arg(long)]
    pub(crate) until_end: bool,
    /// Worker threads
    #[arg(long)]
    workers: Option<usize>,
    /// Settings for a purpose: balanced, high_throughput, low_latency, resource_constrained
    #[arg(long)]
    preset: Option<String>,
    /// The name under which positions are kept
    #[arg(long, value_name = "DATAFLOW", default_value = "copy")]
    name: String,
    /// The folder that keeps positions; without it those brokers that can
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Args {
    /// What is to be copied where.
    pub(crate) fn copying(&self) -> Result<Copying> {
        let mut copying =
            Copying::new(url("from", &self.from)?, url("to", &self.to)?).with_name(&self.name);
        if let Some(errors) = &self.errors {
            copying = copying.with_errors(url("errors", errors)?);
        }
        if let Some(field) = &self.route_by {
            copying = copying.with_route_by(field);
        }
        Ok(copying)
    }

    /// What all connectors are told.
    pub(crate) fn registry(&self) -> Result<Registry> {
        let registry = if self.until_end { Registry::new().until_end() } else { Registry::new() };
        Ok(match self.preset()? {
            Some(preset) => registry.with_preset(preset),
            None => registry,
        })
    }

    /// The engine's settings: those of the environment, and what the command line says.
    pub(crate) fn config(&self) -> Result<Config> {
        let base =
            self.preset()?.map_or_else(Config::from_env, |preset| Ok(Config::preset(preset)))?;
        Ok(Config {
            workers: self.workers.unwrap_or(base.workers),
            state_dir: self.state.clone().or(base.state_dir),
            ..base
        })
    }

    /// Whether records go to standard output, where nothing else may be then.
    pub(crate) fn fills_stdout(&self) -> bool {
        let places = [Some(&self.to), self.errors.as_ref()];
        places.into_iter().flatten().any(|url| url.starts_with('-') || url.starts_with("stdio:"))
    }

    fn preset(&self) -> Result<Option<Preset>> {
        self.preset.as_deref().map(str::parse).transpose()
    }
}

fn url(option: &str, text: &str) -> Result<ConnectorUrl> {
    text.parse().map_err(|error: millstream::Error| error.at_step(option))
}

//! Copying records from one connector to another, as they are: what the example `copy` does, for programs.
//!
//! Invariant: key, value, headers and time arrive as they were, a null value as null.

use std::fmt;
use std::time::{Duration, Instant};

use millstream_engine::metrics::Snapshot;
use millstream_engine::runtime::run_watched;
use millstream_engine::url::ConnectorUrl;
use millstream_engine::{Config, Dataflow, Error, Flow, Result};
use millstream_operators::prelude::*;

use crate::registry::{Registry, SinkMaker, SourceMaker};

/// How often the one who watches is told.
const WATCH: Duration = Duration::from_millis(250);

/// What is to be copied where.
///
/// # Delivery
/// At least once, as the connectors give it: a stop loses and repeats nothing, after a crash the next run repeats what was not
/// committed. Positions are kept in the folder that [`Config::state_dir`] names, or, without one, by brokers that do that.
///
/// # Examples
/// ```
/// # #[cfg(feature = "memory")] {
/// use millstream::copy::Copying;
/// use millstream::memory::Broker;
/// use millstream::registry::Registry;
/// use millstream::Config;
///
/// let broker = Broker::new();
/// broker.create_topic("orders", 1)?;
/// broker.producer("orders")?.send_keyed("anna", r#"{"country":"DE"}"#)?;
///
/// let registry = Registry::new().with_broker(&broker).until_end();
/// let copying = Copying::new("memory:orders".parse()?, "memory:by-country.*?creation=1".parse()?)
///     .with_route_by("country");
/// let copied = copying.run(&registry, Config::default(), |_so_far| {})?;
/// assert_eq!((copied.read, copied.written, broker.len("by-country.DE")?), (1, 1, 1));
/// # }
/// # Ok::<(), millstream::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Copying {
    from: ConnectorUrl,
    to: ConnectorUrl,
    errors: Option<ConnectorUrl>,
    route_by: Option<String>,
    name: String,
}

impl Copying {
    /// Copies what `from` reads to `to`, direct style: the first failure stops it.
    pub fn new(from: ConnectorUrl, to: ConnectorUrl) -> Self {
        Self { from, to, errors: None, route_by: None, name: "copy".to_owned() }
    }

    /// Sets what fails aside, as dead letters with the reason, and goes on. Default: it stops.
    #[must_use]
    pub fn with_errors(mut self, errors: ConnectorUrl) -> Self {
        self.errors = Some(errors);
        self
    }

    /// Sends each record to the topic that a field of its value, a JSON object, says: `to` is a URL whose topic ends in `*`, for
    /// which the field's value stands, or one with the field `topics`. Texts, numbers and truth values are names; a record without
    /// the field is an error, `E0118`. Default: all go to one topic.
    #[must_use]
    pub fn with_route_by(mut self, json_field: impl Into<String>) -> Self {
        self.route_by = Some(json_field.into());
        self
    }

    /// Names the dataflow, and so its positions: a copy goes on where the last one of its name was. Default: `copy`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Copies until the source ends, SIGTERM or SIGINT come, or something fails. `watch` is told what was done so far, four times a
    /// second, and once at the end, however it ended.
    ///
    /// # Blocking
    /// Blocks until then.
    ///
    /// # Errors
    /// What the URLs have wrong (*config*), or what stopped it.
    pub fn run(
        &self,
        registry: &Registry,
        config: Config,
        mut watch: impl FnMut(Copied) + Send,
    ) -> Result<Copied> {
        let dataflow = self.dataflow(registry)?;
        let start = Instant::now();
        run_watched(&dataflow, config, WATCH, |counted| watch(Copied::of(counted, start)))
            .map(|counted| Copied::of(&counted, start))
    }

    fn dataflow(&self, registry: &Registry) -> Result<Dataflow> {
        let plan = Plan {
            from: registry.source(&self.from).map_err(|error| error.at_step("from"))?,
            to: registry.sink(&self.to).map_err(|error| error.at_step("to"))?,
            errors: self
                .errors
                .as_ref()
                .map(|url| registry.sink(url).map_err(|error| error.at_step("errors")))
                .transpose()?,
            route: self.route_by.clone().map(|field| Route {
                field,
                prefix: self.to.topic_prefix().unwrap_or_default().to_owned(),
            }),
        };
        plan.check(&self.to)?;
        Ok(Dataflow::new(&self.name, move |flow| plan.build(flow)))
    }
}

/// What the graph is built of.
struct Plan {
    from: SourceMaker,
    to: SinkMaker,
    errors: Option<SinkMaker>,
    route: Option<Route>,
}

impl Plan {
    fn check(&self, to: &ConnectorUrl) -> Result<()> {
        match (self.to.make().capabilities().routes, &self.route) {
            (false, Some(_)) => Err(Error::config(format!("route records to {to}: it is one place"))
                .with_hint("End its topic in *, for which the field's value stands, or name topics: ?topics=a,b.")),
            (true, None) => Err(Error::config(format!("copy to {to}: nothing says which topic a record goes to"))
                .with_hint("Name the JSON field that does: --route-by FIELD.")),
            _ => Ok(()),
        }
    }

    fn build(&self, flow: &Flow<'_>) {
        let to = self.to.make();
        let Some(errors) = &self.errors else {
            let records = flow.source("from", self.from.make());
            match self.route.clone() {
                None => records.sink("to", to),
                Some(route) => {
                    let routed =
                        records.to_topic(move |record, topic| route.name(record.value(), topic));
                    routed.named("route").errors_fail().sink("to", to);
                }
            }
            return;
        };
        let (records, unread) = flow.source_with_errors("from", self.from.make());
        let failed = match self.route.clone() {
            None => unread.merge(records.sink_with_errors("to", to)),
            Some(route) => {
                let routed =
                    records.to_topic(move |record, topic| route.name(record.value(), topic));
                let (routed, unrouted) = routed.named("route").split_errors();
                unread.merge(unrouted).merge(routed.sink_with_errors("to", to))
            }
        };
        failed.dead_letters("errors", errors.make());
    }
}

/// How a record's topic is found.
#[derive(Clone)]
struct Route {
    field: String,
    prefix: String,
}

impl Route {
    /// Appends the topic, or nothing where the value has none.
    fn name(&self, value: Option<&[u8]>, topic: &mut String) {
        use serde_json::Value;
        let object = serde_json::from_slice::<Value>(value.unwrap_or_default()).ok();
        let name = match object.as_ref().and_then(|object| object.get(&self.field)) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(plain @ (Value::Number(_) | Value::Bool(_))) => plain.to_string(),
            _ => return,
        };
        topic.push_str(&self.prefix);
        topic.push_str(&name);
    }
}

/// What was copied. `Display` is one line of JSON.
///
/// # Examples
/// ```
/// use millstream::copy::Copied;
/// let copied = Copied { read: 3, written: 2, errors: 1, ..Copied::default() };
/// assert_eq!(copied.to_string(), r#"{"read":3,"written":2,"errors":1,"seconds":0.000}"#);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Copied {
    /// Records read.
    pub read: u64,
    /// Records that the sink took and has not rejected; all of them are durable when the copy ends without an error.
    pub written: u64,
    /// Records set aside.
    pub errors: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Copied {
    fn of(counted: &Snapshot, start: Instant) -> Self {
        let (read, _) = sum(counted, "source", "from");
        let (taken, rejected) = sum(counted, "sink", "to");
        let (errors, _) = sum(counted, "sink", "errors");
        Self { read, written: taken.saturating_sub(rejected), errors, elapsed: start.elapsed() }
    }
}

/// Records and errors of a source or a sink over all workers; the stages behind its error stream count under its name too.
fn sum(counted: &Snapshot, kind: &str, name: &str) -> (u64, u64) {
    let steps = counted.steps.iter().filter(|step| step.kind == kind && step.name == name);
    steps.fold((0, 0), |(records, errors), step| (records + step.records, errors + step.errors))
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, written, errors, elapsed } = self;
        let seconds = elapsed.as_secs_f64();
        write!(
            f,
            r#"{{"read":{read},"written":{written},"errors":{errors},"seconds":{seconds:.3}}}"#
        )
    }
}

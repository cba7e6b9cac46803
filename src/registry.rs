//! Which connectors this build has, and sources and sinks of any of them from URLs.
//!
//! Invariant: every URL is either read by its connector or refused with the way out: the names there are, or the feature to build.

use std::fmt;
use std::sync::Arc;

use millstream_engine::sink::Sink;
use millstream_engine::source::Source;
use millstream_engine::url::ConnectorUrl;
use millstream_engine::{Error, Preset, Result};

/// Partitions of a topic that the registry makes on its embedded broker.
#[cfg(feature = "memory")]
const MEMORY_PARTITIONS: usize = 4;

/// Makes the same source again and again: a dataflow asks for one per worker.
#[derive(Clone)]
pub struct SourceMaker(Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>);

impl SourceMaker {
    /// The source.
    pub fn make(&self) -> Box<dyn Source> {
        (self.0)()
    }

    /// Makes copies of `source`.
    pub fn of<S: Source + Clone + Sync>(source: S) -> Self {
        Self(Arc::new(move || Box::new(source.clone())))
    }
}

/// Makes the same sink again and again.
#[derive(Clone)]
pub struct SinkMaker(Arc<dyn Fn() -> Box<dyn Sink> + Send + Sync>);

impl SinkMaker {
    /// The sink.
    pub fn make(&self) -> Box<dyn Sink> {
        (self.0)()
    }

    /// Makes copies of `sink`.
    pub fn of<S: Sink + Clone + Sync>(sink: S) -> Self {
        Self(Arc::new(move || Box::new(sink.clone())))
    }
}

impl fmt::Debug for SourceMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceMaker({})", self.make().connector())
    }
}

impl fmt::Debug for SinkMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinkMaker({})", self.make().connector())
    }
}

/// A connector that the project has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name, in URLs, and that of its feature.
    pub name: &'static str,
    /// Whether this build has it.
    pub built: bool,
}

/// Opens connectors by URL, and says what all of them are to be told.
///
/// # Examples
/// ```
/// # #[cfg(feature = "memory")] {
/// use millstream::memory::Broker;
/// use millstream::registry::Registry;
///
/// let broker = Broker::new();
/// broker.create_topic("orders", 4)?;
/// let registry = Registry::new().with_broker(&broker).until_end();
/// let orders = registry.source(&"memory:orders".parse()?)?;
/// assert!(orders.make().capabilities().bounded);
///
/// let refused = registry.source(&"memry:orders".parse()?).unwrap_err();
/// assert!(refused.report().contains("did you mean \"memory\"?"), "{}", refused.report());
/// # }
/// # Ok::<(), millstream::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    #[cfg(feature = "memory")]
    broker: millstream_memory::Broker,
    preset: Option<Preset>,
    until_end: bool,
}

impl Registry {
    /// All connectors, those included that this build does not have.
    pub const CONNECTORS: &[Connector] = &[
        Connector { name: "memory", built: cfg!(feature = "memory") },
        Connector { name: "file", built: cfg!(feature = "file") },
        Connector { name: "generator", built: cfg!(feature = "generator") },
        Connector { name: "stdio", built: cfg!(feature = "stdio") },
        Connector { name: "kafka", built: cfg!(feature = "kafka") },
        Connector { name: "pulsar", built: cfg!(feature = "pulsar") },
    ];

    /// A registry with an embedded broker of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the topics of `memory:` from this broker.
    #[cfg(feature = "memory")]
    #[must_use]
    pub fn with_broker(mut self, broker: &millstream_memory::Broker) -> Self {
        self.broker = broker.clone();
        self
    }

    /// Sets a preset on connectors that know presets, unless their URL says one. Default: none.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        self.preset = Some(preset);
        self
    }

    /// Lets sources end where their partitions end when reading begins, unless their URL says another end. Default: they go on.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }

    /// The source of a URL.
    ///
    /// # Errors
    /// *Config*: what the connector says of its fields, that there is no such connector, or that this build does not have it;
    /// also a source that never ends, where [`Registry::until_end`] was asked for.
    pub fn source(&self, url: &ConnectorUrl) -> Result<SourceMaker> {
        let maker = self.any_source(url)?;
        if self.until_end && !maker.make().capabilities().bounded {
            return Err(Error::config(format!("read {url} until its end: it has none")).with_hint(
                "Leave out the field that keeps it going, or say where it ends (generator: count=NUMBER).",
            ));
        }
        Ok(maker)
    }

    #[cfg_attr(
        not(any(feature = "memory", feature = "file", feature = "kafka", feature = "pulsar")),
        expect(clippy::unused_self, reason = "none of these connectors is told anything")
    )]
    fn any_source(&self, url: &ConnectorUrl) -> Result<SourceMaker> {
        match url.connector() {
            #[cfg(feature = "memory")]
            "memory" => millstream_memory::Source::from_url(&self.broker, &self.ending(url))
                .map(SourceMaker::of),
            #[cfg(feature = "file")]
            "file" => {
                let url = self.ending(url);
                millstream_file::Source::from_url(&url).map(SourceMaker::of)
            }
            #[cfg(feature = "generator")]
            "generator" => millstream_generator::Source::from_url(url).map(SourceMaker::of),
            #[cfg(feature = "stdio")]
            "stdio" => millstream_stdio::Source::from_url(url).map(SourceMaker::of),
            #[cfg(feature = "kafka")]
            "kafka" => {
                let url = self.tuned(&self.ending(url));
                millstream_kafka::Source::from_url(&url).map(SourceMaker::of)
            }
            #[cfg(feature = "pulsar")]
            "pulsar" => {
                let url = self.tuned(&self.ending(url));
                millstream_pulsar::Source::from_url(&url).map(SourceMaker::of)
            }
            _ => Err(not_built(url)),
        }
    }

    /// The sink of a URL. A topic of the embedded broker that does not exist is made, with four partitions.
    ///
    /// # Errors
    /// As for [`Registry::source`].
    pub fn sink(&self, url: &ConnectorUrl) -> Result<SinkMaker> {
        match url.connector() {
            #[cfg(feature = "memory")]
            "memory" => {
                let sink = millstream_memory::Sink::from_url(&self.broker, url)?;
                self.make_topic(url)?;
                Ok(SinkMaker::of(sink))
            }
            #[cfg(feature = "file")]
            "file" => millstream_file::Sink::from_url(url).map(SinkMaker::of),
            #[cfg(feature = "generator")]
            "generator" => {
                Err(Error::config(format!("write to {url}: a generator is a source only")))
            }
            #[cfg(feature = "stdio")]
            "stdio" => millstream_stdio::Sink::from_url(url).map(SinkMaker::of),
            #[cfg(feature = "kafka")]
            "kafka" => millstream_kafka::Sink::from_url(&self.tuned(url)).map(SinkMaker::of),
            #[cfg(feature = "pulsar")]
            "pulsar" => millstream_pulsar::Sink::from_url(&self.tuned(url)).map(SinkMaker::of),
            _ => Err(not_built(url)),
        }
    }

    #[cfg(feature = "memory")]
    fn make_topic(&self, url: &ConnectorUrl) -> Result<()> {
        let (topic, known) = (url.topic(), self.broker.topics());
        let is_one = !topic.is_empty() && url.topic_prefix().is_none();
        if !is_one || known.iter().any(|known| known.name == topic) {
            return Ok(());
        }
        self.broker.create_topic(topic, MEMORY_PARTITIONS)
    }

    /// With an end, where one was asked for, for connectors whose sources go on by themselves.
    #[cfg(any(feature = "memory", feature = "file", feature = "kafka", feature = "pulsar"))]
    fn ending(&self, url: &ConnectorUrl) -> ConnectorUrl {
        if self.until_end { url.clone().with_default("end", "latest") } else { url.clone() }
    }

    /// With the preset, for connectors that know presets.
    #[cfg(any(feature = "kafka", feature = "pulsar"))]
    fn tuned(&self, url: &ConnectorUrl) -> ConnectorUrl {
        match self.preset {
            Some(preset) => url.clone().with_default("preset", preset.name()),
            None => url.clone(),
        }
    }
}

#[cold]
fn not_built(url: &ConnectorUrl) -> Error {
    let name = url.connector();
    let all = Registry::CONNECTORS;
    if all.iter().any(|connector| connector.name == name) {
        return Error::config(format!("use the URL {url}: this build has no connector {name}"))
            .with_hint(format!("Build it with the feature: cargo run --features {name} …"));
    }
    let near = all.iter().find(|known| strsim::jaro_winkler(known.name, name) >= 0.8);
    let near = near.map(|near| format!(" (did you mean \"{}\"?)", near.name)).unwrap_or_default();
    let names: Vec<_> = all.iter().map(|connector| connector.name).collect();
    Error::config(format!("use the URL {url}: there is no connector {name}{near}"))
        .with_hint(format!("There are {}.", names.join(", ")))
}

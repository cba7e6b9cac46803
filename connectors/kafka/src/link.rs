//! One client of a writer that routes, with the thread that looks topics up for it.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::error::Result;
use millstream_engine::sink::WriterContext;
use rdkafka::ClientConfig;

use crate::config::Security;
use crate::directory::Directory;
use crate::error::from_client;
use crate::listener::Listener;
use crate::raw::{Client, RawProducer};

/// One client, and who looks topics up for it. Fields are dropped in their order: the thread of the directory lets go of the client
/// last.
pub(crate) struct Link {
    pub(crate) raw: RawProducer,
    pub(crate) client: Arc<Client>,
    /// Topics that the client has got to know.
    pub(crate) n_known: usize,
    pub(crate) directory: Directory,
}

impl Link {
    pub(crate) fn open(
        (config, security): (&ClientConfig, &Security),
        creation: Option<u32>,
        patience: Duration,
        cx: &WriterContext,
    ) -> Result<Self> {
        let failed = |error| from_client(&error, "set up the Kafka client").at_step(&cx.open.step);
        let listener = Listener::new(&cx.open.step, Arc::clone(&cx.open.clock), security);
        let mut config = config.clone();
        security.apply(&mut config).map_err(|error| error.at_step(&cx.open.step))?;
        let client = Arc::new(Client::new(&config, listener, cx.wake.clone()).map_err(failed)?);
        let raw = RawProducer::new(Arc::clone(&client)).map_err(failed)?;
        let directory = Directory::start(Arc::clone(&client), creation, patience, &cx.wake)
            .map_err(|error| error.at_step(&cx.open.step))?;
        Ok(Self { raw, client, n_known: 0, directory })
    }
}

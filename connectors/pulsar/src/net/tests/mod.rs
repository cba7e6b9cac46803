//! Connections to brokers that are set up for it, and to peers that the tests play themselves.

mod logins;
mod peer;
mod scripted;
mod secure;
mod streams;
mod tls;

use std::sync::Arc;

use millstream_engine::error::Error;

use super::cluster::Cluster;
use super::{Connection, Trouble, runtime};
use crate::config::{ClusterConfig, Security};
use crate::error::error_of;

/// Asks which broker serves `topic`, and so connects and logs in.
fn reach(config: &ClusterConfig, topic: &str) -> Result<Arc<Connection>, Trouble> {
    let cluster = Cluster::new(config);
    let topic = format!("persistent://public/default/{topic}");
    runtime::handle().block_on(async { cluster.broker_of(&topic).await })
}

fn config(address: &str, security: Security) -> ClusterConfig {
    ClusterConfig { security, ..ClusterConfig::new(address) }
}

/// What a program is told when it is not let in.
fn refusal(config: &ClusterConfig) -> Error {
    let trouble = reach(config, "orders").expect_err("it is not let in");
    error_of(&trouble, "find the topic \"orders\"")
}

/// The text of an error, without what differs from run to run.
fn told(error: &Error, changing: &[(&str, &str)]) -> String {
    changing.iter().fold(error.report(), |text, (from, to)| text.replace(from, to))
}

//! Namespaces: made, looked at, deleted.

use std::time::Duration;

use hyper::Method;
use millstream_engine::error::{Error, Result};
use serde::Serialize;

use super::api::{Api, refused};
use crate::config::{ClusterConfig, Security};
use crate::net::http::Body;
use crate::topic_name::named;

/// A namespace that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNamespace {
    name: String,
    policies: Policies,
}

/// As the admin API has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Policies {
    #[serde(skip_serializing_if = "Option::is_none")]
    deduplication_enabled: Option<bool>,
}

impl NewNamespace {
    /// The namespace `TENANT/NAMESPACE`, with what the cluster is set to; the tenant must exist.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), policies: Policies::default() }
    }

    /// Sets whether brokers drop what a producer sends twice, by its name and sequence ids. Default: what the cluster is set to.
    #[must_use]
    pub fn with_deduplication(mut self, is_on: bool) -> Self {
        self.policies.deduplication_enabled = Some(is_on);
        self
    }
}

/// The namespaces of a cluster, for programs that make their own.
///
/// # Blocking
/// As [`Topics`](crate::Topics).
///
/// # Errors
/// As [`Topics`](crate::Topics).
///
/// # Examples
/// ```no_run
/// use millstream_pulsar::{Namespaces, NewNamespace};
///
/// let namespaces = Namespaces::new("http://127.0.0.1:8080");
/// namespaces.create(&NewNamespace::new("public/orders").with_deduplication(true))?;
/// assert!(namespaces.exists("public/orders")?);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Namespaces(Api);

impl Namespaces {
    /// The namespaces of the cluster with the admin API at `admin_url`, `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn new(admin_url: impl Into<String>) -> Self {
        Self(Api::new(admin_url))
    }

    /// The namespaces of a cluster, with its [`ClusterConfig::admin_url`], security and operation timeout.
    ///
    /// # Errors
    /// *Config* where there is no `admin_url`.
    pub fn of(config: &ClusterConfig) -> Result<Self> {
        Api::of(config).map(Self)
    }

    /// Sets how to reach a cluster that asks who comes. Default: without a login; `https://` believes the authorities of the
    /// operating system.
    #[must_use]
    pub fn with_security(self, security: Security) -> Self {
        Self(self.0.with_security(security))
    }

    /// Sets how long a call may take. Default: 30 s. Too low: a cluster that is just starting seems to be away.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self(self.0.with_timeout(timeout))
    }

    /// Makes a namespace; says whether it is new. One that exists already is left as it is.
    ///
    /// # Errors
    /// As for all of [`Namespaces`].
    pub fn create(&self, new: &NewNamespace) -> Result<bool> {
        let what = format!("create the namespace \"{}\"", new.name);
        let path = path(&new.name, &what)?;
        let body = serde_json::to_string(&new.policies)
            .map_err(|error| Error::config(what.as_str()).with_source(error))?;
        self.0.change(Method::PUT, &path, Body::Json(body), (409, &what))
    }

    /// Deletes a namespace without topics; says whether it was there.
    ///
    /// # Errors
    /// As for all of [`Namespaces`]; *config* while it has topics.
    pub fn delete(&self, namespace: &str) -> Result<bool> {
        let what = format!("delete the namespace \"{namespace}\"");
        let path = path(namespace, &what)?;
        self.0.change(Method::DELETE, &path, Body::Nothing, (404, &what))
    }

    /// Whether a namespace exists.
    ///
    /// # Errors
    /// As for all of [`Namespaces`].
    pub fn exists(&self, namespace: &str) -> Result<bool> {
        let what = format!("look up the namespace \"{namespace}\"");
        let found: Option<serde_json::Value> = self.0.find(&path(namespace, &what)?, &what)?;
        Ok(found.is_some())
    }

    /// Whether brokers drop what a producer sends twice to topics of this namespace; `None` where the cluster decides.
    ///
    /// # Errors
    /// As for all of [`Namespaces`]; `E0110` when the namespace does not exist.
    pub fn deduplication(&self, namespace: &str) -> Result<Option<bool>> {
        let what = format!("look up the deduplication of the namespace \"{namespace}\"");
        let path = format!("{}/deduplication", path(namespace, &what)?);
        let answer = self.0.call(Method::GET, &path, Body::Nothing, &what)?;
        match answer.status {
            204 => Ok(None),
            200 => Ok(serde_json::from_slice(&answer.body).ok()),
            _ => Err(refused(&answer, &what)),
        }
    }

    /// Sets whether brokers drop what a producer sends twice to topics of this namespace.
    ///
    /// # Errors
    /// As for all of [`Namespaces`]; `E0110` when the namespace does not exist.
    pub fn set_deduplication(&self, namespace: &str, is_on: bool) -> Result<()> {
        let what = format!("set the deduplication of the namespace \"{namespace}\"");
        let path = format!("{}/deduplication", path(namespace, &what)?);
        let answer = self.0.call(Method::POST, &path, Body::Json(is_on.to_string()), &what)?;
        if answer.status < 300 { Ok(()) } else { Err(refused(&answer, &what)) }
    }
}

/// Where a namespace is in the API.
fn path(namespace: &str, what: &str) -> Result<String> {
    let parts: Vec<_> = namespace.split('/').collect();
    let fault = match parts[..] {
        [tenant, name] => named(tenant).and_then(|()| named(name)).err(),
        _ => Some("a namespace is `TENANT/NAMESPACE`"),
    };
    match fault {
        Some(fault) => Err(Error::config(what).with_source(fault)),
        None => Ok(format!("namespaces/{namespace}")),
    }
}

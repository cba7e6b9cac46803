//! Which cluster, and how it is reached: the same for sources, sinks and topics.

use std::time::Duration;

use millstream_engine::error::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Security, Tls};
use crate::net::http::Url;

const PLAIN: &str = "pulsar://";
const OVER_TLS: &str = "pulsar+ssl://";

/// How a cluster is reached.
///
/// # Examples
/// ```
/// use millstream_engine::Secret;
/// use millstream_pulsar::{ClusterConfig, Login, Security};
///
/// let login = Login::token(Secret::from_file("/run/secrets/pulsar.token"));
/// let security = Security::tls().with_ca_file("/etc/pulsar/ca.pem").with_login(login);
/// let cluster = ClusterConfig { security, ..ClusterConfig::new("pulsar+ssl://pulsar.example:6651") };
/// assert!(cluster.listener_name.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// The service URL: `pulsar://HOST:PORT`, over TLS `pulsar+ssl://HOST:PORT`, several brokers as `pulsar://HOST:PORT,HOST:PORT`.
    /// Without a port it is 6650, over TLS 6651.
    pub service_url: String,
    /// The base of the admin API: `http://HOST:PORT` or `https://HOST:PORT`. Default: none; sources and sinks need none.
    #[serde(default)]
    pub admin_url: Option<String>,
    /// TLS and the login. Default: neither; `pulsar+ssl://` asks for TLS by itself.
    #[serde(default)]
    pub security: Security,
    /// Which of the brokers' advertised listeners to use, where they have several. Default: none, so that the brokers choose.
    #[serde(default)]
    pub listener_name: Option<String>,
    /// The longest that setting a connection up may take: reaching a broker, TLS, the login. Default: 10 s. Too low: a loaded broker
    /// seems to be away.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Duration,
    /// The longest that a broker may take to answer. Default: 30 s. Too low: topics that move between brokers seem to be away.
    #[serde(default = "operation_timeout")]
    pub operation_timeout: Duration,
}

fn connect_timeout() -> Duration {
    Duration::from_secs(10)
}

fn operation_timeout() -> Duration {
    Duration::from_secs(30)
}

impl ClusterConfig {
    /// The cluster at `service_url`; `HOST:PORT` alone is taken as `pulsar://HOST:PORT`.
    pub fn new(service_url: &str) -> Self {
        Self {
            service_url: service_url.to_owned(),
            admin_url: None,
            security: Security::default(),
            listener_name: None,
            connect_timeout: connect_timeout(),
            operation_timeout: operation_timeout(),
        }
    }

    /// The addresses of the service URL, `HOST:PORT` each.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let hosts = [OVER_TLS, PLAIN].iter().find_map(|start| self.service_url.strip_prefix(start));
        let hosts = hosts.unwrap_or(&self.service_url).trim_end_matches('/').split(',');
        let port = if self.tls().is_some() { 6651 } else { 6650 };
        hosts.map(|host| with_port(host.trim(), port)).collect()
    }

    /// How TLS is spoken, where it is.
    pub(crate) fn tls(&self) -> Option<Tls> {
        let by_url = self.service_url.starts_with(OVER_TLS).then(Tls::default);
        self.security.tls.clone().or(by_url)
    }

    /// All faults that can be found without the network.
    pub(crate) fn faults(&self) -> Vec<Error> {
        let addresses = self.addresses();
        let mut faults: Vec<_> =
            addresses.iter().filter_map(|address| self.check(address).err()).collect();
        for (name, wait) in [
            ("connect_timeout", self.connect_timeout),
            ("operation_timeout", self.operation_timeout),
        ] {
            if wait.is_zero() {
                faults.push(Error::config(format!("use the setting `{name}`: it is 0")));
            }
        }
        let admin = self.admin_url.as_ref().and_then(|url| Url::parse(url).err());
        faults.extend(admin.map(|why| Error::config("use the admin URL").with_source(why)));
        faults.extend(self.security.faults());
        faults
    }

    fn check(&self, address: &str) -> Result<()> {
        let is_good = address.rsplit_once(':').is_some_and(|(host, port)| {
            let is_host = !host.is_empty() && !host.contains(['/', '@', ' ', '?']);
            is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if is_good {
            return Ok(());
        }
        if self.service_url.contains('@') {
            // what stands before it may be a password
            return Err(Error::config("use the service URL: it has a user in it")
                .with_hint("A login is set in `security`."));
        }
        let what = format!("use the service URL \"{}\"", self.service_url);
        Err(Error::config(what)
            .with_source(format!("\"{address}\" is not `HOST:PORT`"))
            .with_hint("It is `pulsar://HOST:PORT`, or `pulsar+ssl://HOST:PORT` for TLS."))
    }
}

/// `HOST:PORT`, with the usual port where there is none. IPv6 addresses stand in brackets.
fn with_port(host: &str, port: u16) -> String {
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, after)| after);
    if after_brackets.contains(':') { host.to_owned() } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::config::{Login, OAuth2Client};

    #[test]
    fn addresses_have_their_ports() {
        let addresses = |url: &str| ClusterConfig::new(url).addresses();
        assert_eq!(addresses("pulsar://a:1,b:2/"), ["a:1", "b:2"]);
        assert_eq!(addresses("a"), ["a:6650"]);
        assert_eq!(addresses("pulsar+ssl://a, [::1]"), ["a:6651", "[::1]:6651"]);
        assert_eq!(addresses("pulsar://[::1]:9"), ["[::1]:9"]);
        let secured = ClusterConfig { security: Security::tls(), ..ClusterConfig::new("a") };
        assert_eq!(secured.addresses(), ["a:6651"]);
    }

    #[test]
    fn tls_is_asked_for_by_url_or_security() {
        assert_eq!(ClusterConfig::new("pulsar://a").tls(), None);
        assert_eq!(ClusterConfig::new("pulsar+ssl://a").tls(), Some(Tls::default()));
        let security = Security::tls().with_ca_file("/ca.pem");
        let config = ClusterConfig { security, ..ClusterConfig::new("a:1") };
        assert_eq!(config.tls(), config.security.tls);
    }

    #[test]
    fn unusable_settings_are_faults_all_at_once() {
        let config = ClusterConfig {
            connect_timeout: Duration::ZERO,
            admin_url: Some("pulsar://a:1".to_owned()),
            ..ClusterConfig::new("pulsar://a:x,http://b,c:1")
        };
        let client = OAuth2Client::KeyFile("/no/such/key.json".into());
        let security = Security::default().with_login(Login::oauth2("http://me:canary@a", client));
        let with_user = ClusterConfig { security, ..ClusterConfig::new("me:canary@a:1") };
        let faults: Vec<_> =
            config.faults().iter().chain(&with_user.faults()).map(Error::report).collect();
        assert_snapshot!(faults.join("\n"), @r#"
        E0201 failed to use the service URL "pulsar://a:x,http://b,c:1": "a:x" is not `HOST:PORT`
        It is `pulsar://HOST:PORT`, or `pulsar+ssl://HOST:PORT` for TLS.
        E0201 failed to use the service URL "pulsar://a:x,http://b,c:1": "http://b" is not `HOST:PORT`
        It is `pulsar://HOST:PORT`, or `pulsar+ssl://HOST:PORT` for TLS.
        E0201 failed to use the setting `connect_timeout`: it is 0
        E0201 failed to use the admin URL: "pulsar://a:1" is not `http://HOST` or `https://HOST`
        E0201 failed to use the service URL: it has a user in it
        A login is set in `security`.
        E0201 failed to read a secret from the file /no/such/key.json: No such file or directory (os error 2)
        E0201 failed to use the issuer URL: "a URL with a user" is not `http://HOST` or `https://HOST`
        "#);
        assert!(ClusterConfig::new("pulsar://a,[::1]:9").faults().is_empty());
    }

    #[test]
    fn configuration_reads_back_as_written() {
        let text = r#"{"service_url":"pulsar://a","security":{"login":{"token":{"env":"T"}}}}"#;
        let config: ClusterConfig = serde_json::from_str(text).expect("a configuration");
        assert_eq!(config.operation_timeout, operation_timeout());
        let written = serde_json::to_string(&config).expect("it is written");
        let again: ClusterConfig = serde_json::from_str(&written).expect("it reads back");
        assert_eq!(again, config);
        assert!(serde_json::from_str::<ClusterConfig>(r#"{"service_url":"a","tsl":1}"#).is_err());
    }
}

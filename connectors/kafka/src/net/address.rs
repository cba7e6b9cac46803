//! Where a broker is, as the program says it or as the cluster tells it.

use std::fmt;

use millstream_engine::error::{Error, Result};

use crate::config::Security;

/// The port of an address without one.
const PORT: u16 = 9092;

/// Host and port of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// A name or an IP address, without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the cluster told us the address; the program did otherwise.
    pub(crate) is_told: bool,
}

impl Address {
    /// The addresses to start from, separated by commas, as librdkafka takes them: `host:port`, `host`, `[::1]:9092`,
    /// `SASL_SSL://host:port`.
    ///
    /// # Errors
    /// *Config*: there is none, one has no port where one should be, or says another protocol than the settings.
    pub(crate) fn parse_list(list: &str, security: &Security) -> Result<Vec<Self>> {
        let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
        let found: Vec<_> =
            parts.map(|part| Self::parse(part, security.protocol())).collect::<Result<_>>()?;
        if found.is_empty() {
            return Err(
                Error::config("find Kafka: the address is empty").with_hint("Give `host:port`.")
            );
        }
        Ok(found)
    }

    fn parse(text: &str, protocol: &str) -> Result<Self> {
        let refused = |reason: String| {
            let error = Error::config(format!("use the address {text:?} of Kafka"));
            error.with_source(reason).with_hint("Give `host:port`.")
        };
        let place = match text.split_once("://") {
            Some((said, _)) if !said.eq_ignore_ascii_case(protocol) => {
                return Err(refused(format!(
                    "it says another protocol than `{protocol}`, which `with_security` sets"
                )));
            }
            Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
            None => text,
        };
        // An IPv6 address without brackets has colons and no port.
        let is_bare = place.matches(':').count() > 1 && !place.contains("]:");
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !is_bare => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (
                    host,
                    port.ok_or_else(|| {
                        refused("its port is not a number of 1 to 65535".to_owned())
                    })?,
                )
            }
            _ => (place, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { "localhost" } else { host };
        Ok(Self { host: host.to_owned(), port, is_told: false })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::Secret;

    use crate::config::Login;

    use super::*;

    fn list(text: &str, security: &Security) -> Result<Vec<String>> {
        let found = Address::parse_list(text, security)?;
        assert!(found.iter().all(|address| !address.is_told));
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_taken_as_librdkafka_takes_them() {
        let clear = Security::default();
        for (text, expected) in [
            ("a:1, b:2", &["a:1", "b:2"][..]),
            ("kafka", &["kafka:9092"]),
            (",a:1,, ", &["a:1"]),
            ("[::1]:9093", &["[::1]:9093"]),
            ("[::1]", &["[::1]:9092"]),
            ("2001:db8::1", &["[2001:db8::1]:9092"]),
            (":19092", &["localhost:19092"]),
            ("PLAINTEXT://a:1/path,plaintext://b", &["a:1", "b:9092"]),
        ] {
            assert_eq!(list(text, &clear).expect(text), expected);
        }
        let login = Login::plain("orders", Secret::new("canary"));
        let both = Security::tls().with_login(login);
        assert_eq!(list("SASL_SSL://a:1", &both).expect("it is the same"), ["a:1"]);
    }

    #[test]
    fn wrong_addresses_are_told() {
        let told = |text| list(text, &Security::default()).expect_err(text).report();
        assert!(told("a:0").contains("its port is not a number"), "{}", told("a:0"));
        for text in ["a:70000", "a:x", "a:", "[::1]:x", "SSL://a:1", "://a:1", " , "] {
            assert!(told(text).starts_with("E0201 "), "{text}: {}", told(text));
        }
    }
}

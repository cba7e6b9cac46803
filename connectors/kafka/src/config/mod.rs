//! What a program can set, for sources and for sinks.
//!
//! Invariant: every default is written once, in `new`.

mod from_url;
mod login;
mod options;
mod preset;
mod security;
mod sink;
mod source;
mod tokens;
mod topics;

pub use login::{Credentials, Login};
pub use options::Options;
pub use security::{Identity, Pem, Security, Tls};
pub use sink::{Compression, Partitioner, SinkConfig};
pub use source::{End, Expired, Isolation, SourceConfig, Start};
pub use tokens::{Token, TokenSupplier, Tokens};
pub(crate) use topics::Pattern;

use std::time::Duration;

use rdkafka::ClientConfig;

/// What we want otherwise than librdkafka, and a program may still set by an option.
fn set_defaults(config: &mut ClientConfig) {
    // As Java's clients. librdkafka waits up to ten seconds before it tries again to reach a broker that is back by then.
    config.set("reconnect.backoff.max.ms", "1000");
}

/// Milliseconds as librdkafka wants them.
fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Kibibytes as librdkafka wants them, rounded up.
fn kbytes(bytes: usize) -> String {
    bytes.div_ceil(1024).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn readme_lists_every_setter() {
        let readme = include_str!("../../README.md");
        for code in [include_str!("../source.rs"), include_str!("../sink.rs")] {
            let names = code.lines().filter_map(|line| {
                let name = line.strip_prefix("    pub fn ")?.split('(').next()?;
                (name.starts_with("with_") || name == "until_end").then_some(name)
            });
            for name in names {
                assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
            }
        }
    }
}

//! Reaches an address: looks its host up, tries what is found in turn, and agrees on TLS where that is asked for.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::tls::shake_hands;
use super::{TlsFault, Trouble};
use crate::config::Tls;

/// A stream of bytes to the other side.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Reaches `address` (`HOST:PORT`) until `deadline`.
pub(crate) async fn dial(
    address: &str,
    tls: Option<&Tls>,
    deadline: Instant,
) -> Result<Stream, Trouble> {
    let stream = reach(address, deadline).await?;
    stream.set_nodelay(true).map_err(|error| Trouble::io(address, &error))?;
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    let agreed = timeout_at(deadline, shake_hands(address, tls, stream)).await;
    let agreed = agreed.unwrap_or_else(|_| Err(silent_handshake(address)));
    let agreed = agreed.map_err(|trouble| trouble.with_own(Some(tls)));
    agreed.map(|agreed| Stream::Tls(Box::new(agreed)))
}

fn silent_handshake(address: &str) -> Trouble {
    let why = "the broker took the connection and does not answer the handshake".to_owned();
    Trouble::Tls { address: address.to_owned(), fault: TlsFault::Other(why) }
}

/// Tries each address of the host, each for its share of the time that is left: the first may be one that swallows everything.
async fn reach(address: &str, deadline: Instant) -> Result<TcpStream, Trouble> {
    let silent = || Trouble::Silent { broker: address.to_owned(), what: "a connection" };
    let found = timeout_at(deadline, lookup_host(address)).await.map_err(|_elapsed| silent())?;
    let found: Vec<_> = found.map_err(|error| Trouble::io(address, &error))?.collect();
    let mut why = Trouble::BadAddress { address: address.to_owned(), why: "unknown".to_owned() };
    for (index, to) in found.iter().enumerate() {
        let n_left = u32::try_from(found.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / n_left;
        match timeout(share.max(Duration::from_millis(1)), TcpStream::connect(to)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = Trouble::io(address, &error),
            Err(_) => why = silent(),
        }
    }
    Err(why)
}

/// The system's words, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

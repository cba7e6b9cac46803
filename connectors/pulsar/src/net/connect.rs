//! Setting a connection up: TCP, TLS, and the exchange that logs in.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::dial::{Stream, dial};
use super::{Connection, TlsFault, Trouble};
use crate::auth::{Pass, Passes};
use crate::config::{ClusterConfig, Tls};
use crate::wire::frame::{next_frame, simple};
use crate::wire::proto::{
    AuthData, Command, CommandAuthResponse, CommandConnect, CommandConnected, FeatureFlags,
    PROTOCOL_VERSION, ServerError,
};

/// The largest message before the broker has said otherwise: 5 MiB, Pulsar's default.
const MAX_MESSAGE_BYTES: usize = 5 << 20;

/// Questions that a broker may ask during a login.
const MAX_CHALLENGES: usize = 8;

const CLIENT_VERSION: &str = concat!("millstream-", env!("CARGO_PKG_VERSION"));

/// A broker that is asked for, and who is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// `HOST:PORT` to connect to.
    pub(crate) address: String,
    /// The broker behind a proxy, as the proxy wants it named.
    pub(crate) behind_proxy: Option<String>,
}

/// How brokers of a cluster are connected to.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) tls: Option<Tls>,
    pub(crate) passes: Arc<Passes>,
    /// The longest that all of it may take.
    pub(crate) limit: Duration,
}

impl Entrance {
    pub(crate) fn new(config: &ClusterConfig) -> Self {
        let limit = config.connect_timeout;
        Self { tls: config.tls(), passes: Arc::new(Passes::new(&config.security, limit)), limit }
    }

    /// Connects and logs in.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Arc<Connection>, Trouble> {
        let deadline = Instant::now() + self.limit;
        // first, because a broker does not wait long for somebody who thinks
        let pass = self.passes.current().await;
        let broker = target.address.clone();
        let pass = pass.map_err(|why| Trouble::NoPass { broker, why })?;
        let stream = dial(&target.address, self.tls.as_ref(), deadline).await?;
        let login = Login { target, passes: &self.passes, pass, read: BytesMut::new() };
        let logged_in = async {
            match stream {
                Stream::Plain(mut stream) => {
                    let (connected, read) = login.log_in(&mut stream).await?;
                    Ok(self.start(target, stream.into_split(), read, &connected))
                }
                Stream::Tls(mut stream) => {
                    let (connected, read) = login.log_in(&mut stream).await?;
                    Ok(self.start(target, tokio::io::split(stream), read, &connected))
                }
            }
        };
        let silent = || Trouble::Silent { broker: target.address.clone(), what: "a login" };
        // with TLS 1.3 a broker refuses our certificate only now
        let connected = timeout_at(deadline, logged_in).await.unwrap_or_else(|_| Err(silent()));
        connected.map_err(|trouble| trouble.with_own(self.tls.as_ref()))
    }

    fn start(
        &self,
        target: &Target,
        halves: (impl AsyncRead + Unpin + Send + 'static, impl AsyncWrite + Unpin + Send + 'static),
        read: BytesMut,
        connected: &CommandConnected,
    ) -> Arc<Connection> {
        let max_message_bytes = connected.max_message_size.and_then(|n| usize::try_from(n).ok());
        let max_message_bytes = max_message_bytes.filter(|n| *n > 0).unwrap_or(MAX_MESSAGE_BYTES);
        let passes = Arc::clone(&self.passes);
        Connection::start(&target.address, halves, read, (max_message_bytes, passes))
    }
}

/// A login on its way.
struct Login<'a> {
    target: &'a Target,
    passes: &'a Passes,
    pass: Option<Pass>,
    read: BytesMut,
}

impl Login<'_> {
    /// What the broker says of itself, and what it has sent behind that.
    async fn log_in(
        mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<(CommandConnected, BytesMut), Trouble> {
        let pass = self.pass.as_ref();
        let features =
            FeatureFlags { supports_auth_refresh: Some(true), ..FeatureFlags::default() };
        let connect = CommandConnect {
            client_version: CLIENT_VERSION.to_owned(),
            protocol_version: Some(PROTOCOL_VERSION),
            proxy_to_broker_url: self.target.behind_proxy.clone(),
            feature_flags: Some(features),
            auth_method_name: pass.map(|pass| pass.method().to_owned()),
            auth_data: pass.map(|pass| pass.bytes().to_vec()),
        };
        self.send(stream, Command::Connect(connect)).await?;
        for _ in 0..MAX_CHALLENGES {
            match self.answer(stream).await? {
                Command::Connected(connected) => return Ok((connected, self.read)),
                Command::AuthChallenge(_) => {
                    self.pass = self.passes.renewed().await.map_err(|why| self.no_pass(why))?;
                    self.send(stream, auth_response(self.pass.as_ref())).await?;
                }
                Command::Error(refusal) if refusal.error() == ServerError::AuthenticationError => {
                    // the broker does not say so, nor anything else
                    self.passes.forget().await;
                    let end = self.pass.as_ref().and_then(Pass::expired);
                    let message = end.map(|end| format!("the token expired on {end}"));
                    return Err(self.not_let_in(message.unwrap_or(refusal.message)));
                }
                Command::Error(refusal) => {
                    return Err(Trouble::refused(refusal.error(), &refusal.message));
                }
                other => return Err(self.protocol(format!("not an answer to a login: {other:?}"))),
            }
        }
        Err(self.protocol(format!("asked more than {MAX_CHALLENGES} times who we are")))
    }

    async fn send(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        command: Command,
    ) -> Result<(), Trouble> {
        let sent = async {
            stream.write_all(&simple(command)).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| self.io(&error))
    }

    async fn answer(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Command, Trouble> {
        loop {
            self.check_language()?;
            match next_frame(&mut self.read, MAX_MESSAGE_BYTES) {
                Ok(Some(frame)) => {
                    return frame.command.ok_or_else(|| self.protocol("an unknown answer"));
                }
                Ok(None) => {}
                Err(bad) => return Err(self.protocol(format!("a bad frame: {bad:?}"))),
            }
            if stream.read_buf(&mut self.read).await.map_err(|error| self.io(&error))? == 0 {
                let why = "the broker closed the connection during the login".to_owned();
                return Err(Trouble::Disconnected { broker: self.broker(), why });
            }
        }
    }

    /// Tells those who answer in another language: a port for TLS spoken to without, the port of the admin API.
    fn check_language(&self) -> Result<(), Trouble> {
        if self.read.starts_with(&[0x15, 3]) {
            return Err(Trouble::Tls { address: self.broker(), fault: TlsFault::Wanted });
        }
        if self.read.starts_with(b"HTTP") {
            return Err(self.protocol("what answers there speaks HTTP"));
        }
        Ok(())
    }

    fn broker(&self) -> String {
        self.target.address.clone()
    }

    fn io(&self, error: &std::io::Error) -> Trouble {
        Trouble::io(&self.target.address, error)
    }

    fn protocol(&self, why: impl Into<String>) -> Trouble {
        Trouble::Protocol { broker: self.broker(), why: why.into() }
    }

    fn no_pass(&self, why: String) -> Trouble {
        Trouble::NoPass { broker: self.broker(), why }
    }

    fn not_let_in(&self, message: String) -> Trouble {
        Trouble::NotLetIn { broker: self.broker(), login: self.passes.told(), message }
    }
}

/// The answer to a broker that asks who we are.
pub(super) fn auth_response(pass: Option<&Pass>) -> Command {
    let response = AuthData {
        auth_method_name: pass.map(|pass| pass.method().to_owned()),
        auth_data: pass.map(|pass| pass.bytes().to_vec()),
    };
    Command::AuthResponse(CommandAuthResponse {
        client_version: Some(CLIENT_VERSION.to_owned()),
        response: Some(response),
        protocol_version: Some(PROTOCOL_VERSION),
    })
}

//! Peers that the tests play themselves: they speak the wire protocol over loopback, as a script says.

use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::net::runtime;
use crate::wire::frame::{next_frame, simple};
use crate::wire::proto::*;

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A peer, as long as it is held.
pub(super) struct Peer {
    pub(super) address: String,
    task: AbortHandle,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The peer's end of one connection.
pub(super) struct Talk {
    stream: Box<dyn Duplex>,
    read: BytesMut,
}

impl Peer {
    /// Plays `script` on each connection.
    pub(super) fn play<F, P>(script: F) -> Self
    where
        F: Fn(Talk) -> P + Send + Sync + 'static,
        P: Future<Output = ()> + Send + 'static,
    {
        Self::start(None, script)
    }

    /// As [`Peer::play`], over TLS.
    pub(super) fn play_over_tls<F, P>(tls: ServerConfig, script: F) -> Self
    where
        F: Fn(Talk) -> P + Send + Sync + 'static,
        P: Future<Output = ()> + Send + 'static,
    {
        Self::start(Some(TlsAcceptor::from(Arc::new(tls))), script)
    }

    fn start<F, P>(tls: Option<TlsAcceptor>, script: F) -> Self
    where
        F: Fn(Talk) -> P + Send + Sync + 'static,
        P: Future<Output = ()> + Send + 'static,
    {
        let runtime = runtime::handle();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let script = Arc::new(script);
        let task = runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, tls) = (Arc::clone(&script), tls.clone());
                tokio::spawn(async move {
                    let stream: Box<dyn Duplex> = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    let script: Pin<Box<P>> =
                        Box::pin(script(Talk { stream, read: BytesMut::new() }));
                    script.await;
                });
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

impl Talk {
    /// What the client says next; none when it has hung up.
    pub(super) async fn next(&mut self) -> Option<Command> {
        loop {
            if let Some(frame) = next_frame(&mut self.read, 1 << 20).expect("good frames") {
                return frame.command;
            }
            let n_bytes = self.stream.read_buf(&mut self.read).await.unwrap_or_default();
            if n_bytes == 0 {
                return None;
            }
        }
    }

    pub(super) async fn say(&mut self, command: Command) {
        self.say_bytes(&simple(command)).await;
    }

    pub(super) async fn say_bytes(&mut self, bytes: &[u8]) {
        // the client may have hung up
        let said = self.stream.write_all(bytes).await;
        drop(said.and(self.stream.flush().await));
    }

    /// Lets the client in; says how it has come.
    pub(super) async fn let_in(&mut self) -> CommandConnect {
        let Some(Command::Connect(connect)) = self.next().await else { panic!("no login") };
        self.say(Command::Connected(CommandConnected {
            server_version: "scripted".to_owned(),
            protocol_version: Some(PROTOCOL_VERSION),
            max_message_size: None,
        }))
        .await;
        connect
    }

    /// Waits for a question where a topic is, and answers it.
    pub(super) async fn tell(
        &mut self,
        answer: impl FnOnce(&mut CommandLookupTopicResponse),
    ) -> CommandLookupTopic {
        let Some(Command::Lookup(asked)) = self.next().await else { panic!("no lookup") };
        let mut told = CommandLookupTopicResponse {
            request_id: asked.request_id,
            response: Some(LookupType::Connect.into()),
            ..CommandLookupTopicResponse::default()
        };
        answer(&mut told);
        self.say(Command::LookupResponse(told)).await;
        asked
    }

    /// Keeps the connection until the client hangs up.
    pub(super) async fn stay(&mut self) {
        while self.next().await.is_some() {}
    }
}

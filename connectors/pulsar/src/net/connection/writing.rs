//! The task that writes frames.

use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::{Connection, Outgoing};
use crate::net::Trouble;

/// Frames written at once: an acknowledgement waits behind so many messages at most.
const MAX_AT_ONCE: usize = 16;

impl Connection {
    pub(super) async fn write(
        self: Arc<Self>,
        mut stream: impl AsyncWrite + Unpin,
        mut commands: mpsc::Receiver<Outgoing>,
        mut messages: mpsc::Receiver<Outgoing>,
    ) {
        let mut outgoing = Vec::with_capacity(MAX_AT_ONCE);
        loop {
            let first = tokio::select! {
                biased;
                command = commands.recv() => command,
                message = messages.recv() => message,
            };
            let Some(first) = first else { return };
            outgoing.push(first);
            while outgoing.len() < MAX_AT_ONCE {
                let next = commands.try_recv().or_else(|_none| messages.try_recv());
                let Ok(next) = next else { break };
                outgoing.push(next);
            }
            if let Err(error) = write_out(&mut stream, &outgoing).await {
                self.end(&Trouble::io(&self.broker, &error));
                return;
            }
            outgoing.clear();
        }
    }
}

/// Writes frames in as few calls as the system allows.
async fn write_out(stream: &mut (impl AsyncWrite + Unpin), frames: &[Outgoing]) -> io::Result<()> {
    let pieces = frames.iter().flat_map(|frame| [&frame.head, &frame.payload]);
    let mut pieces: Vec<_> =
        pieces.filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
    let mut left = &mut pieces[..];
    while !left.is_empty() {
        match stream.write_vectored(left).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n_bytes => IoSlice::advance_slices(&mut left, n_bytes),
        }
    }
    stream.flush().await
}

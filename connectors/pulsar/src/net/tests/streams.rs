//! One connection over a stream in memory, with a clock that the tests move.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::auth::Passes;
use crate::config::Security;
use crate::net::{Connection, Trouble};
use crate::wire::frame::{message_head, next_frame, open_envelope, simple};
use crate::wire::proto::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

fn started(n_buffered: usize) -> (Arc<Connection>, DuplexStream) {
    let (ours, peers) = duplex(n_buffered);
    let passes = Arc::new(Passes::new(&Security::default(), Duration::from_secs(1)));
    (Connection::start("peer", split(ours), BytesMut::new(), (1 << 20, passes)), peers)
}

#[test]
fn quiet_connection_is_asked_for_a_sign_of_life() {
    runtime().block_on(async {
        let (connection, mut peer) = started(1 << 10);
        let (start, mut read) = (Instant::now(), BytesMut::new());
        for _ in 0..5 {
            read.reserve(1 << 10);
            peer.read_buf(&mut read).await.expect("bytes");
            let frame = next_frame(&mut read, 1 << 10).expect("good").expect("whole");
            assert!(matches!(frame.command, Some(Command::Ping(_))));
            peer.write_all(&simple(Command::Pong(CommandPong {}))).await.expect("written");
        }
        assert!(start.elapsed() >= Duration::from_secs(140), "{:?}", start.elapsed());
        assert!(!connection.has_ended());
        let asked = connection.ask("nothing", Duration::from_mins(5), |request_id| {
            let topic = String::new();
            Command::PartitionMetadata(CommandPartitionedTopicMetadata { topic, request_id })
        });
        // from here on the peer says nothing
        let silent_from = Instant::now();
        let Err(Trouble::Disconnected { why, .. }) = asked.await else { panic!("it is dead") };
        assert_eq!(why, "no sign of life for 60 s");
        assert!(silent_from.elapsed() <= Duration::from_secs(91), "{:?}", silent_from.elapsed());
        assert!(connection.has_ended());
    });
}

#[test]
fn peer_that_takes_nothing_is_given_up() {
    runtime().block_on(async {
        let (connection, _peer) = started(16);
        let start = Instant::now();
        let mut n_taken = 0;
        let why = loop {
            // the queue is full at some time, and whoever waits for room must be told
            match connection.send(Command::Ping(CommandPing {})).await {
                Ok(()) => n_taken += 1,
                Err(why) => break why,
            }
        };
        assert!(n_taken > 100, "the queue is filled: {n_taken}");
        assert!(matches!(why, Trouble::Disconnected { .. }), "{why:?}");
        assert!(start.elapsed() <= Duration::from_secs(91), "{:?}", start.elapsed());
    });
}

#[test]
fn frames_leave_whole_and_in_order() {
    runtime().block_on(async {
        // a narrow stream takes them in pieces
        let (connection, mut peer) = started(37);
        let sender = Arc::clone(&connection);
        let all_taken = tokio::spawn(async move {
            for sequence_id in 0..300 {
                let payload = Bytes::from(vec![b'x'; usize::try_from(sequence_id).expect("small")]);
                let send = CommandSend { sequence_id, ..CommandSend::default() };
                let metadata = MessageMetadata::default();
                let head = message_head(Command::Send(send), &metadata, &payload);
                sender.send_message(head, payload).await.expect("it is taken");
                if sequence_id % 10 == 0 {
                    let flow = CommandFlow { consumer_id: sequence_id, message_permits: 1 };
                    sender.send(Command::Flow(flow)).await.expect("it is taken");
                }
            }
        });
        let (mut read, mut sends, mut flows) = (BytesMut::new(), 0, 0);
        while sends + flows < 330 {
            peer.read_buf(&mut read).await.expect("bytes");
            while let Some(frame) = next_frame(&mut read, 1 << 20).expect("good frames") {
                match frame.command {
                    Some(Command::Send(send)) => {
                        assert_eq!(send.sequence_id, sends);
                        let n_bytes = open_envelope(frame.rest).expect("good").payload.len();
                        assert_eq!(n_bytes as u64, sends);
                        sends += 1;
                    }
                    Some(Command::Flow(flow)) => {
                        assert_eq!(flow.consumer_id, flows * 10);
                        flows += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        all_taken.await.expect("all are taken");
        assert!(!connection.has_ended());
    });
}

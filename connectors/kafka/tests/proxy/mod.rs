//! A TCP proxy between a client and a broker, which does to connections what networks do: cuts them, lets them hang, slows them.
//!
//! Invariant: what a fault is ordered for are the connections there are then; new ones are sound.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    ToClient,
}

/// A proxy in front of one broker; its threads end with their connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: String,
    pipes: Arc<Pipes>,
}

#[derive(Debug, Default)]
struct Pipes {
    connections: Mutex<Vec<Arc<Connection>>>,
    n_opened: AtomicUsize,
    delay_millis: AtomicU64,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    broker: TcpStream,
    /// One a way: bytes that come are thrown away, and the connection stays open.
    swallows: [std::sync::atomic::AtomicBool; 2],
}

impl Proxy {
    /// Listens on a free port of its own and leads every connection to `broker`.
    pub(crate) fn start(broker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (pipes, broker) = (Arc::new(Pipes::default()), broker.to_owned());
        let of_thread = Arc::clone(&pipes);
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                // A broker that is away: the client finds its connection closed.
                if let Ok(broker) = TcpStream::connect(&broker) {
                    of_thread.open(client, broker);
                }
            }
        });
        Self { address, pipes }
    }

    /// `host:port`, for clients and for the broker to advertise.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Connections opened so far.
    pub(crate) fn n_opened(&self) -> usize {
        self.pipes.n_opened.load(Ordering::SeqCst)
    }

    /// Closes the connections there are.
    pub(crate) fn cut(&self) {
        for connection in self.pipes.all().drain(..) {
            connection.close();
        }
    }

    /// Throws away what comes one way on the connections there are, which stay open: half of each is dead.
    pub(crate) fn swallow(&self, way: Way) {
        for connection in self.pipes.all().drain(..) {
            connection.swallows[way as usize].store(true, Ordering::SeqCst);
        }
    }

    /// Holds back everything that comes, on all connections, for so long each time.
    pub(crate) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).expect("a short delay");
        self.pipes.delay_millis.store(millis, Ordering::SeqCst);
    }
}

impl Pipes {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(self: &Arc<Self>, client: TcpStream, broker: TcpStream) {
        let connection = Arc::new(Connection { client, broker, swallows: Default::default() });
        self.all().push(Arc::clone(&connection));
        self.n_opened.fetch_add(1, Ordering::SeqCst);
        for way in [Way::ToBroker, Way::ToClient] {
            let (pipes, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || {
                // A connection that breaks is closed on both sides, as by a host that goes down.
                drop(pipes.carry(&connection, way));
                connection.close();
            });
        }
    }

    fn carry(&self, connection: &Connection, way: Way) -> std::io::Result<()> {
        let (mut from, mut to) = match way {
            Way::ToBroker => (&connection.client, &connection.broker),
            Way::ToClient => (&connection.broker, &connection.client),
        };
        let mut bytes = vec![0; 64 << 10];
        loop {
            let n_bytes = from.read(&mut bytes)?;
            if n_bytes == 0 {
                return Ok(());
            }
            let delay = self.delay_millis.load(Ordering::SeqCst);
            if delay > 0 {
                thread::park_timeout(Duration::from_millis(delay));
            }
            if !connection.swallows[way as usize].load(Ordering::SeqCst) {
                to.write_all(&bytes[..n_bytes])?;
            }
        }
    }
}

impl Connection {
    fn close(&self) {
        for side in [&self.client, &self.broker] {
            // Closed already is closed.
            drop(side.shutdown(Shutdown::Both));
        }
    }
}

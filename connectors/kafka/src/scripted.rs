//! A cluster that says what a test tells it to: the protocol on sockets, and nothing behind them.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::wire::codec::{Reader, put_i16, put_i32, put_n_elements, put_null_str, put_str};
use crate::wire::{create_topics, metadata, produce, producer_id};

/// Brokers 1 to n, all of one mind. They end when it is dropped.
pub(crate) struct Cluster {
    pub(crate) addresses: Vec<String>,
    state: Arc<Mutex<State>>,
}

/// What the brokers say, and what they were asked.
#[derive(Default)]
pub(crate) struct State {
    /// The leaders of a topic's partitions (-1: none), or an error code.
    pub(crate) topics: BTreeMap<String, Result<Vec<i32>, i16>>,
    /// Error codes that come before what there is to say of a topic.
    pub(crate) doubts: BTreeMap<String, VecDeque<i16>>,
    /// Leaders that are told before those that there are.
    pub(crate) elections: BTreeMap<String, VecDeque<Vec<i32>>>,
    /// Error codes of attempts to create a topic, before one creates it.
    pub(crate) creations: BTreeMap<String, VecDeque<i16>>,
    /// Error codes of the next producer ids.
    pub(crate) ids: VecDeque<i16>,
    pub(crate) controller: i32,
    /// Brokers that hang up whatever they are asked.
    pub(crate) down: Vec<i32>,
    /// How many bytes too long the answers say that they are.
    pub(crate) n_missing: i32,
    /// Which broker was asked for which topics, in order; no names where it was all of them.
    pub(crate) asked: Vec<(i32, Vec<String>)>,
    /// Who takes what is produced.
    pub(crate) produce: Option<Produce>,
    /// Which broker created which topics.
    pub(crate) created: Vec<(i32, Vec<String>)>,
    n_partitions: i32,
    ports: Vec<u16>,
    is_over: bool,
}

/// Takes the body of a produce request that came to a broker, and appends the answer.
pub(crate) type Produce = Box<dyn FnMut(&mut State, i32, &[u8], &mut Vec<u8>) -> Reply + Send>;

/// What a broker does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Send,
    /// It ends the connection instead.
    HangUp,
    /// It says nothing, now and later, on this connection.
    Silence,
}

impl Cluster {
    pub(crate) fn new(n_brokers: usize) -> Self {
        let listeners: Vec<_> = (0..n_brokers)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let ports = listeners.iter().map(|at| at.local_addr().expect("bound").port());
        let ports: Vec<_> = ports.collect();
        let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let state = State { ports, controller: 1, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        for (id, listener) in (1..).zip(listeners) {
            let state = Arc::clone(&state);
            std::thread::spawn(move || listen(id, &listener, &state));
        }
        Self { addresses, state }
    }

    /// One broker with topics of so many partitions each.
    pub(crate) fn with_topics(topics: &[(&str, usize)]) -> Self {
        let cluster = Self::new(1);
        let topic = |(name, n): &(&str, usize)| ((*name).to_owned(), Ok(vec![1; *n]));
        cluster.state().topics.extend(topics.iter().map(topic));
        cluster
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no broker has failed")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.is_over = true;
        }
        for address in &self.addresses {
            // It is waiting for somebody.
            drop(TcpStream::connect(address));
        }
    }
}

fn listen(id: i32, listener: &TcpListener, state: &Arc<Mutex<State>>) {
    for stream in listener.incoming() {
        if state.lock().is_ok_and(|state| state.is_over) {
            return;
        }
        let (stream, state) = (stream.expect("accepted"), Arc::clone(state));
        std::thread::spawn(move || serve(id, stream, &state));
    }
}

/// Answers one connection until either side has enough.
fn serve(id: i32, mut stream: TcpStream, state: &Mutex<State>) {
    let mut n_bytes = [0; 4];
    while stream.read_exact(&mut n_bytes).is_ok() {
        let mut request = vec![0; u32::from_be_bytes(n_bytes) as usize];
        if stream.read_exact(&mut request).is_err() {
            return;
        }
        let mut state = state.lock().expect("no broker has failed");
        if state.down.contains(&id) || state.is_over {
            return;
        }
        let mut answer = vec![0; 4];
        let reply = state.answer(id, &request, &mut answer);
        let promised = i32::try_from(answer.len() - 4).expect("short") + state.n_missing;
        answer[..4].copy_from_slice(&promised.to_be_bytes());
        let is_cut = state.n_missing > 0;
        drop(state);
        if reply != Reply::Send {
            if reply == Reply::HangUp {
                // What was answered before still arrives.
                drop(stream.shutdown(Shutdown::Write));
            }
            // Until the other side has had enough.
            drop(std::io::copy(&mut stream, &mut std::io::sink()));
            return;
        }
        if stream.write_all(&answer).is_err() || is_cut {
            return;
        }
    }
}

impl State {
    fn answer(&mut self, id: i32, request: &[u8], out: &mut Vec<u8>) -> Reply {
        let mut reader = Reader::new(request);
        let head = (reader.i16(), reader.i16());
        let (Ok(key), Ok(version)) = head else { panic!("a request without a head") };
        out.extend_from_slice(reader.take(4).expect("the correlation"));
        reader.str().expect("the client's id");
        match key {
            18 => versions(out),
            produce::KEY => {
                assert_eq!(version, *produce::VERSIONS.end());
                let mut take = self.produce.take().expect("somebody takes it");
                let reply = take(self, id, reader.rest(), out);
                self.produce = Some(take);
                return reply;
            }
            _ if key == metadata::KIND.key => {
                assert_eq!(version, metadata::KIND.version);
                self.metadata(id, &mut reader, out);
            }
            _ if key == create_topics::KIND.key => {
                assert_eq!(version, create_topics::KIND.version);
                self.create(id, &mut reader, out);
            }
            _ if key == producer_id::KIND.key => {
                assert_eq!(version, producer_id::KIND.version);
                self.give_id(out);
            }
            _ => panic!("nobody asks for {key}"),
        }
        Reply::Send
    }

    fn metadata(&mut self, id: i32, reader: &mut Reader<'_>, out: &mut Vec<u8>) {
        let n_names = reader.n_elements().expect("topics");
        let asked: Vec<_> =
            (0..n_names).map(|_| reader.str().expect("a name").to_owned()).collect();
        assert_eq!(reader.rest(), [0], "no topic is made by the way");
        put_i32(out, 0);
        put_n_elements(out, self.ports.len());
        for (broker, port) in (1..).zip(&self.ports) {
            put_i32(out, broker);
            put_str(out, "127.0.0.1");
            put_i32(out, i32::from(*port));
            put_null_str(out);
        }
        put_str(out, "cluster");
        put_i32(out, self.controller);
        let all = self.topics.keys().filter(|_| asked.is_empty());
        let names: Vec<_> = asked.iter().chain(all).cloned().collect();
        self.asked.push((id, asked));
        put_n_elements(out, names.len());
        for name in &names {
            self.put_topic(name, out);
        }
    }

    fn put_topic(&mut self, name: &str, out: &mut Vec<u8>) {
        let doubt = self.doubts.get_mut(name).and_then(VecDeque::pop_front);
        let topic = self.topics.get(name).cloned().unwrap_or(Err(3));
        let topic = doubt.map_or(topic, Err);
        let before = self.elections.get_mut(name).and_then(VecDeque::pop_front);
        let topic = before.map_or(topic, Ok);
        put_i16(out, topic.as_ref().err().copied().unwrap_or_default());
        put_str(out, name);
        out.push(0);
        let leaders = topic.unwrap_or_default();
        put_n_elements(out, leaders.len());
        for (index, leader) in (0..).zip(leaders) {
            put_i16(out, if leader < 0 { 5 } else { 0 });
            put_i32(out, index);
            put_i32(out, leader);
            put_i32(out, 7);
            for copies in [&[1, 2][..], &[1], &[]] {
                put_n_elements(out, copies.len());
                for id in copies {
                    put_i32(out, *id);
                }
            }
        }
    }

    fn create(&mut self, id: i32, reader: &mut Reader<'_>, out: &mut Vec<u8>) {
        put_i32(out, 0);
        let n_topics = reader.n_elements().expect("topics");
        put_n_elements(out, n_topics);
        let mut names = Vec::new();
        for _ in 0..n_topics {
            let name = reader.str().expect("a name").to_owned();
            self.n_partitions = reader.i32().expect("partitions");
            reader.take(10).expect("replication, no placement, no settings");
            let code =
                self.creations.get_mut(&name).and_then(VecDeque::pop_front).unwrap_or_default();
            if code == 0 {
                let n_partitions = usize::try_from(self.n_partitions).expect("some");
                self.topics.insert(name.clone(), Ok(vec![1; n_partitions]));
            }
            put_str(out, &name);
            put_i16(out, code);
            put_null_str(out);
            names.push(name);
        }
        assert_eq!(reader.rest().len(), 5, "how long it may take, and that it is in earnest");
        self.created.push((id, names));
    }

    fn give_id(&mut self, out: &mut Vec<u8>) {
        put_i32(out, 0);
        put_i16(out, self.ids.pop_front().unwrap_or_default());
        out.extend_from_slice(&1000_i64.to_be_bytes());
        put_i16(out, 2);
    }
}

/// Every request that there is, in every version.
fn versions(out: &mut Vec<u8>) {
    put_i16(out, 0);
    put_n_elements(out, 70);
    for key in 0..70 {
        put_i16(out, key);
        put_i16(out, 0);
        put_i16(out, 20);
    }
}

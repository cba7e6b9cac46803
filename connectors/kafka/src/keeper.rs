//! Keeps clients supplied with tokens: asks the supplier in time, on a thread of its own, and hands each token to every client.
//!
//! Invariant: nobody but that thread ever waits for the supplier.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use millstream_engine::clock::{SharedClock, SystemClock};

use crate::config::{Token, TokenSupplier};

/// The first pause after an error of the supplier, which doubles up to [`LONGEST_PAUSE`], and the shortest after a token.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pause between two questions while tokens are refused.
const HURRIED_PAUSE: Duration = Duration::from_secs(5);

/// No token counts as good for longer.
const LONGEST_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// Somebody who is given each new token: a client of librdkafka's, or whoever makes connections of ours.
pub(crate) trait Recipient: Send + Sync {
    /// Whether it still wants tokens.
    fn is_open(&self) -> bool;

    /// Takes a token; or says why it cannot, without showing it.
    fn set_token(&self, value: &str, end_unix_millis: i64) -> Result<(), String>;
}

/// The supplier of tokens, and the clients that want them.
pub(crate) struct Keeper {
    supplier: Box<dyn TokenSupplier>,
    /// The system's: brokers and librdkafka compare the end of a token with their own.
    clock: SharedClock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    clients: Vec<Weak<dyn Recipient>>,
    /// Whether a thread keeps them supplied.
    is_running: bool,
    current: Option<Current>,
    trouble: Option<String>,
    /// The token was refused: the next one is due soon.
    is_hurried: bool,
}

#[derive(Clone)]
struct Current {
    token: Token,
    end_unix_millis: i64,
}

impl Keeper {
    pub(crate) fn new(supplier: Box<dyn TokenSupplier>) -> Arc<Self> {
        Arc::new(Self {
            supplier,
            clock: SystemClock::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Keeps one client more supplied, as long as it lives.
    pub(crate) fn join<R: Recipient + 'static>(self: &Arc<Self>, client: &Arc<R>) {
        let mut state = self.lock();
        let fresh = state
            .current
            .clone()
            .filter(|current| self.clock.unix_millis() < current.end_unix_millis);
        if let Some(current) = fresh {
            state.trouble = current.give(&**client).err().or(state.trouble.take());
        }
        let client: Arc<dyn Recipient> = Arc::<R>::clone(client);
        state.clients.push(Arc::downgrade(&client));
        if state.is_running {
            return;
        }
        let keeper = Arc::clone(self);
        let thread = std::thread::Builder::new().name("kafka-tokens".to_owned());
        match thread.spawn(move || keeper.run()) {
            Ok(_) => state.is_running = true,
            Err(error) => state.trouble = Some(format!("no thread to ask for it: {error}")),
        }
    }

    /// Called when a client has ended.
    pub(crate) fn leave(&self) {
        // Under the lock, so that a thread which is about to wait hears it.
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Asks for a token soon, because the one there is was refused.
    pub(crate) fn hurry(&self) {
        self.lock().is_hurried = true;
        self.changed.notify_all();
    }

    /// Why there is no token, or none that was taken.
    pub(crate) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        match (&state.trouble, &state.current) {
            (None, None) => Some("the supplier has not answered yet".to_owned()),
            (trouble, _) => trouble.clone(),
        }
    }

    fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = catch_unwind(AssertUnwindSafe(|| self.supplier.token()));
            let answer = match answer {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(_panic) => Err("the supplier panicked".to_owned()),
            };
            let mut state = self.lock();
            let wait = match answer.and_then(|token| self.hand_out(&mut state, token)) {
                Ok(wait) => {
                    pause = FIRST_PAUSE;
                    wait
                }
                Err(reason) => {
                    state.fail(reason, pause);
                    let next = (pause * 2).min(LONGEST_PAUSE);
                    std::mem::replace(&mut pause, next)
                }
            };
            if !self.wait(state, wait) {
                return;
            }
        }
    }

    /// Gives a token to every client; says when the next one is due.
    fn hand_out(&self, state: &mut State, token: Token) -> Result<Duration, String> {
        let lifetime = token.lifetime.min(LONGEST_LIFETIME);
        let millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let current =
            Current { token, end_unix_millis: self.clock.unix_millis().saturating_add(millis) };
        for client in state.clients() {
            current.give(&*client)?;
        }
        state.current = Some(current);
        state.trouble = None;
        Ok(lifetime.mul_f64(0.8).max(FIRST_PAUSE))
    }

    /// Waits until the next token is due; says whether somebody still wants it.
    fn wait(&self, mut state: MutexGuard<'_, State>, wait: Duration) -> bool {
        let begin = Instant::now();
        loop {
            if state.clients().is_empty() {
                state.is_running = false;
                return false;
            }
            let wait = if state.is_hurried { wait.min(HURRIED_PAUSE) } else { wait };
            let left = wait.saturating_sub(begin.elapsed());
            if left.is_zero() {
                state.is_hurried = false;
                return true;
            }
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The clients that live.
    fn clients(&mut self) -> Vec<Arc<dyn Recipient>> {
        let living = self.clients.iter().filter_map(Weak::upgrade);
        let living: Vec<_> = living.filter(|client| client.is_open()).collect();
        self.clients = living.iter().map(Arc::downgrade).collect();
        living
    }

    fn fail(&mut self, reason: String, pause: Duration) {
        tracing::warn!("no token for Kafka: {reason}; asking again in {} s", pause.as_secs());
        self.trouble = Some(reason);
    }
}

impl Current {
    fn give(&self, client: &dyn Recipient) -> Result<(), String> {
        let value = self.token.value.reveal().map_err(|error| error.report())?;
        client.set_token(value.as_str(), self.end_unix_millis)
    }
}

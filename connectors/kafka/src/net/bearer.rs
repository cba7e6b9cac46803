//! Tokens for connections of ours.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use millstream_engine::clock::{SharedClock, SystemClock};
use zeroize::Zeroizing;

use crate::keeper::{Keeper, Recipient};

/// Whoever shows tokens: it is given the newest as long as it lives.
pub(super) struct Bearer {
    keeper: Arc<Keeper>,
    purse: Arc<Purse>,
}

/// Where the newest token is put.
struct Purse {
    clock: SharedClock,
    held: Mutex<Held>,
    changed: Condvar,
}

enum Held {
    Nothing,
    Token {
        value: Zeroizing<String>,
        end_unix_millis: i64,
    },
    /// Nobody wants tokens any more.
    Closed,
}

impl Bearer {
    pub(super) fn new(keeper: &Arc<Keeper>) -> Self {
        let purse = Arc::new(Purse {
            clock: SystemClock::new(),
            held: Mutex::new(Held::Nothing),
            changed: Condvar::new(),
        });
        keeper.join(&purse);
        Self { keeper: Arc::clone(keeper), purse }
    }

    /// The newest token, as soon as there is one that has not expired.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn wait_for_token(&self, until: Instant) -> Result<Zeroizing<String>, String> {
        let mut held = self.purse.lock();
        loop {
            if let Held::Token { value, end_unix_millis } = &*held
                && self.purse.clock.unix_millis() < *end_unix_millis
            {
                return Ok(value.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.purse.changed.wait_timeout(held, left);
            (held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(held);
        Err(self.keeper.trouble().unwrap_or_else(|| "the last one has expired".to_owned()))
    }

    /// Called when the broker has refused the token.
    pub(super) fn is_refused(&self) {
        self.keeper.hurry();
    }
}

impl Purse {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recipient for Purse {
    fn is_open(&self) -> bool {
        !matches!(*self.lock(), Held::Closed)
    }

    fn set_token(&self, value: &str, end_unix_millis: i64) -> Result<(), String> {
        if end_unix_millis <= self.clock.unix_millis() {
            return Err("the token cannot be used: it has expired".to_owned());
        }
        // It must not end the message that it is part of.
        if value.chars().any(char::is_control) {
            return Err("the token cannot be used: it has signs that no token has".to_owned());
        }
        let mut held = self.lock();
        if !matches!(*held, Held::Closed) {
            *held = Held::Token { value: Zeroizing::new(value.to_owned()), end_unix_millis };
            self.changed.notify_all();
        }
        Ok(())
    }
}

impl Drop for Bearer {
    fn drop(&mut self) {
        *self.purse.lock() = Held::Closed;
        self.keeper.leave();
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use millstream_engine::BoxError;

    use crate::config::Token;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn bearer(supply: impl Fn(usize) -> Result<Token, BoxError> + Send + Sync + 'static) -> Bearer {
        let n_calls = AtomicUsize::new(0);
        let supplier = move || supply(n_calls.fetch_add(1, Ordering::Relaxed));
        Bearer::new(&Keeper::new(Box::new(supplier)))
    }

    fn token(bearer: &Bearer, wait: Duration) -> Result<String, String> {
        bearer.wait_for_token(Instant::now() + wait).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn tokens_are_renewed_before_they_expire() {
        let renewed = bearer(|n| Ok(Token::new(format!("token-{n}"), Duration::from_secs(2))));
        assert_eq!(token(&renewed, LONG).as_deref(), Ok("token-0"));
        let start = Instant::now();
        while token(&renewed, LONG).expect("there always is one") == "token-0" {
            assert!(start.elapsed() < LONG, "the first one is given for ever");
            drop(renewed.purse.changed.wait_timeout(renewed.purse.lock(), LONG));
        }
        assert_eq!(format!("{renewed:?}"), "Bearer");
    }

    #[test]
    fn refused_token_is_replaced_soon() {
        let refused = bearer(|n| Ok(Token::new(format!("token-{n}"), Duration::from_hours(1))));
        assert_eq!(token(&refused, LONG).as_deref(), Ok("token-0"));
        refused.is_refused();
        let held = refused.purse.lock();
        drop(refused.purse.changed.wait_timeout(held, LONG));
        assert_eq!(token(&refused, LONG).as_deref(), Ok("token-1"));
    }

    #[test]
    fn why_there_is_no_token_is_told() {
        let wait = Duration::from_millis(50);
        let (say, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let hanging = bearer(move |_| {
            gate.lock().expect("one caller").recv_timeout(LONG)?;
            Err("gone".into())
        });
        let why = |bearer: &Bearer| token(bearer, wait).expect_err("there is none");
        assert_eq!(why(&hanging), "the supplier has not answered yet");
        drop(say);
        for (value, lifetime, reason) in [
            ("canary\x01", LONG, "the token cannot be used: it has signs that no token has"),
            ("canary", Duration::ZERO, "the token cannot be used: it has expired"),
        ] {
            let unusable = bearer(move |_| Ok(Token::new(value, lifetime)));
            let start = Instant::now();
            // The supplier may not have answered yet.
            while why(&unusable) != reason {
                assert!(start.elapsed() < LONG, "{}", why(&unusable));
            }
        }
    }

    #[test]
    fn nobody_is_asked_when_nobody_wants_tokens() {
        struct Alive(std::sync::mpsc::Sender<()>);
        let (say, gone) = channel();
        let alive = Alive(say);
        let one = bearer(move |_| {
            alive.0.send(())?;
            Ok(Token::new("token", Duration::from_hours(1)))
        });
        assert_eq!(token(&one, LONG).as_deref(), Ok("token"));
        gone.recv_timeout(LONG).expect("it was asked once");
        drop(one);
        // The supplier goes with the thread that asks it.
        let error = gone.recv_timeout(LONG).expect_err("it is not asked again");
        assert_eq!(error, std::sync::mpsc::RecvTimeoutError::Disconnected);
    }
}

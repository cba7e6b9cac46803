//! Gives tokens to a client from another thread, which may outlive the client.

use std::ffi::{CString, c_char};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaRespErr;

use super::text;
use crate::keeper::{Keeper, Recipient};

/// A client as whoever has tokens for it sees it: it may be gone.
struct Lease(Mutex<Option<NonNull<rd::rd_kafka_t>>>);

// SAFETY: librdkafka's handle may be used by any thread; the mutex keeps it alive while it is used.
unsafe impl Send for Lease {}
// SAFETY: as above.
unsafe impl Sync for Lease {}

impl Recipient for Lease {
    /// Whether the client is still there.
    fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Gives a token, unless the client is gone.
    fn set_token(&self, value: &str, end_unix_millis: i64) -> Result<(), String> {
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = *client else { return Ok(()) };
        let value = CString::new(value).map_err(|_zero| "it has a zero byte".to_owned())?;
        let mut told = [0 as c_char; 512];
        // SAFETY: the client lives as long as we hold the lock; the texts are C strings, which are copied.
        let refused = unsafe {
            rd::rd_kafka_oauthbearer_set_token(
                client.as_ptr(),
                value.as_ptr(),
                end_unix_millis,
                c"".as_ptr(),
                null_mut(),
                0,
                told.as_mut_ptr(),
                told.len(),
            )
        };
        match refused {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            // The client's own words may hold the token.
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG => {
                // SAFETY: librdkafka ends what it writes with a zero byte.
                let expired = unsafe { text(told.as_ptr()) }.contains("unexpired");
                let reason =
                    if expired { "it has expired" } else { "it has signs that no token has" };
                Err(format!("the token cannot be used: {reason}"))
            }
            _ => Err("the client takes no tokens".to_owned()),
        }
    }
}

/// Keeps a client supplied with tokens as long as it is held; to be dropped before the client is.
pub(super) struct Supply {
    lease: Arc<Lease>,
    keeper: Arc<Keeper>,
}

impl Supply {
    /// # Safety
    /// The client lives longer than what is returned.
    pub(super) unsafe fn new(client: *mut rd::rd_kafka_t, keeper: &Arc<Keeper>) -> Self {
        let lease = Arc::new(Lease(Mutex::new(NonNull::new(client))));
        keeper.join(&lease);
        Self { lease, keeper: Arc::clone(keeper) }
    }
}

/// Runs `with` while a client is kept supplied with tokens, where it needs some.
pub(crate) fn with_tokens<C: ClientContext, T>(
    client: &Client<C>,
    keeper: Option<&Arc<Keeper>>,
    with: impl FnOnce() -> T,
) -> T {
    // SAFETY: the client is borrowed for longer than the supply lives.
    let _supply = keeper.map(|keeper| unsafe { Supply::new(client.native_ptr(), keeper) });
    with()
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.lease.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.keeper.leave();
    }
}

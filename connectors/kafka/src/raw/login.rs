//! Renews the login of a client, for the connections that come.

use std::ffi::CString;

use rdkafka::bindings as rd;

use crate::config::{Credentials, Login};
use crate::listener::Listener;

/// Looks the password up again and gives it to the client, or asks for another token; done when the broker has refused it. A password that cannot be looked up
/// leaves the client as it is, with a warning.
///
/// # Safety
/// The client is alive.
pub(super) unsafe fn renew(client: *mut rd::rd_kafka_t, listener: &Listener) {
    if let Some(keeper) = listener.keeper() {
        keeper.hurry();
    }
    let login = listener.security().login.as_ref();
    let Some(Credentials { user, password }) = login.and_then(Login::credentials) else { return };
    let texts =
        password.reveal().map(|value| (CString::new(&**user), CString::new(value.as_str())));
    match texts {
        Ok((Ok(name), Ok(value))) => {
            // SAFETY: the client is alive by the contract above; the texts are C strings, which are copied. What is returned is ours.
            unsafe {
                let error =
                    rd::rd_kafka_sasl_set_credentials(client, name.as_ptr(), value.as_ptr());
                if !error.is_null() {
                    rd::rd_kafka_error_destroy(error);
                }
            }
        }
        Ok(_) => listener.warn("the password has a zero byte: the one before stays in use"),
        Err(error) => listener.warn(&format!("{}; the one before stays in use", error.report())),
    }
}

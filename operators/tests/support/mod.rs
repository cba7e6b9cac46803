//! What the tests of this crate share: a format, and a bound on how long a test may take.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use millstream_engine::BoxError;
use millstream_engine::format::{Deserializer, Presence, Serializer};

/// Decimal numbers as text. `boom` panics on both ways; a negative number is not written; zero is written as null.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal;

impl Deserializer<i64> for Decimal {
    fn format(&self) -> &'static str {
        "a decimal number"
    }

    fn deserialize(&mut self, bytes: Option<&[u8]>) -> Result<i64, BoxError> {
        let text = std::str::from_utf8(bytes.ok_or("it is null")?)?;
        assert!(text != "boom", "boom");
        Ok(text.parse()?)
    }
}

impl Serializer<i64> for Decimal {
    fn format(&self) -> &'static str {
        "a decimal number"
    }

    fn serialize(&mut self, item: &i64, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.extend_from_slice(item.to_string().as_bytes());
        match item {
            0 => Ok(Presence::Null),
            1.. => Ok(Presence::Present),
            _ => Err("it is negative".into()),
        }
    }
}

impl Serializer<String> for Decimal {
    fn format(&self) -> &'static str {
        "a decimal number"
    }

    fn serialize(&mut self, item: &String, out: &mut Vec<u8>) -> Result<Presence, BoxError> {
        out.extend_from_slice(item.as_bytes());
        assert!(item != "boom", "boom");
        Ok(Presence::Present)
    }
}

/// Runs `test`; when it hangs for a minute the process aborts, so that the test fails instead of waiting for ever.
pub(crate) fn bounded<R>(test: impl FnOnce() -> R) -> R {
    let (done, ended) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_mins(1)) == Err(RecvTimeoutError::Timeout) {
            let said = std::io::stderr().write_all(b"the test hangs: a minute has passed\n");
            drop(said);
            std::process::abort();
        }
    });
    let result = test();
    drop(done);
    watch.join().expect("the watchdog only waits");
    result
}

//! Logs in on a new connection, by the mechanism of the settings.
//!
//! Invariant: what proves who we are is wiped from memory as soon as it is sent.

use std::io;
use std::time::Duration;

use millstream_engine::secret::Revealed;
use zeroize::Zeroizing;

use super::bearer::Bearer;
use super::exchange::{Kind, ask, begin_request, end_request, malformed};
use super::failure::Failure;
use super::scram::{Hash, Scram};
use super::stream::Stream;
use crate::config::{Credentials, Login};
use crate::trouble::Cause;
use crate::wire::codec::{Malformed, Reader, put_bytes, put_str};

const HANDSHAKE: Kind = Kind { key: 17, version: 1 };
const AUTHENTICATE: Kind = Kind { key: 36, version: 1 };

/// Bytes of a request around the proof, and the name of the client comes on top.
const HEAD: usize = 64;

/// What proves who we are.
pub(super) enum Proof<'l> {
    Plain(&'l str, Revealed),
    Scram(Hash, &'l str, Revealed),
    Token(Zeroizing<String>),
}

impl<'l> Proof<'l> {
    /// Looks the password up.
    pub(super) fn of_credentials(
        login: &Login,
        Credentials { user, password }: &'l Credentials,
    ) -> Result<Self, Failure> {
        let password =
            password.reveal().map_err(|error| Failure::of_setting(Cause::Login, &error))?;
        if user.contains('\0') || password.as_str().contains('\0') {
            let reason = "the name of the user or the password has a zero byte";
            return Err(Failure::new(Cause::Login, reason));
        }
        Ok(match login {
            Login::ScramSha256(_) => Self::Scram(Hash::Sha256, user, password),
            Login::ScramSha512(_) => Self::Scram(Hash::Sha512, user, password),
            Login::Plain(_) | Login::OAuthBearer(_) => Self::Plain(user, password),
        })
    }

    /// Waits for a token.
    pub(super) fn of_bearer(bearer: &Bearer, until: std::time::Instant) -> Result<Self, Failure> {
        let token = bearer.wait_for_token(until);
        token.map(Self::Token).map_err(|reason| Failure::new(Cause::Token, &reason))
    }
}

/// Logs in; says how long that is good, where it ends.
pub(super) fn log_in(
    stream: &mut Stream,
    client_id: &str,
    mechanism: &str,
    proof: &Proof<'_>,
) -> Result<Option<Duration>, Failure> {
    let mut talk = Talk { stream, client_id, correlation: 0 };
    talk.choose(mechanism)?;
    let last = match proof {
        Proof::Plain(user, password) => talk.say(&plain(user, password))?,
        Proof::Scram(hash, user, password) => talk.scram((*hash, user), password)?,
        Proof::Token(token) => talk.show(token)?,
    };
    Ok(Some(last.lifetime).filter(|lifetime| !lifetime.is_zero()))
}

/// Questions and answers of a login.
struct Talk<'s> {
    stream: &'s mut Stream,
    client_id: &'s str,
    correlation: i32,
}

/// What the broker answers to a proof that it does not refuse.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    said: Vec<u8>,
    /// Zero is forever.
    lifetime: Duration,
}

impl Talk<'_> {
    /// Agrees on a mechanism.
    fn choose(&mut self, mechanism: &str) -> Result<(), Failure> {
        let answer = self.ask(HANDSHAKE, mechanism.len(), |out| put_str(out, mechanism))?;
        read_choice(&answer).map_err(broken)?
    }

    fn say(&mut self, proof: &[u8]) -> Result<Answer, Failure> {
        let answer = self.ask(AUTHENTICATE, proof.len(), |out| put_bytes(out, proof))?;
        read_answer(&answer).map_err(broken)?
    }

    fn scram(
        &mut self,
        (hash, user): (Hash, &str),
        password: &Revealed,
    ) -> Result<Answer, Failure> {
        let scram = Scram::new(hash, user).map_err(|errors| Failure::in_openssl(&errors))?;
        let refused = |reason: String| Failure::new(Cause::Login, &reason);
        let challenge = self.say(scram.first().as_bytes())?;
        let (proof, signature) = scram.prove(password, &challenge.text()).map_err(refused)?;
        let last = self.say(proof.as_bytes())?;
        signature.check(&last.text()).map_err(refused)?;
        Ok(last)
    }

    /// Shows a token. A broker that refuses it says why, and says it once more as an error when it was heard.
    fn show(&mut self, token: &str) -> Result<Answer, Failure> {
        let answer = self.say(&bearing(token))?;
        if answer.said.is_empty() {
            return Ok(answer);
        }
        let refused = self.say(b"\x01").err().filter(Failure::is_login);
        Err(refused.unwrap_or_else(|| Failure::new(Cause::Login, &answer.text())))
    }

    /// `n_bytes` is the size of what is written, so that no copy of it stays behind where the request grows.
    fn ask(
        &mut self,
        kind: Kind,
        n_bytes: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<u8>, Failure> {
        self.correlation += 1;
        let n_bytes = HEAD + self.client_id.len() + n_bytes;
        let mut request = Zeroizing::new(Vec::with_capacity(n_bytes));
        begin_request(&mut request, kind, self.correlation, self.client_id);
        write(&mut request);
        end_request(&mut request, 0);
        ask(self.stream, &request, self.correlation).map_err(|error| Failure::broken(&error))
    }
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

/// Whether the broker takes the mechanism.
fn read_choice(answer: &[u8]) -> Result<Result<(), Failure>, Malformed> {
    let mut reader = Reader::new(answer);
    let code = reader.i16()?;
    let n_mechanisms = reader.n_elements()?;
    let theirs = (0..n_mechanisms).map(|_| reader.str()).collect::<Result<Vec<_>, _>>()?.join(",");
    let reason = match code {
        0 => return Ok(Ok(())),
        33 => "unsupported SASL mechanism".to_owned(),
        34 => "request not valid in current SASL state".to_owned(),
        _ => format!("the broker refuses the mechanism with the code {code}"),
    };
    let reason = match theirs.as_str() {
        "" => reason,
        _ => format!("{reason}: broker's supported mechanisms: {theirs}"),
    };
    Ok(Err(Failure::new(Cause::Login, &reason)))
}

/// Whether the broker takes the proof, or asks for more.
fn read_answer(answer: &[u8]) -> Result<Result<Answer, Failure>, Malformed> {
    let mut reader = Reader::new(answer);
    let (code, reason) = (reader.i16()?, reader.nullable_str()?);
    let said = reader.nullable_bytes()?.unwrap_or_default();
    let lifetime = Duration::from_millis(u64::try_from(reader.i64()?).unwrap_or(0));
    Ok(match (code, reason) {
        (0, _) => Ok(Answer { said: said.to_vec(), lifetime }),
        (_, Some(reason)) => Err(Failure::new(Cause::Login, reason)),
        (_, None) => {
            let untold = format!("the broker refuses the login with the code {code}");
            Err(Failure::new(Cause::Login, &untold))
        }
    })
}

fn broken(error: Malformed) -> Failure {
    let error: io::Error = malformed(error);
    Failure::broken(&error)
}

/// The message of PLAIN.
fn plain(user: &str, password: &Revealed) -> Zeroizing<Vec<u8>> {
    joined(&["\0", user, "\0", password.as_str()])
}

/// The message of OAUTHBEARER.
fn bearing(token: &str) -> Zeroizing<Vec<u8>> {
    joined(&["n,,\x01auth=Bearer ", token, "\x01\x01"])
}

/// In one piece of memory, so that there is one to wipe.
fn joined(parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        message.extend_from_slice(part.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use millstream_engine::Secret;

    use super::*;

    fn refused(reason: &str) -> Failure {
        Failure::new(Cause::Login, reason)
    }

    #[test]
    fn messages_are_those_of_the_standards() {
        let password = Secret::new("canary").reveal().expect("a password");
        assert_eq!(&plain("orders", &password)[..], b"\0orders\0canary");
        assert_eq!(&bearing("a.b.c")[..], b"n,,\x01auth=Bearer a.b.c\x01\x01");
    }

    #[test]
    fn refused_mechanism_names_those_that_are_taken() {
        assert_eq!(read_choice(&[0, 0, 0, 0, 0, 1, 0, 1, b'A']), Ok(Ok(())));
        let answer = [0, 33, 0, 0, 0, 2, 0, 1, b'A', 0, 1, b'B'];
        let reason = "unsupported SASL mechanism: broker's supported mechanisms: A,B";
        assert_eq!(read_choice(&answer), Ok(Err(refused(reason))));
        let out_of_turn = refused("request not valid in current SASL state");
        assert_eq!(read_choice(&[0, 34, 0, 0, 0, 0]), Ok(Err(out_of_turn)));
        assert_eq!(read_choice(&answer[..11]), Err(Malformed));
    }

    #[test]
    fn answers_are_read() {
        let tail = [0, 0, 0, 0, 0, 0, 0x0f, 0xa0];
        let taken = [&[0, 0, 0xff, 0xff, 0, 0, 0, 2, b'h', b'i'][..], &tail].concat();
        let expected = Answer { said: b"hi".to_vec(), lifetime: Duration::from_secs(4) };
        assert_eq!(read_answer(&taken), Ok(Ok(expected)));
        assert_eq!(read_answer(&taken[..17]), Err(Malformed));
        let told = [&[0, 58, 0, 3, b'N', b'o', b'!', 0, 0, 0, 0][..], &tail].concat();
        assert_eq!(read_answer(&told), Ok(Err(refused("no!"))));
        let untold = [&[0, 58, 0xff, 0xff, 0, 0, 0, 0][..], &tail].concat();
        let reason = "the broker refuses the login with the code 58";
        assert_eq!(read_answer(&untold), Ok(Err(refused(reason))));
    }
}

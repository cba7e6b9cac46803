//! End-to-end encryption, as Pulsar's Java client has it: the broker never sees what is in a message.
//!
//! A payload is encrypted by AES-256-GCM under a *data key* that the producer makes up; the data key travels with every message,
//! *wrapped* by the public keys of those who may read. Invariants: nothing is sent in plain text because something failed; neither
//! keys nor payloads reach an error, a log or `Debug`.
//!
//! OpenSSL does the arithmetic: it unwraps in constant time what Java wrapped by RSA-OAEP with SHA-1, and has every curve that
//! Java's keys may lie on. The crates in pure Rust do the first only with a timing leak, and have a crate for each curve.

mod data_key;
pub(crate) mod decryptor;
mod ecies;
pub(crate) mod encryptor;
mod key_reader;
mod settings;
#[cfg(test)]
mod tests;
mod wrap;

pub use key_reader::{KeyFiles, KeyReader, PublicKey};
pub use settings::{Decryption, Encryption, OnUndecryptable};

//! What Java encrypted is read; what we encrypt is read by the owners of the keys and by nobody else; nothing else is sent.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use millstream_engine::Secret;
use millstream_engine::error::{BoxError, codes};
use prost::Message as _;

use super::decryptor::Decryptor;
use super::encryptor::Encryptor;
use super::*;
use crate::wire::proto::MessageMetadata;

/// Of RSA, and on two curves.
const NAMES: [&str; 3] = ["rsa", "p256", "p521"];

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encryption")).join(name)
}

fn public(names: &[&str]) -> KeyFiles {
    let add =
        |keys: KeyFiles, name: &&str| keys.with_public_key(*name, file(&format!("{name}.pub.pem")));
    names.iter().fold(KeyFiles::new(), add)
}

fn private(names: &[&str]) -> Arc<dyn KeyReader> {
    let add =
        |keys: KeyFiles, name: &&str| keys.with_private_key(*name, file(&format!("{name}.pem")));
    Arc::new(names.iter().fold(KeyFiles::new(), add))
}

/// Of a message that Java wrote: see the folder's README.
fn from_java(name: &str) -> (MessageMetadata, Vec<u8>) {
    let read = |end: &str| std::fs::read(file(&format!("{name}.{end}"))).expect("it is there");
    (MessageMetadata::decode(&read("metadata")[..]).expect("metadata"), read("payload"))
}

fn encrypt(names: &[&str], payload: &[u8]) -> (MessageMetadata, Vec<u8>) {
    let now = Instant::now();
    let mut encryptor =
        Encryptor::new(Encryption::new(names.to_vec(), public(names)), now).expect("good keys");
    let (mut metadata, mut out) = (MessageMetadata::default(), b"what was there before".to_vec());
    encryptor.encrypt(payload, &mut metadata, &mut out, now).expect("good keys");
    assert!(metadata.encoded_len() + out.len() <= encryptor.overhead() + 6 + payload.len());
    (metadata, out)
}

fn decrypt(
    keys: Arc<dyn KeyReader>,
    metadata: &MessageMetadata,
    payload: &[u8],
) -> Result<Vec<u8>, String> {
    let mut out = b"what was there before".to_vec();
    let encoded = metadata.encode_to_vec();
    let outcome = Decryptor::new(keys).decrypt(&encoded, payload, &mut out, Instant::now());
    match outcome {
        Ok(()) => Ok(out),
        Err(why) => {
            assert!(out.is_empty(), "nothing of it is left");
            Err(why.0)
        }
    }
}

#[test]
fn messages_of_java_are_read() {
    for name in NAMES {
        let (metadata, payload) = from_java(name);
        let read = decrypt(private(&[name]), &metadata, &payload);
        assert_eq!(read.as_deref(), Ok(&b"hello from Java"[..]), "{name}");
    }
}

#[test]
fn owner_of_one_of_the_keys_reads() {
    for payload in [Vec::new(), b"a secret".to_vec(), vec![7; 100_000]] {
        let (metadata, encrypted) = encrypt(&NAMES, &payload);
        for name in NAMES {
            assert_eq!(decrypt(private(&[name]), &metadata, &encrypted), Ok(payload.clone()));
        }
    }
}

#[test]
fn same_payload_is_never_encrypted_alike() {
    let now = Instant::now();
    let mut encryptor =
        Encryptor::new(Encryption::new(["rsa"], public(&["rsa"])), now).expect("good");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let (mut metadata, mut out) = (MessageMetadata::default(), Vec::new());
        encryptor.encrypt(b"the same", &mut metadata, &mut out, now).expect("good");
        assert!(!out.windows(8).any(|window| window == b"the same"));
        assert!(seen.insert(metadata.encryption_param.clone()) && seen.insert(Some(out)));
    }
}

#[test]
fn every_changed_bit_of_a_message_is_noticed() {
    for name in NAMES {
        let (metadata, payload) = encrypt(&[name], b"hello");
        let keys = private(&[name]);
        for bit in 0..payload.len() * 8 {
            let mut spoiled = payload.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            decrypt(Arc::clone(&keys), &metadata, &spoiled).expect_err("a bit was changed");
        }
        let n_bits = metadata.encryption_keys[0].value.len() * 8;
        for bit in (0..n_bits).step_by(5) {
            let mut spoiled = metadata.clone();
            spoiled.encryption_keys[0].value[bit / 8] ^= 1 << (bit % 8);
            decrypt(Arc::clone(&keys), &spoiled, &payload).expect_err("a bit was changed");
        }
        for n_bytes in 0..metadata.encryption_keys[0].value.len() {
            let mut cut = metadata.clone();
            cut.encryption_keys[0].value.truncate(n_bytes);
            decrypt(Arc::clone(&keys), &cut, &payload).expect_err("it was cut");
        }
    }
}

#[test]
fn what_cannot_be_decrypted_says_why() {
    let (metadata, payload) = encrypt(&["rsa", "p256"], b"hello");
    let why = |keys| decrypt(keys, &metadata, &payload).expect_err("no good key");
    insta::assert_snapshot!(
        why(private(&["p521"])),
        @r#"key "rsa": no file is named for it; key "p256": no file is named for it"#
    );
    let wrong = KeyFiles::new()
        .with_private_key("rsa", file("p521.pem"))
        .with_private_key("p256", file("p256.pub.pem"));
    insta::assert_snapshot!(
        why(Arc::new(wrong)),
        @r#"key "rsa": the data key was not wrapped by it; key "p256": it is no private key in PEM, or has a passphrase"#
    );
    let mut spoiled = payload.clone();
    spoiled[0] ^= 1;
    insta::assert_snapshot!(
        decrypt(private(&["rsa"]), &metadata, &spoiled).expect_err("changed"),
        @"it was changed after it was encrypted"
    );
    let mut without_nonce = metadata.clone();
    without_nonce.encryption_param = None;
    decrypt(private(&["rsa"]), &without_nonce, &payload).expect_err("no nonce");
}

#[test]
fn key_that_cannot_be_used_stops_the_sink() {
    let report = |encryption| {
        let made = Encryptor::new(encryption, Instant::now());
        made.err().expect("no good key").report()
    };
    insta::assert_snapshot!(
        report(Encryption::new(Vec::<String>::new(), public(&[]))),
        @"E0201 failed to encrypt messages: no key is named"
    );
    insta::assert_snapshot!(report(Encryption::new(["rsa", "lost"], public(&["rsa"]))), @r#"
    E0135 failed to encrypt messages with the public key "lost": no file is named for it
    Nothing was sent in plain text.
    "#);
    let wrong = public(&[]).with_public_key("p256", file("p256.pem"));
    insta::assert_snapshot!(report(Encryption::new(["p256"], wrong)), @r#"
    E0135 failed to encrypt messages with the public key "p256": it is no public key in PEM
    Nothing was sent in plain text.
    "#);
}

/// Counts how often it is asked, and fails where it is told to.
#[derive(Default)]
struct Counted {
    n_asked: AtomicUsize,
    fails: std::sync::atomic::AtomicBool,
}

impl Counted {
    fn ask(&self) -> Result<(), BoxError> {
        self.n_asked.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) { Err("the vault is sealed".into()) } else { Ok(()) }
    }
}

impl KeyReader for Arc<Counted> {
    fn public_key(&self, name: &str) -> Result<PublicKey, BoxError> {
        self.ask()?;
        let key = public(&[name]).public_key(name)?;
        Ok(PublicKey { metadata: vec![("version".to_owned(), "7".to_owned())], ..key })
    }

    fn private_key(&self, name: &str, metadata: &[(String, String)]) -> Result<Secret, BoxError> {
        self.ask()?;
        assert_eq!(metadata, [("version".to_owned(), "7".to_owned())]);
        private(&[name]).private_key(name, metadata)
    }
}

#[test]
fn data_key_changes_after_its_time() {
    let keys = Arc::new(Counted::default());
    let encryption = Encryption::new(["p256"], Arc::clone(&keys));
    let (start, rotation) = (Instant::now(), encryption.rotation);
    let mut encryptor = Encryptor::new(encryption, start).expect("good");
    let mut encrypt = |at| {
        let (mut metadata, mut out) = (MessageMetadata::default(), Vec::new());
        let outcome = encryptor.encrypt(b"hello", &mut metadata, &mut out, at);
        outcome.map(|()| (metadata, out))
    };
    let wrapped = |sent: &(MessageMetadata, Vec<u8>)| sent.0.encryption_keys[0].value.clone();
    let first = encrypt(start).expect("good");
    let same = encrypt(start + rotation.saturating_sub(Duration::from_millis(1))).expect("good");
    assert_eq!((wrapped(&first), keys.n_asked.load(Ordering::Relaxed)), (wrapped(&same), 1));
    keys.fails.store(true, Ordering::Relaxed);
    let refused = encrypt(start + rotation).expect_err("nothing is sent in plain text");
    assert_eq!(refused.code(), codes::UNUSABLE_KEY);
    keys.fails.store(false, Ordering::Relaxed);
    let next = encrypt(start + rotation).expect("good");
    assert_ne!(wrapped(&next), wrapped(&first));
    let mut decryptor = Decryptor::new(Arc::new(Arc::clone(&keys)));
    for (metadata, payload) in [&first, &same, &next] {
        let mut out = Vec::new();
        decryptor
            .decrypt(&metadata.encode_to_vec(), payload, &mut out, start)
            .expect("both keys are known");
        assert_eq!(out, b"hello");
    }
}

#[test]
fn private_keys_are_asked_for_once() {
    let keys = Arc::new(Counted::default());
    let now = Instant::now();
    let encryption = Encryption::new(["rsa"], Arc::clone(&keys));
    let mut encryptor = Encryptor::new(encryption, now).expect("good");
    let (mut metadata, mut payload, mut out) = (MessageMetadata::default(), Vec::new(), Vec::new());
    encryptor.encrypt(b"hello", &mut metadata, &mut payload, now).expect("good");
    keys.n_asked.store(0, Ordering::Relaxed);
    keys.fails.store(true, Ordering::Relaxed);
    let mut decryptor = Decryptor::new(Arc::new(Arc::clone(&keys)));
    let mut read = |at: Instant| {
        let outcome = decryptor.decrypt(&metadata.encode_to_vec(), &payload, &mut out, at).is_ok();
        (outcome, keys.n_asked.load(Ordering::Relaxed))
    };
    assert_eq!((read(now), read(now)), ((false, 1), (false, 1)));
    keys.fails.store(false, Ordering::Relaxed);
    assert_eq!(read(now), (false, 1));
    let later = now + Duration::from_secs(10);
    assert_eq!((read(later), read(later)), ((true, 2), (true, 2)));
    let used_since = later + Duration::from_hours(3);
    assert_eq!(
        (read(used_since), read(used_since + Duration::from_hours(3))),
        ((true, 2), (true, 2))
    );
    assert_eq!(read(used_since + Duration::from_hours(8)), (true, 3));
}

#[test]
fn settings_show_no_keys() {
    let shown = format!(
        "{:?} {:?}",
        Encryption::new(["rsa"], public(&["rsa"])),
        Decryption::new(KeyFiles::new().with_private_key("rsa", file("rsa.pem")))
    );
    insta::assert_snapshot!(
        shown,
        @r#"Encryption { key_names: ["rsa"], rotation: 14400s, .. } Decryption { on_undecryptable: Stop, .. }"#
    );
}

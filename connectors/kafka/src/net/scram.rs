//! SCRAM, the client's side (RFC 5802, RFC 7677): shows the broker that we know the password, and us that the broker does, while
//! nothing is sent that could be used again.
//!
//! Names and passwords are taken as they are, without a normal form, as librdkafka does.

use millstream_engine::secret::Revealed;
use openssl::base64::{decode_block, encode_block};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use zeroize::Zeroizing;

/// Rounds of the hash that a broker may ask for: fewer are too weak, more would keep the processor busy.
const ROUNDS: std::ops::RangeInclusive<usize> = 4096..=1_000_000;

/// No channel binding, in the words of the protocol.
const NO_BINDING: &str = "n,,";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// A login that has begun.
#[derive(Debug)]
pub(super) struct Scram {
    hash: Hash,
    nonce: String,
    /// Our first message without its head, which is part of what is proved.
    first: String,
}

/// What the broker has to say if it knows the password too.
pub(super) struct Signature(Vec<u8>);

impl Scram {
    pub(super) fn new(hash: Hash, user: &str) -> Result<Self, ErrorStack> {
        let mut random = [0; 24];
        openssl::rand::rand_bytes(&mut random)?;
        Ok(Self::with_nonce(hash, user, encode_block(&random)))
    }

    fn with_nonce(hash: Hash, user: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={user},r={nonce}");
        Self { hash, nonce, first }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("{NO_BINDING}{}", self.first)
    }

    /// The second message, which answers the broker's first, and what the broker must say to that.
    ///
    /// # Errors
    /// What is wrong with the broker's message.
    pub(super) fn prove(
        &self,
        password: &Revealed,
        theirs: &str,
    ) -> Result<(String, Signature), String> {
        let Challenge { nonce, salt, n_rounds } = Challenge::read(theirs)?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err("the broker answers the login of somebody else".to_owned());
        }
        let binding = encode_block(NO_BINDING.as_bytes());
        let unproved = format!("c={binding},r={nonce}");
        let proved = format!("{},{theirs},{unproved}", self.first);
        let proof = self.hash.sign(password, (&salt, n_rounds), proved.as_bytes());
        let (proof, signature) = proof.map_err(|errors| errors.to_string())?;
        Ok((format!("{unproved},p={}", encode_block(&proof)), Signature(signature)))
    }
}

/// What the broker's first message says.
struct Challenge<'m> {
    nonce: &'m str,
    salt: Vec<u8>,
    n_rounds: usize,
}

impl<'m> Challenge<'m> {
    fn read(message: &'m str) -> Result<Self, String> {
        let refused = || "the broker's answer to the login is not SCRAM".to_owned();
        let mut parts = message.split(',');
        let mut part = |key| parts.next().and_then(|part| part.strip_prefix(key));
        let nonce = part("r=").ok_or_else(refused)?;
        let salt = part("s=").and_then(|salt| decode_block(salt).ok());
        let salt = salt.filter(|salt| !salt.is_empty()).ok_or_else(refused)?;
        let n_rounds = part("i=").and_then(|n_rounds| n_rounds.parse().ok()).ok_or_else(refused)?;
        if !ROUNDS.contains(&n_rounds) {
            let (fewest, most) = ROUNDS.into_inner();
            return Err(format!(
                "the broker asks for {n_rounds} rounds of the hash: it must be {fewest} to {most}"
            ));
        }
        Ok(Self { nonce, salt, n_rounds })
    }
}

impl Signature {
    /// Whether the broker's last message says that it knows the password.
    pub(super) fn check(&self, theirs: &str) -> Result<(), String> {
        if let Some(reason) = theirs.strip_prefix("e=") {
            return Err(reason.to_owned());
        }
        let signature = theirs.strip_prefix("v=").and_then(|rest| rest.split(',').next());
        let signature = signature.and_then(|signature| decode_block(signature).ok());
        let is_right = signature.is_some_and(|signature| {
            signature.len() == self.0.len() && openssl::memcmp::eq(&signature, &self.0)
        });
        if is_right {
            return Ok(());
        }
        Err("the broker does not show that it knows the password: somebody else may have answered"
            .to_owned())
    }
}

impl Hash {
    fn digest(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    /// Our proof for a text, and the broker's signature of it. Everything between is wiped.
    fn sign(
        self,
        password: &Revealed,
        (salt, n_rounds): (&[u8], usize),
        text: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let digest = self.digest();
        let mut salted = Zeroizing::new(vec![0; digest.size()]);
        pbkdf2_hmac(password.as_str().as_bytes(), salt, n_rounds, digest, &mut salted)?;
        let ours = self.mac(&salted, b"Client Key")?;
        let stored = Zeroizing::new(openssl::hash::hash(digest, &ours)?.to_vec());
        let signature = self.mac(&stored, text)?;
        let proof = ours.iter().zip(signature.iter()).map(|(key, bits)| key ^ bits).collect();
        let theirs = self.mac(&salted, b"Server Key")?;
        Ok((proof, self.mac(&theirs, text)?.to_vec()))
    }

    fn mac(self, key: &[u8], text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let key = PKey::hmac(key)?;
        Signer::new(self.digest(), &key)?.sign_oneshot_to_vec(text).map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::Secret;

    use super::*;

    /// The example of RFC 7677.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn prove(hash: Hash, theirs: &str) -> Result<(String, Signature), String> {
        let password = Secret::new("pencil").reveal().expect("a password");
        Scram::with_nonce(hash, "user", NONCE.to_owned()).prove(&password, theirs)
    }

    #[test]
    fn example_of_the_standard_is_met() {
        let first = Scram::with_nonce(Hash::Sha256, "user", NONCE.to_owned()).first();
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, signature) = prove(Hash::Sha256, CHALLENGE).expect("a challenge");
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        signature.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").expect("it is right");
    }

    #[test]
    fn longer_hash_is_met_too() {
        let (last, signature) = prove(Hash::Sha512, CHALLENGE).expect("a challenge");
        assert!(last.ends_with(",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ=="), "{last}");
        signature.check("v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==").expect("it is right");
    }

    #[test]
    fn brokers_that_do_not_know_the_password_are_refused() {
        let (_, signature) = prove(Hash::Sha256, CHALLENGE).expect("a challenge");
        for wrong in [
            "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9",
            "v=",
            "v=?",
            "",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ] {
            let reason = signature.check(wrong).expect_err(wrong);
            assert!(reason.contains("does not show that it knows the password"), "{reason}");
        }
        assert_eq!(signature.check("e=invalid-proof"), Err("invalid-proof".to_owned()));
    }

    #[test]
    fn strange_challenges_are_refused() {
        for wrong in [
            "",
            "e=unknown-user",
            "m=new,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
            "r=somebody-elses-nonce-x,s=W22Z,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4095",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1000001",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=-1",
        ] {
            assert!(prove(Hash::Sha256, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn users_are_escaped_and_nonces_differ() {
        let scram = Scram::with_nonce(Hash::Sha256, "a,b=c", "x".to_owned());
        assert_eq!(scram.first(), "n,,n=a=2Cb=3Dc,r=x");
        let nonce = || Scram::new(Hash::Sha256, "user").expect("random bytes").nonce;
        assert!(nonce() != nonce() && nonce().len() == 32 && !nonce().contains(','));
    }
}

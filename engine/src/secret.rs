//! Passwords, keys and tokens: where they come from, and nothing that could show them.
//!
//! Invariant: the value is reachable by [`Secret::reveal`] alone; `Debug`, `Display`, `Serialize` and errors name its origin.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result, codes};

/// Bytes of a secret at most: a key with its chain has room, a file that was named by mistake has not.
const MAX_BYTES: u64 = 64 << 10;

/// A value that must not be seen: a password, a key, a token.
///
/// In a configuration it is `{ "env": "ORDERS_PASSWORD" }` or `{ "file": "/run/secrets/orders" }`, never the value itself. It is
/// looked up when a connector opens, each time, so that a new value needs no new program.
///
/// # Examples
/// ```
/// use millstream_engine::Secret;
///
/// let password = Secret::new("swordfish");
/// assert_eq!(password.reveal()?.as_str(), "swordfish");
/// assert_eq!(format!("{password:?}"), "Secret(given by the program)");
///
/// let missing = Secret::from_env("NO_SUCH_VARIABLE").reveal().unwrap_err();
/// assert!(missing.report().contains("NO_SUCH_VARIABLE"));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Origin);

#[derive(Clone, PartialEq, Eq)]
enum Origin {
    Given(Zeroizing<String>),
    Env(String),
    File(PathBuf),
}

/// The value of a secret, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed(Zeroizing<String>);

impl Secret {
    /// A value that the program has from elsewhere. Do not write it into the program's source.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Origin::Given(Zeroizing::new(value.into())))
    }

    /// The value of a variable of the environment.
    pub fn from_env(name: impl Into<String>) -> Self {
        Self(Origin::Env(name.into()))
    }

    /// The content of a file of at most 64 KiB, without the line break at its end.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Origin::File(path.into()))
    }

    /// The value, looked up now.
    ///
    /// # Blocking
    /// Reads the file, where the secret is one.
    ///
    /// # Errors
    /// *Config*, naming variable or file: `E0202` the variable is missing, empty or not text; `E0201` the file cannot be read, is
    /// empty, too large or not text.
    pub fn reveal(&self) -> Result<Revealed> {
        let value = match &self.0 {
            Origin::Given(value) => value.clone(),
            Origin::Env(name) => from_env(name)?,
            Origin::File(path) => from_file(path).map_err(|reason| self.unreadable(reason))?,
        };
        if value.is_empty() {
            return Err(match &self.0 {
                Origin::Env(name) => bad_variable(name, "it is empty"),
                _ => self.unreadable("it is empty".to_owned()),
            });
        }
        Ok(Revealed(value))
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::config(format!("read a secret {self}")).with_source(reason)
    }
}

impl Revealed {
    /// The value itself. Whoever copies it looks after the copy.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn from_env(name: &str) -> Result<Zeroizing<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Zeroizing::new(value)),
        Err(std::env::VarError::NotPresent) => Err(bad_variable(name, "it is not set")),
        // The error would show the value.
        Err(std::env::VarError::NotUnicode(_)) => Err(bad_variable(name, "it is not UTF-8")),
    }
}

fn bad_variable(name: &str, reason: &'static str) -> Error {
    let what = format!("read a secret from the environment variable {name}");
    Error::new(ErrorKind::Config, codes::BAD_ENVIRONMENT, what).with_source(reason)
}

fn from_file(path: &PathBuf) -> std::result::Result<Zeroizing<String>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut value = Zeroizing::new(String::new());
    let n_bytes = file.take(MAX_BYTES + 1).read_to_string(&mut value);
    if n_bytes.map_err(|error| error.to_string())? as u64 > MAX_BYTES {
        return Err(format!("it is larger than {} KiB", MAX_BYTES >> 10));
    }
    let n_kept = value.trim_end_matches(['\r', '\n']).len();
    value.truncate(n_kept);
    Ok(value)
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(Written)
    }
}

/// A secret as configurations have it. Everything else is refused here, because serde's own errors would show the value.
struct Written;

impl Written {
    fn refused<E: de::Error>() -> E {
        E::custom("a secret is { env = NAME } or { file = PATH }, never the value itself")
    }
}

impl<'de> Visitor<'de> for Written {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = NAME } or { file = PATH }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Secret, A::Error> {
        let entry = map.next_entry::<String, String>().ok().flatten();
        let (key, value) = entry.ok_or_else(Self::refused)?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(Self::refused());
        }
        match key.as_str() {
            "env" => Ok(Secret::from_env(value)),
            "file" => Ok(Secret::from_file(value)),
            _ => Err(Self::refused()),
        }
    }

    fn visit_str<E: de::Error>(self, _: &str) -> std::result::Result<Secret, E> {
        Err(Self::refused())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> std::result::Result<Secret, E> {
        Err(Self::refused())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> std::result::Result<Secret, E> {
        Err(Self::refused())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> std::result::Result<Secret, E> {
        Err(Self::refused())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> std::result::Result<Secret, E> {
        Err(Self::refused())
    }
}

impl Serialize for Secret {
    /// Writes where the secret comes from; one that the program gave becomes a text that does not read back.
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0 {
            Origin::Given(_) => to.serialize_str("given by the program"),
            Origin::Env(name) => to.serialize_newtype_variant("Secret", 0, "env", name),
            Origin::File(path) => to.serialize_newtype_variant("Secret", 1, "file", path),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::Given(_) => f.write_str("given by the program"),
            Origin::Env(name) => write!(f, "from the environment variable {name}"),
            Origin::File(path) => write!(f, "from the file {}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revealed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(secret: &Secret) -> String {
        secret.reveal().expect_err("there is no value").report()
    }

    #[test]
    fn missing_value_names_its_origin() {
        assert_eq!(
            report(&Secret::from_env("MILLSTREAM_NO_SUCH")),
            "E0202 failed to read a secret from the environment variable MILLSTREAM_NO_SUCH: it is not set"
        );
        let file = report(&Secret::from_file("/no/such/file"));
        assert!(
            file.starts_with("E0201 failed to read a secret from the file /no/such/file: No such"),
            "{file}"
        );
        assert!(report(&Secret::new("")).contains("it is empty"));
    }

    #[test]
    fn file_is_read_anew_without_its_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        let secret = Secret::from_file(&path);
        for value in ["first", "second \u{e9}"] {
            std::fs::write(&path, format!("{value}\r\n")).expect("written");
            assert_eq!(secret.reveal().expect("a value").as_str(), value);
        }
        std::fs::write(&path, vec![b'x'; 70_000]).expect("written");
        assert!(report(&secret).contains("larger than 64 KiB"));
        std::fs::write(&path, [0xff, 0xfe]).expect("written");
        assert!(report(&secret).contains("UTF-8"));
    }

    #[test]
    fn value_is_shown_nowhere() {
        let secret = Secret::new("canary");
        let revealed = secret.reveal().expect("a value");
        let json = serde_json::to_string(&secret).expect("it serializes");
        let shown = format!("{secret} {secret:?} {secret:#?} {revealed:?} {json}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn configuration_names_the_origin_only() {
        for text in [r#"{"env":"ORDERS_PASSWORD"}"#, r#"{"file":"/run/secrets/orders"}"#] {
            let secret: Secret = serde_json::from_str(text).expect("a secret");
            assert_eq!(serde_json::to_string(&secret).expect("it serializes"), text);
        }
        let values = ["\"canary\"", "77", "-77", "7.7", "{\"env\":77}", "{\"value\":\"canary\"}"];
        for value in values {
            let refused = serde_json::from_str::<Secret>(value).expect_err("values are refused");
            let refused = refused.to_string();
            assert!(!refused.contains("canary") && !refused.contains('7'), "{refused}");
        }
    }
}

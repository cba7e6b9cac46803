//! What is shown, from every kind of login; tokens of a scripted identity provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use insta::assert_snapshot;

use super::scripted::{Provider, given};
use super::*;
use crate::config::{Identity, OAuth2, OAuth2Client};
use crate::net::runtime;

const LONG: Duration = Duration::from_secs(20);

fn client() -> OAuth2Client {
    let client_secret = Secret::new("secret canary&=");
    OAuth2Client::Secret { client_id: "orders".to_owned(), client_secret }
}

fn passes(login: impl Into<Login>) -> Passes {
    Passes::new(&Security::default().with_login(login.into()), LONG)
}

/// What a broker would be shown.
fn shown(passes: &Passes) -> Result<String, String> {
    let pass = runtime::handle().block_on(passes.current())?.expect("there is a login");
    Ok(String::from_utf8(pass.bytes().to_vec()).expect("text"))
}

#[test]
fn every_login_shows_what_brokers_expect() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "of-file\n").expect("written");
    let of_file = Login::token(Secret::from_file(&file));
    let cases = [
        (of_file.clone(), "token", "of-file", "Bearer of-file"),
        (Login::token_from(|| Ok(Secret::new("supplied"))), "token", "supplied", "Bearer supplied"),
        (Login::basic("me", Secret::new("pw")), "basic", "me:pw", "Basic bWU6cHc="),
    ];
    for (login, method, bytes, header) in cases {
        let pass = runtime::handle().block_on(passes(login).current()).expect("a pass");
        let pass = pass.expect("there is a login");
        assert_eq!((pass.method(), pass.bytes()), (method, bytes.as_bytes()));
        assert_eq!(pass.header().expect("a header").as_str(), header);
    }
    let lasting = passes(of_file);
    assert_eq!(shown(&lasting).as_deref(), Ok("of-file"));
    std::fs::write(&file, "of-new-file\n").expect("written");
    assert_eq!(shown(&lasting).as_deref(), Ok("of-new-file"));
    let identity = Identity::new("/c.pem", Secret::from_file("/k.pem"));
    let certified = Passes::new(&Security::tls().with_identity(identity), LONG);
    let pass = runtime::handle().block_on(certified.current()).expect("a pass").expect("a login");
    assert_eq!((pass.method(), pass.bytes().len(), pass.header()), ("tls", 0, None));
    let nobody = Passes::new(&Security::tls(), LONG);
    assert!(runtime::handle().block_on(nobody.current()).expect("an answer").is_none());
}

#[test]
fn missing_secrets_are_told() {
    let none = shown(&passes(Login::token(Secret::from_env("MILLSTREAM_NO_SUCH"))));
    assert_snapshot!(none.expect_err("there is none"), @r#"failed to read a secret from the environment variable MILLSTREAM_NO_SUCH: it is not set"#);
    let panics = Login::token_from(|| panic!("on purpose"));
    assert_snapshot!(shown(&passes(panics)).expect_err("it panics"), @r#"the supplier panicked"#);
    let odd = Login::token_from(|| Ok(Secret::new("canary\u{7}")));
    assert_snapshot!(shown(&passes(odd)).expect_err("it is no token"), @r#"the token has other letters than tokens have"#);
}

#[test]
fn expiry_of_tokens_is_read() {
    // {"sub":"a","exp":1704067200} and one without an end
    let expired = "e30.eyJzdWIiOiJhIiwiZXhwIjoxNzA0MDY3MjAwfQ.x";
    let lasting = "e30.eyJzdWIiOiJhIn0.x";
    let end = |token: &str| {
        let value = Zeroizing::new(token.to_owned());
        Pass { method: Method::Token, value }.expired()
    };
    assert_eq!(end(expired).as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!((end(lasting), end("no.token"), end("")), (None, None, None));
}

#[test]
fn identity_provider_is_asked_with_all_that_it_wants() {
    let provider = Provider::start(|_| given("given", 3600));
    let oauth2 = OAuth2::new(&provider.url, client()).with_audience("urn:a b").with_scope("write");
    let passes = passes(oauth2);
    assert_eq!(shown(&passes).as_deref(), Ok("given"));
    assert_eq!(shown(&passes).as_deref(), Ok("given"));
    assert_eq!(
        provider.forms(),
        [
            "grant_type=client%5Fcredentials&client_id=orders&client_secret=secret%20canary%26%3D&audience=urn%3Aa%20b&scope=write"
        ],
        "it is asked once"
    );
}

#[test]
fn token_is_renewed_before_it_expires() {
    let provider = Provider::start(|n| given(&format!("token-{n}"), if n == 0 { 0 } else { 3600 }));
    let passes = passes(OAuth2::new(&provider.url, client()));
    assert_eq!(shown(&passes).as_deref(), Ok("token-0"));
    assert_eq!(shown(&passes).as_deref(), Ok("token-1"), "the first one has no life left");
    assert_eq!(shown(&passes).as_deref(), Ok("token-1"));
    let renewed = runtime::handle().block_on(passes.renewed()).expect("a pass");
    assert_eq!(renewed.expect("a login").bytes(), b"token-2", "the broker wants another one");
    assert_eq!(shown(&passes).as_deref(), Ok("token-2"));
}

#[test]
fn key_file_of_other_clients_is_read() {
    let provider = Provider::start(|_| given("given", 3600));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.json");
    let key = r#"{"type":"client_credentials","client_id":"me","client_secret":"canary","issuer_url":"x"}"#;
    std::fs::write(&file, key).expect("written");
    let oauth2 = OAuth2::new(&provider.url, OAuth2Client::KeyFile(file.clone()));
    assert_eq!(shown(&passes(oauth2.clone())).as_deref(), Ok("given"));
    let wanted = "grant_type=client%5Fcredentials&client_id=me&client_secret=canary";
    assert_eq!(provider.forms(), [wanted]);
    std::fs::write(&file, r#"{"client_secret":"canary"}"#).expect("written");
    let why =
        shown(&passes(oauth2)).expect_err("no id").replace(&file.display().to_string(), "[file]");
    assert_snapshot!(why, @r#"the key file [file] has no client_id and client_secret"#);
}

#[test]
fn refusal_of_the_identity_provider_is_told() {
    let refusing = Provider::start(|n| match n {
        0 => (401, r#"{"error":"invalid_client","error_description":"unknown client"}"#.to_owned()),
        1 => (200, r#"{"access_token":7,"canary":"canary"}"#.to_owned()),
        _ => (302, String::new()),
    });
    let passes = passes(OAuth2::new(&refusing.url, client()));
    let told = || shown(&passes).expect_err("no token").replace(&refusing.url, "[issuer]");
    assert_snapshot!(told(), @r#"[issuer]/token answers 401 invalid_client unknown client"#);
    assert_snapshot!(told(), @r#"[issuer]/token answers without a token"#);
    assert_snapshot!(told(), @r#"[issuer]/token answers 302"#);
}

#[test]
fn tasks_that_come_together_ask_once() {
    let n_asked = Arc::new(AtomicU32::new(0));
    let n_calls = Arc::clone(&n_asked);
    let provider = Provider::start(move |_| {
        n_calls.fetch_add(1, Ordering::SeqCst);
        given("given", 3600)
    });
    let passes = Arc::new(passes(OAuth2::new(&provider.url, client())));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let passes = Arc::clone(&passes);
            runtime::handle().spawn(async move { passes.current().await.map(drop) })
        })
        .collect();
    for task in tasks {
        runtime::handle().block_on(task).expect("no panic").expect("a pass");
    }
    assert_eq!(n_asked.load(Ordering::SeqCst), 1);
}

#[test]
fn secrets_are_not_shown() {
    let logins = [
        Login::token(Secret::new("canary")),
        Login::token_from(|| Ok(Secret::new("canary"))),
        Login::basic("me", Secret::new("canary")),
        Login::oauth2("http://127.0.0.1:1", client()),
    ];
    for login in logins {
        let passes = passes(login.clone());
        let pass = runtime::handle().block_on(passes.current());
        let told = passes.told();
        let texts = format!("{login:?} {passes:?} {pass:?} {told:?} {}", passes.user());
        let written = serde_json::to_string(&login).unwrap_or_default();
        assert!(!texts.contains("canary") && !written.contains("canary"), "{texts} {written}");
    }
}

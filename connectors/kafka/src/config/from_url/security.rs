//! TLS and the login; secrets by the variable or the file that has them.

use millstream_engine::url::Fields;

use crate::config::{Identity, Login, Security, Tokens};

const LOGINS: &str = "plain, scram_sha_256, scram_sha_512 or oauthbearer";

/// Which login a URL asks for.
#[derive(Clone, Copy)]
enum Asked {
    Plain,
    ScramSha256,
    ScramSha512,
    OAuthBearer,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Security {
    let tls = fields.flag("tls") == Some(true);
    let mut security = if tls { Security::tls() } else { Security::default() };
    if let Some(path) = fields.text("ca_file") {
        security = security.with_ca_file(path);
    }
    if let Some(identity) = identity(fields) {
        security = security.with_identity(identity);
    }
    if fields.flag("danger_accept_any_certificate") == Some(true) {
        security = security.danger_accept_any_certificate();
    }
    match login(fields) {
        Some(login) => security.with_login(login),
        None => security,
    }
}

fn identity(fields: &mut Fields<'_>) -> Option<Identity> {
    let certificate = fields.text("certificate_file");
    let key = fields.secret("key");
    let key_password = fields.secret("key_password");
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(Identity { key_password, ..Identity::new(certificate, key) })
        }
        (None, None) if key_password.is_none() => None,
        _ => {
            fields
                .fault("a certificate needs \"certificate_file\", and \"key_file\" or \"key_env\"");
            None
        }
    }
}

fn login(fields: &mut Fields<'_>) -> Option<Login> {
    let asked = fields.read("login", LOGINS, |name| match name {
        "plain" => Some(Asked::Plain),
        "scram_sha_256" => Some(Asked::ScramSha256),
        "scram_sha_512" => Some(Asked::ScramSha512),
        "oauthbearer" => Some(Asked::OAuthBearer),
        _ => None,
    });
    let user = fields.text("user");
    let password = fields.secret("password");
    let token_file = fields.text("token_file");
    match (asked, user, password, token_file) {
        (Some(Asked::Plain), Some(user), Some(password), None) => {
            Some(Login::plain(user, password))
        }
        (Some(Asked::ScramSha256), Some(user), Some(password), None) => {
            Some(Login::scram_sha_256(user, password))
        }
        (Some(Asked::ScramSha512), Some(user), Some(password), None) => {
            Some(Login::scram_sha_512(user, password))
        }
        (Some(Asked::OAuthBearer), None, None, Some(path)) => {
            Some(Login::oauth_bearer(Tokens::from_file(path)))
        }
        (None, None, None, None) => None,
        _ => {
            fields.fault(
                "a login needs \"login\", \"user\", and \"password_file\" or \"password_env\"; with oauthbearer \"token_file\" alone",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::Secret;
    use millstream_engine::url::ConnectorUrl;

    use super::*;

    fn security(query: &str) -> Result<Security, String> {
        let url: ConnectorUrl = format!("kafka://h:1/a?{query}").parse().expect("a URL");
        let mut fields = url.fields("kafka");
        let security = read(&mut fields);
        fields.finish().map(|()| security).map_err(|error| error.report())
    }

    #[test]
    fn tls_and_every_login_are_read() {
        let (certificate, key) = ("/c.pem", Secret::from_file("/k.pem"));
        let password = || Secret::from_env("P");
        let identity = Identity::new(certificate, key).with_key_password(password());
        assert_eq!(
            security(
                "tls&ca_file=/ca.pem&certificate_file=/c.pem&key_file=/k.pem&key_password_env=P"
            ),
            Ok(Security::tls().with_ca_file("/ca.pem").with_identity(identity))
        );
        let logins = [
            ("plain", Login::plain("me", password())),
            ("scram_sha_256", Login::scram_sha_256("me", password())),
            ("scram_sha_512", Login::scram_sha_512("me", password())),
        ];
        for (name, login) in logins {
            let query = format!("tls=true&login={name}&user=me&password_env=P");
            assert_eq!(security(&query), Ok(Security::tls().with_login(login)));
        }
        let bearer = security("login=oauthbearer&token_file=/t").expect("it is right");
        assert!(matches!(bearer.login, Some(Login::OAuthBearer(_))));
        let careless = security("danger_accept_any_certificate").expect("it is right");
        assert!(careless.tls.is_some_and(|tls| tls.danger_accept_any_certificate));
    }

    #[test]
    fn half_a_login_and_passwords_are_refused() {
        let told = security("login=plain&user=me&password=canary&key=canary").unwrap_err();
        assert!(!told.contains("canary"), "{told}");
        insta::assert_snapshot!(told, @r#"
        E0201 failed to use the URL kafka://h:1/a?login=…&user=…&password=…&key=…: "key" must not stand in a URL; name a variable or a file: key_env=NAME or key_file=PATH; "password" must not stand in a URL; name a variable or a file: password_env=NAME or password_file=PATH; a login needs "login", "user", and "password_file" or "password_env"; with oauthbearer "token_file" alone
        Its fields are tls, ca_file, certificate_file, key_env, key_file, key_password_env, key_password_file, danger_accept_any_certificate, login, user, password_env, password_file, token_file.
        "#);
        insta::assert_snapshot!(security("login=kerberos&certificate_file=/c").unwrap_err(), @r#"
        E0201 failed to use the URL kafka://h:1/a?login=…&certificate_file=…: a certificate needs "certificate_file", and "key_file" or "key_env"; "login" is not plain, scram_sha_256, scram_sha_512 or oauthbearer
        Its fields are tls, ca_file, certificate_file, key_env, key_file, key_password_env, key_password_file, danger_accept_any_certificate, login, user, password_env, password_file, token_file.
        "#);
    }
}

//! The cluster, TLS and the login; secrets by the variable or the file that has them.

use millstream_engine::url::{ConnectorUrl, Fields};

use crate::config::{ClusterConfig, Identity, Login, OAuth2, OAuth2Client, Security};

const NEEDS: &str = "a login needs \"token_file\" or \"token_env\"; or \"user\", and \"password_file\" or \"password_env\"; or \
     \"issuer_url\" and \"client_file\"";

pub(super) fn read(url: &ConnectorUrl, fields: &mut Fields<'_>) -> ClusterConfig {
    let base = ClusterConfig::new(url.address());
    ClusterConfig {
        admin_url: fields.text("admin_url"),
        listener_name: fields.text("listener_name"),
        connect_timeout: fields.duration("connect_timeout").unwrap_or(base.connect_timeout),
        operation_timeout: fields.duration("operation_timeout").unwrap_or(base.operation_timeout),
        security: security(fields),
        ..base
    }
}

fn security(fields: &mut Fields<'_>) -> Security {
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
    match (fields.text("certificate_file"), fields.secret("key")) {
        (Some(certificate), Some(key)) => Some(Identity::new(certificate, key)),
        (None, None) => None,
        _ => {
            fields
                .fault("a certificate needs \"certificate_file\", and \"key_file\" or \"key_env\"");
            None
        }
    }
}

fn login(fields: &mut Fields<'_>) -> Option<Login> {
    let token = fields.secret("token");
    let (user, password) = (fields.text("user"), fields.secret("password"));
    let (issuer_url, client) = (fields.text("issuer_url"), fields.text("client_file"));
    let (audience, scope) = (fields.text("audience"), fields.text("scope"));
    match (token, user, password, issuer_url, client) {
        (Some(token), None, None, None, None) => Some(Login::token(token)),
        (None, Some(user), Some(password), None, None) => Some(Login::basic(user, password)),
        (None, None, None, Some(issuer), Some(file)) => {
            let oauth2 = OAuth2::new(issuer, OAuth2Client::KeyFile(file.into()));
            Some(Login::OAuth2(OAuth2 { audience, scope, ..oauth2 }))
        }
        (None, None, None, None, None) => None,
        _ => {
            fields.fault(NEEDS);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::Secret;

    use super::*;

    fn cluster(query: &str) -> Result<ClusterConfig, String> {
        let url: ConnectorUrl = format!("pulsar://h:1/a?{query}").parse().expect("a URL");
        let mut fields = url.fields("pulsar");
        let cluster = read(&url, &mut fields);
        fields.finish().map(|()| cluster).map_err(|error| error.report())
    }

    fn with(security: Security) -> ClusterConfig {
        ClusterConfig { security, ..ClusterConfig::new("h:1") }
    }

    #[test]
    fn tls_and_every_login_are_read() {
        let identity = Identity::new("/c.pem", Secret::from_file("/k.pem"));
        let mutual = Security::tls().with_ca_file("/ca.pem").with_identity(identity);
        let mutually = "tls&ca_file=/ca.pem&certificate_file=/c.pem&key_file=/k.pem";
        assert_eq!(cluster(mutually), Ok(with(mutual)));
        let client = OAuth2Client::KeyFile("/client.json".into());
        let oauth2 = OAuth2 {
            audience: Some("a".to_owned()),
            scope: Some("s".to_owned()),
            ..OAuth2::new("https://issuer", client)
        };
        let logins = [
            ("token_env=T", Login::token(Secret::from_env("T"))),
            ("user=me&password_file=/p", Login::basic("me", Secret::from_file("/p"))),
            (
                "issuer_url=https://issuer&client_file=/client.json&audience=a&scope=s",
                Login::OAuth2(oauth2),
            ),
        ];
        for (query, login) in logins {
            let wanted = with(Security::tls().with_login(login));
            assert_eq!(cluster(&format!("tls=true&{query}")), Ok(wanted));
        }
        let careless = cluster("danger_accept_any_certificate").expect("it is right");
        assert!(careless.security.tls.is_some_and(|tls| tls.danger_accept_any_certificate));
    }

    #[test]
    fn half_a_login_and_secrets_are_refused() {
        let told = cluster("user=me&password=canary&token=canary").unwrap_err();
        assert!(!told.contains("canary"), "{told}");
        insta::assert_snapshot!(told, @r#"
        E0201 failed to use the URL pulsar://h:1/a?user=…&password=…&token=…: "token" must not stand in a URL; name a variable or a file: token_env=NAME or token_file=PATH; "password" must not stand in a URL; name a variable or a file: password_env=NAME or password_file=PATH; a login needs "token_file" or "token_env"; or "user", and "password_file" or "password_env"; or "issuer_url" and "client_file"
        Its fields are admin_url, listener_name, connect_timeout, operation_timeout, tls, ca_file, certificate_file, key_env, key_file, danger_accept_any_certificate, token_env, token_file, user, password_env, password_file, issuer_url, client_file, audience, scope.
        "#);
        insta::assert_snapshot!(cluster("token_env=T&user=me&certificate_file=/c").unwrap_err(), @r#"
        E0201 failed to use the URL pulsar://h:1/a?token_env=…&user=…&certificate_file=…: a certificate needs "certificate_file", and "key_file" or "key_env"; a login needs "token_file" or "token_env"; or "user", and "password_file" or "password_env"; or "issuer_url" and "client_file"
        Its fields are admin_url, listener_name, connect_timeout, operation_timeout, tls, ca_file, certificate_file, key_env, key_file, danger_accept_any_certificate, token_env, token_file, user, password_env, password_file, issuer_url, client_file, audience, scope.
        "#);
    }
}

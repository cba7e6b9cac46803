//! Connections to scripted servers, which do what no broker should.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;
use millstream_engine::Secret;

use super::*;
use crate::config::{Options, Tokens};
use crate::trouble::Cause;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Connects to a server that does this with its one connection, in clear or by TLS.
fn dial_one(
    security: Security,
    serve: impl FnOnce(TcpStream) + Send + 'static,
) -> (Result<Connection, Trouble>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || serve(listener.accept().expect("somebody comes").0));
    let mut config = SinkConfig::new("", "orders").with_setup_millis(1000);
    config.security = security;
    let start = Instant::now();
    let dialed = Dialer::new(&config, "net").dial(&at(to));
    assert!(start.elapsed() < LONG, "it took {:?}", start.elapsed());
    server.join().expect("the server does what it should");
    (dialed, to)
}

fn at(to: SocketAddr) -> Address {
    Address { host: to.ip().to_string(), port: to.port(), is_told: true }
}

impl SinkConfig {
    fn with_setup_millis(mut self, millis: u64) -> Self {
        let option = ("socket.connection.setup.timeout.ms".to_owned(), millis.to_string());
        self.options = Options([option].into());
        self
    }
}

/// The cause and the reason of a failure.
fn failure(security: Security, serve: impl FnOnce(TcpStream) + Send + 'static) -> (Cause, String) {
    let (dialed, to) = dial_one(security, serve);
    let trouble = dialed.expect_err("it is no broker");
    assert_eq!((trouble.address, trouble.is_told), (to.to_string(), true));
    (trouble.cause, trouble.reason)
}

fn in_clear(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let (cause, reason) = failure(Security::default(), serve);
    assert_eq!(cause, Cause::Connection);
    reason
}

/// Reads the request for versions; returns its correlation.
fn request(stream: &mut TcpStream) -> [u8; 4] {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a request");
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut request).expect("a whole request");
    request[4..8].try_into().expect("four bytes")
}

/// Waits until the other side hangs up.
fn drain(mut stream: TcpStream) {
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(LONG)).expect("a socket");
    drop(stream.read_to_end(&mut rest));
}

#[test]
fn answer_makes_a_connection() {
    let (dialed, _) = dial_one(Security::default(), |mut stream| {
        let correlation = request(&mut stream);
        let answer = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9];
        stream.write_all(&[0, 0, 0, 16]).expect("read");
        stream.write_all(&[&correlation[..], &answer[..]].concat()).expect("read");
    });
    let mut connection = dialed.expect("it is let in");
    assert_eq!(connection.versions.highest(0, 3..=11), Some(9));
    assert_eq!(connection.stream.read(&mut [0]).expect("it has hung up"), 0);
}

#[test]
fn what_is_missing_for_a_login_is_told() {
    let dial = |login| {
        let security = Security::default().with_login(login);
        let mut config = SinkConfig::new("", "orders").with_setup_millis(1000);
        config.security = security.clone();
        let address = Address { host: "127.0.0.1".to_owned(), port: 1, is_told: false };
        let trouble = Dialer::new(&config, "net").dial(&address).expect_err("it is missing");
        trouble.error_at_once("127.0.0.1:1", &security).report()
    };
    let tokens = Tokens::from_supplier(|| Err("the provider is away".into()));
    assert_snapshot!(dial(Login::oauth_bearer(tokens)), @r"
    E0122 failed to log in to Kafka at 127.0.0.1:1: there is no token: the provider is away
    It is asked for again, from 1 s up to 30 s after the last time.
    ");
    let gone = Secret::from_file("/no/such/password");
    assert_snapshot!(dial(Login::plain("orders", gone)), @r#"
    E0120 failed to log in to Kafka at 127.0.0.1:1 as user "orders" by PLAIN: failed to read a secret from the file /no/such/password: No such file or directory (os error 2)
    The password is from the file /no/such/password.
    "#);
    let strange = Secret::new("canary\0");
    assert_snapshot!(dial(Login::plain("orders", strange)), @r#"
    E0120 failed to log in to Kafka at 127.0.0.1:1 as user "orders" by PLAIN: the name of the user or the password has a zero byte
    The password is given by the program.
    "#);
}

#[test]
fn settings_of_tls_that_are_of_no_use_are_told() {
    let told = |key: &str, value: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = listener.local_addr().expect("it is bound");
        let mut config = SinkConfig::new("", "orders");
        config.security = Security::tls();
        config.options = Options([(key.to_owned(), value.to_owned())].into());
        let trouble = Dialer::new(&config, "net").dial(&at(to)).expect_err("it is of no use");
        assert_eq!(trouble.cause, Cause::Tls);
        trouble.reason
    };
    for key in ["ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list", "ssl.crl.location"] {
        let start = format!("the option \"{key}\" cannot be used: ");
        assert!(told(key, "/none/such").starts_with(&start), "{}", told(key, "/none/such"));
    }
}

#[test]
fn nobody_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = listener.local_addr().expect("it is bound");
    drop(listener);
    let dialer = Dialer::new(&SinkConfig::new("", "orders"), "net");
    let refused = dialer.dial(&at(to)).expect_err("nobody is there");
    assert_eq!((refused.cause, refused.reason.as_str()), (Cause::Connection, "connection refused"));
    let host = "no-such-host.invalid".to_owned();
    let trouble = dialer.dial(&Address { host, port: 1, is_told: false }).expect_err("no name");
    assert_eq!(trouble.address, "no-such-host.invalid:1");
    // Which of the two depends on whether this host can ask anybody.
    let expected = ["name or service not known", "temporary failure in name resolution"];
    assert!(expected.contains(&trouble.reason.as_str()), "{}", trouble.reason);
}

#[test]
fn silence_ends_in_time() {
    assert_snapshot!(in_clear(drain), @"the broker took the connection and does not answer");
    let (cause, reason) = failure(Security::tls(), drain);
    assert_eq!(cause, Cause::Tls);
    assert_snapshot!(reason, @"the broker took the connection and does not answer the handshake");
}

#[test]
fn slow_answers_end_in_time() {
    let reason = in_clear(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        // A promise of a megabyte, and a byte of it from time to time.
        let mut answer = [0, 16, 0, 0].into_iter().chain(std::iter::repeat(0));
        while stream.write_all(&[answer.next().expect("without end")]).is_ok() {
            drop(stream.read(&mut [0]));
        }
    });
    assert_snapshot!(reason, @"the broker took the connection and does not answer");
}

#[test]
fn hang_up_is_told() {
    let hung_up = in_clear(|mut stream| {
        request(&mut stream);
    });
    assert_snapshot!(hung_up, @"disconnected");
    let (cause, reason) = failure(Security::tls(), |mut stream| {
        // All of it is read, so that nothing is refused.
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("a hello");
        let n_bytes = u16::from_be_bytes([head[3], head[4]]);
        stream.read_exact(&mut vec![0; usize::from(n_bytes)]).expect("a whole hello");
        stream.shutdown(Shutdown::Write).expect("it is open");
    });
    assert_eq!(cause, Cause::Tls);
    assert_snapshot!(reason, @"disconnected: SSL connection closed by peer");
}

#[test]
fn strange_answers_are_told() {
    let answers: [(&[u8], bool); 4] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        // Two gigabytes; fewer bytes than the head has; versions that are not there.
        (&[0x7f, 0xff, 0xff, 0xff], true),
        (&[0, 0, 0, 3], true),
        (&[0, 0, 0, 10], true),
    ];
    for (start, is_head) in answers {
        let reason = in_clear(move |mut stream| {
            let correlation = request(&mut stream);
            stream.write_all(start).expect("read");
            if is_head {
                stream.write_all(&correlation).expect("read");
                stream.write_all(&[0, 0, 0x7f, 0xff, 0xff, 0xff]).expect("read");
            }
            drain(stream);
        });
        insta::allow_duplicates!(
            assert_snapshot!(reason, @"disconnected: the bytes are not what Kafka's protocol says")
        );
    }
    let of_another = in_clear(|mut stream| {
        request(&mut stream);
        stream.write_all(&[0, 0, 0, 10, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0]).expect("read");
        drain(stream);
    });
    assert_snapshot!(of_another, @"disconnected: the bytes are not what Kafka's protocol says");
    let (cause, reason) = failure(Security::tls(), |mut stream| {
        stream.write_all(b"SSH-2.0-no broker\r\n").expect("read");
        drain(stream);
    });
    assert_eq!(cause, Cause::Tls);
    assert_snapshot!(reason, @"wrong version number");
}

//! What a real broker cannot be made to do: sending on, standing behind a proxy, falling silent.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::Secret;

use super::peer::Peer;
use super::{config, reach, refusal, told};
use crate::config::{ClusterConfig, Login, Security};
use crate::net::cluster::Cluster;
use crate::net::{Trouble, runtime};
use crate::wire::proto::*;

const LONG: Duration = Duration::from_secs(20);

fn open(address: &str) -> ClusterConfig {
    config(address, Security::default())
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// A peer that serves every topic itself.
fn serving() -> Peer {
    let own = Arc::new(Mutex::new(String::new()));
    let named = Arc::clone(&own);
    let peer = Peer::play(move |mut talk| {
        let own = own.lock().expect("no panic").clone();
        async move {
            talk.let_in().await;
            talk.tell(|told| told.broker_service_url = Some(format!("pulsar://{own}"))).await;
            talk.stay().await;
        }
    });
    named.lock().expect("no panic").clone_from(&peer.address);
    peer
}

#[test]
fn lookup_is_sent_on_with_authority_and_listener() {
    let (say, asked) = mpsc::channel();
    let own = Arc::new(Mutex::new(String::new()));
    let named = Arc::clone(&own);
    let second = Peer::play(move |mut talk| {
        let (own, say) = (own.lock().expect("no panic").clone(), say.clone());
        async move {
            talk.let_in().await;
            let url = Some(format!("pulsar://{own}"));
            say.send(talk.tell(|told| told.broker_service_url = url).await).expect("it is heard");
            talk.stay().await;
        }
    });
    named.lock().expect("no panic").clone_from(&second.address);
    let url = format!("pulsar://{}", second.address);
    let first = Peer::play(move |mut talk| {
        let url = url.clone();
        async move {
            talk.let_in().await;
            talk.tell(|told| {
                told.response = Some(LookupType::Redirect.into());
                told.authoritative = Some(true);
                told.broker_service_url = Some(url);
            })
            .await;
            talk.stay().await;
        }
    });
    let mut config = open(&first.address);
    config.listener_name = Some("outside".to_owned());
    let found = reach(&config, "orders").expect("it is found");
    assert_eq!(found.broker(), second.address);
    let asked = asked.recv_timeout(LONG).expect("it is asked");
    assert_eq!(asked.advertised_listener_name.as_deref(), Some("outside"));
    assert!(asked.authoritative(), "the second broker decides");
}

#[test]
fn broker_behind_a_proxy_is_named_to_it() {
    let (say, named) = mpsc::channel();
    let proxy = Peer::play(move |mut talk| {
        let say = say.clone();
        async move {
            let connect = talk.let_in().await;
            if let Some(broker) = connect.proxy_to_broker_url {
                say.send(broker).expect("it is heard");
            } else {
                talk.tell(|told| {
                    told.broker_service_url = Some("pulsar://broker-7.inside:6650".to_owned());
                    told.proxy_through_service_url = Some(true);
                })
                .await;
            }
            talk.stay().await;
        }
    });
    let found = reach(&open(&proxy.address), "orders").expect("it is found");
    assert_eq!(found.broker(), proxy.address);
    assert_eq!(named.recv_timeout(LONG).expect("it is named"), "broker-7.inside:6650");
}

#[test]
fn wrong_advertised_address_is_told() {
    let nobody = nobody();
    let url = format!("pulsar://{nobody}");
    let peer = Peer::play(move |mut talk| {
        let url = url.clone();
        async move {
            talk.let_in().await;
            talk.tell(|told| told.broker_service_url = Some(url)).await;
            talk.stay().await;
        }
    });
    let error = refusal(&open(&peer.address));
    let changing = [(nobody.as_str(), "[told]"), (peer.address.as_str(), "[address]")];
    assert_snapshot!(told(&error, &changing), @r#"
    E0102 failed to reach Pulsar at "[told]", the address that the broker at [address] tells clients to use: connection refused
    Set `advertisedAddress` or `advertisedListeners` on the broker, or choose a listener with `listener_name`.
    "#);
}

#[test]
fn brokers_that_send_in_circles_are_given_up() {
    let own = Arc::new(Mutex::new(String::new()));
    let named = Arc::clone(&own);
    let peer = Peer::play(move |mut talk| {
        let own = own.lock().expect("no panic").clone();
        async move {
            talk.let_in().await;
            loop {
                talk.tell(|told| {
                    told.response = Some(LookupType::Redirect.into());
                    told.broker_service_url = Some(format!("pulsar://{own}"));
                })
                .await;
            }
        }
    });
    named.lock().expect("no panic").clone_from(&peer.address);
    let error = refusal(&open(&peer.address));
    assert_snapshot!(told(&error, &[(&peer.address, "[address]")]), @r#"
    E0101 failed to find the topic "orders": [address]: sent on 20 times
    Is that the port of the binary protocol (6650, with TLS 6651) and of a Pulsar broker?
    "#);
}

#[test]
fn next_address_is_tried() {
    let peer = serving();
    let config = open(&format!("pulsar://{},{}", nobody(), peer.address));
    assert_eq!(reach(&config, "orders").expect("it is found").broker(), peer.address);
}

#[test]
fn dead_broker_is_told() {
    let nobody = nobody();
    assert_snapshot!(told(&refusal(&open(&nobody)), &[(&nobody, "[address]")]), @r#"
    E0101 failed to find the topic "orders": [address]: connection refused
    Is a broker listening there, and is the URL right?
    "#);
}

#[test]
fn silent_broker_is_told_in_time() {
    // its queue takes connections, and nobody reads from them
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let start = Instant::now();
    let mut config = open(&address);
    config.connect_timeout = Duration::from_millis(200);
    assert_snapshot!(told(&refusal(&config), &[(&address, "[address]")]), @r#"
    E0101 failed to find the topic "orders": [address] did not answer a request for a login in time
    Is a broker listening there, and not stopped or overloaded?
    "#);
    config.security = Security::tls();
    assert_snapshot!(told(&refusal(&config), &[(&address, "[address]")]), @r#"
    E0134 failed to agree on TLS with Pulsar at [address]: the broker took the connection and does not answer the handshake
    Does the broker speak TLS on that port, and is nothing in between?
    "#);
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
}

#[test]
fn broker_that_answers_no_lookup_is_told_in_time() {
    let peer = Peer::play(|mut talk| async move {
        talk.let_in().await;
        talk.stay().await;
    });
    let mut config = open(&peer.address);
    config.operation_timeout = Duration::from_millis(200);
    assert_snapshot!(told(&refusal(&config), &[(&peer.address, "[address]")]), @r#"
    E0101 failed to find the topic "orders": [address] did not answer a request for a lookup in time
    Is a broker listening there, and not stopped or overloaded?
    "#);
}

#[test]
fn answer_in_tls_is_told() {
    let peer = Peer::play(|mut talk| async move {
        talk.next().await;
        // an alert
        talk.say_bytes(&[0x15, 3, 3, 0, 2, 2, 80]).await;
        talk.stay().await;
    });
    let error = refusal(&open(&peer.address));
    assert_snapshot!(told(&error, &[(&peer.address, "[address]")]), @r#"
    E0134 failed to agree on TLS with Pulsar at [address]: it wants TLS, and we spoke in the clear
    Set `Security::tls()`, or write the address as `pulsar+ssl://HOST:PORT`.
    "#);
}

#[test]
fn connections_end_with_their_cluster() {
    let (say, ended) = mpsc::channel();
    let peer = Peer::play(move |mut talk| {
        let say = say.clone();
        async move {
            talk.let_in().await;
            talk.stay().await;
            say.send(()).expect("it is heard");
        }
    });
    let config =
        ClusterConfig { operation_timeout: Duration::from_millis(50), ..open(&peer.address) };
    let cluster = Cluster::new(&config);
    let asked = runtime::handle().block_on(cluster.n_partitions("orders"));
    assert!(matches!(asked, Err(Trouble::Silent { .. })), "{asked:?}");
    assert!(ended.try_recv().is_err(), "it lives as long as the cluster");
    drop(cluster);
    ended.recv_timeout(LONG).expect("the client hangs up");
}

/// A peer that lets a client in, and then asks once more who it is; it says how the client has come and what it answers.
fn asking() -> (Peer, mpsc::Receiver<Option<Command>>) {
    let (say, answers) = mpsc::channel();
    let peer = Peer::play(move |mut talk| {
        let say = say.clone();
        async move {
            let connect = talk.let_in().await;
            say.send(Some(Command::Connect(connect))).expect("it is heard");
            let challenge = AuthData {
                auth_method_name: Some("token".to_owned()),
                auth_data: Some(b"PulsarAuthRefresh".to_vec()),
            };
            talk.say(Command::AuthChallenge(CommandAuthChallenge {
                server_version: None,
                challenge: Some(challenge),
                protocol_version: None,
            }))
            .await;
            loop {
                let answer = talk.next().await;
                // the lookup that the test asks is not answered
                if !matches!(answer, Some(Command::Lookup(_))) {
                    say.send(answer).expect("it is heard");
                    return talk.stay().await;
                }
            }
        }
    });
    (peer, answers)
}

/// A login with tokens of numbers that count up.
fn counting() -> (Login, Arc<AtomicU32>) {
    let n_calls = Arc::new(AtomicU32::new(0));
    let calls = Arc::clone(&n_calls);
    let login = Login::token_from(move || match calls.fetch_add(1, Ordering::SeqCst) {
        n @ 0..2 => Ok(Secret::new(format!("token-{n}"))),
        _ => Err("there are no more".into()),
    });
    (login, n_calls)
}

#[test]
fn challenge_is_answered_with_a_fresh_token() {
    let (peer, answers) = asking();
    let (login, _) = counting();
    let config = config(&peer.address, Security::default().with_login(login));
    let config = ClusterConfig { operation_timeout: Duration::from_secs(3), ..config };
    let asked = std::thread::spawn(move || reach(&config, "orders"));
    let Ok(Some(Command::Connect(connect))) = answers.recv_timeout(LONG) else {
        panic!("no login")
    };
    assert_eq!(connect.auth_method_name.as_deref(), Some("token"));
    assert_eq!(connect.auth_data.as_deref(), Some(&b"token-0"[..]));
    assert_eq!(connect.feature_flags.and_then(|flags| flags.supports_auth_refresh), Some(true));
    let Ok(Some(Command::AuthResponse(answer))) = answers.recv_timeout(LONG) else {
        panic!("no answer")
    };
    let response = answer.response.expect("a response");
    assert_eq!(response.auth_method_name.as_deref(), Some("token"));
    assert_eq!(response.auth_data.as_deref(), Some(&b"token-1"[..]));
    let silent = asked.join().expect("it ends").expect_err("it is not answered");
    assert!(matches!(silent, Trouble::Silent { .. }), "{silent:?}");
}

#[test]
fn challenge_without_a_token_ends_the_connection() {
    let (peer, answers) = asking();
    let (login, n_calls) = counting();
    n_calls.store(1, Ordering::SeqCst);
    let error = refusal(&config(&peer.address, Security::default().with_login(login)));
    assert_snapshot!(told(&error, &[(&peer.address, "[address]")]), @r#"
    E0122 failed to log in to Pulsar at [address]: there is nothing to log in with: there are no more
    It is asked for again with each try to connect.
    "#);
    let connect = answers.recv_timeout(LONG).expect("a login");
    assert!(matches!(connect, Some(Command::Connect(_))));
    assert_eq!(answers.recv_timeout(LONG).expect("an end"), None);
}

#[test]
fn supplier_that_hangs_is_told_in_time() {
    let (peer, _answers) = asking();
    let (_never, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let hanging = Login::token_from(move || {
        gate.lock().expect("one caller").recv()?;
        Err("never".into())
    });
    let mut config = config(&peer.address, Security::default().with_login(hanging));
    config.connect_timeout = Duration::from_millis(200);
    let start = Instant::now();
    assert_snapshot!(told(&refusal(&config), &[(&peer.address, "[address]")]), @r#"
    E0122 failed to log in to Pulsar at [address]: there is nothing to log in with: the supplier has not answered yet
    It is asked for again with each try to connect.
    "#);
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
}

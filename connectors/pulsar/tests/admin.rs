//! Topics and namespaces are made, looked at and deleted, and what the cluster refuses is told.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use millstream_engine::error::{Error, ErrorKind, codes};
use millstream_pulsar::{ClusterConfig, Namespaces, NewNamespace, NewTopic, Topics};

/// The admin API to test with. Where there is none the test is skipped, which must not happen unseen on CI.
#[expect(clippy::print_stdout, reason = "a skipped test must be seen")]
fn admin_url() -> Option<String> {
    let url = std::env::var("MILLSTREAM_TEST_PULSAR_HTTP").ok();
    if url.is_none() {
        assert!(std::env::var_os("CI").is_none(), "MILLSTREAM_TEST_PULSAR_HTTP must be set on CI");
        println!("SKIPPED: MILLSTREAM_TEST_PULSAR_HTTP is not set");
    }
    url
}

/// A name that no other test has.
fn fresh(what: &str) -> String {
    static N_NAMES: AtomicU32 = AtomicU32::new(0);
    let started = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_micros();
    format!("{what}-{started}-{}", N_NAMES.fetch_add(1, Ordering::Relaxed))
}

fn told(error: &Error, changing: &[(&str, &str)]) -> String {
    changing.iter().fold(error.report(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn topics_are_made_widened_and_deleted() {
    let Some(url) = admin_url() else { return };
    let (topics, name) = (Topics::new(&url), fresh("made"));
    assert_eq!(topics.n_partitions(&name).expect("an answer"), None);
    let new = NewTopic::new(&name, 2);
    assert!(topics.create(&new).expect("it is made"));
    assert!(!topics.create(&new).expect("it is there"));
    assert!(topics.exists(&name).expect("an answer"));
    topics.add_partitions(&name, 5).expect("it gets more");
    topics.add_partitions(&name, 5).expect("it has them");
    let whole = format!("persistent://public/default/{name}");
    assert_eq!(topics.n_partitions(&whole).expect("an answer"), Some(5));
    assert_eq!(topics.n_partitions(&format!("{name}-partition-4")).expect("an answer"), Some(0));
    assert!(topics.delete(&name).expect("it is deleted"));
    assert!(!topics.delete(&name).expect("it is gone"));
    assert!(!topics.exists(&name).expect("an answer"));
}

#[test]
fn topic_without_partitions_is_made_and_deleted() {
    let Some(url) = admin_url() else { return };
    let config = ClusterConfig { admin_url: Some(url), ..ClusterConfig::new("127.0.0.1:1") };
    let topics = Topics::of(&config).expect("the URL is there");
    for name in [fresh("single"), fresh("odd name %&?#ü")] {
        assert!(topics.create(&NewTopic::new(&name, 0)).expect("it is made"));
        assert!(!topics.create(&NewTopic::new(&name, 0)).expect("it is there"));
        assert_eq!(topics.n_partitions(&name).expect("an answer"), Some(0));
        let stats = topics.stats(&name).expect("an answer").expect("it exists");
        assert!(stats.subscriptions.is_empty());
        assert!(topics.delete(&name).expect("it is deleted"));
        assert_eq!(topics.stats(&name).expect("an answer"), None);
    }
}

#[test]
fn namespaces_are_made_and_deleted() {
    let Some(url) = admin_url() else { return };
    let namespaces = Namespaces::new(&url);
    for is_on in [Some(true), Some(false), None] {
        let name = format!("public/{}", fresh("space"));
        assert!(!namespaces.exists(&name).expect("an answer"));
        let new = NewNamespace::new(&name);
        let new = is_on.map_or(new.clone(), |is_on| new.with_deduplication(is_on));
        assert!(namespaces.create(&new).expect("it is made"));
        assert!(!namespaces.create(&new).expect("it is there"));
        assert_eq!(namespaces.deduplication(&name).expect("an answer"), is_on);
        namespaces.set_deduplication(&name, true).expect("it is set");
        assert_eq!(namespaces.deduplication(&name).expect("an answer"), Some(true));
        let topics = Topics::new(&url);
        let topic = format!("{name}/orders");
        assert!(topics.create(&NewTopic::new(&topic, 0)).expect("it is made"));
        assert!(topics.delete(&topic).expect("it is deleted"));
        assert!(namespaces.delete(&name).expect("it is deleted"));
        assert!(!namespaces.delete(&name).expect("it is gone"));
        assert!(!namespaces.exists(&name).expect("an answer"));
    }
}

#[test]
fn refusals_tell_their_reason() {
    let Some(url) = admin_url() else { return };
    let (topics, name) = (Topics::new(&url), fresh("refused"));
    assert!(topics.create(&NewTopic::new(&name, 4)).expect("it is made"));
    let fewer = topics.add_partitions(&name, 3).expect_err("none is taken away");
    assert_snapshot!(told(&fewer, &[(&name, "[topic]")]), @r#"
    E0201 failed to give the topic "[topic]" 3 partitions: it has 4
    Pulsar takes none away.
    "#);
    assert!(topics.delete(&name).expect("it is deleted"));
    let gone = topics.add_partitions(&name, 5).expect_err("it is gone");
    assert_snapshot!(told(&gone, &[(&name, "[topic]")]), @r#"E0110 failed to give the topic "[topic]" 5 partitions: it does not exist"#);
    let nowhere = topics.create(&NewTopic::new("public/no-such-namespace/orders", 1));
    assert_snapshot!(nowhere.expect_err("there is no such namespace").report(), @r#"E0110 failed to create the topic "public/no-such-namespace/orders": the admin API answers 404: Namespace not found"#);
    let odd = topics.exists("a/b").expect_err("it is no name");
    assert_eq!(odd.code(), codes::INVALID_TOPIC);
    let namespaces = Namespaces::new(&url);
    let orphan = namespaces.create(&NewNamespace::new("no-such-tenant/orders"));
    assert_snapshot!(orphan.expect_err("there is no such tenant").report(), @r#"E0110 failed to create the namespace "no-such-tenant/orders": the admin API answers 404: Tenant does not exist"#);
    let full = namespaces.delete("public").expect_err("it is no namespace");
    assert_snapshot!(full.report(), @r#"E0201 failed to delete the namespace "public": a namespace is `TENANT/NAMESPACE`"#);
}

/// A server that gives one answer to whoever comes.
fn answering(answer: impl Into<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answer = answer.into();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend_from_slice(&byte);
            }
            // the client may have heard enough
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    url
}

#[test]
fn call_is_sent_on_to_the_broker_of_the_topic() {
    let second = answering("HTTP/1.1 200 x\r\ncontent-length: 16\r\n\r\n{\"partitions\":3}");
    let redirect = format!("HTTP/1.1 307 x\r\nlocation: {second}/x\r\ncontent-length: 0\r\n\r\n");
    let first = answering(redirect);
    let topics = Topics::new(&first);
    assert_eq!(topics.n_partitions("orders").expect("an answer"), Some(3));
}

#[test]
fn answer_without_an_end_is_refused() {
    let url = answering(format!("HTTP/1.1 200 x\r\n\r\n{}", "x".repeat(17 << 20)));
    let error = Topics::new(&url).n_partitions("orders").expect_err("it is too long");
    let address = url.replace("http://", "");
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0101 failed to look up the topic "orders": [address]: length limit exceeded
    Is that the port of the binary protocol (6650, with TLS 6651) and of a Pulsar broker?
    "#);
}

#[test]
fn missing_admin_is_told_in_time() {
    let none = Topics::of(&ClusterConfig::new("127.0.0.1:1")).expect_err("no URL");
    assert_snapshot!(none.report(), @r#"
    E0201 failed to use the admin API: the setting `admin_url` is not there
    It is `http://HOST:8080`, or `https://HOST:8443`.
    "#);
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let away = Topics::new(format!("http://{free}")).exists("orders").expect_err("nobody is there");
    assert_snapshot!(told(&away, &[(&free.to_string(), "[address]")]), @r#"
    E0101 failed to look up the topic "orders": [address]: connection refused
    Is a broker listening there, and is the URL right?
    "#);
    // its queue takes connections, and nobody reads from them
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let (start, limit) = (Instant::now(), Duration::from_millis(300));
    let topics = Topics::new(format!("http://{address}")).with_timeout(limit);
    let error = topics.exists("orders").expect_err("nobody answers");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_snapshot!(told(&error, &[(&address, "[address]")]), @r#"
    E0101 failed to look up the topic "orders": [address] did not answer a request for a page in time
    Is a broker listening there, and not stopped or overloaded?
    "#);
    let odd = Topics::new("pulsar://a:1").exists("orders").expect_err("it is no admin API");
    assert_snapshot!(odd.report(), @r#"E0201 failed to look up the topic "orders": "pulsar://a:1/admin/v2/persistent/public/default/orders/partitions" is not `http://HOST` or `https://HOST`"#);
}

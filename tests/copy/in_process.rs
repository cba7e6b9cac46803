//! Copies within this process, on the embedded broker.

use std::sync::Mutex;

use millstream::Config;
use millstream::batch::OwnedRecord;
use millstream::copy::Copying;
use millstream::registry::Registry;

use crate::support::{contents, copy, every_kind, filled, url};

#[test]
fn memory_to_memory_keeps_every_kind_of_record() {
    let broker = filled(&every_kind());
    let copying = Copying::new(url("memory:in"), url("memory:out"));
    let copied = copy(&broker, &copying).expect("it ends by itself");
    assert_eq!((copied.read, copied.written, copied.errors), (5, 5, 0));
    assert_eq!(contents(broker.records("out").expect("it was made")), contents(every_kind()));
}

#[test]
fn next_copy_of_the_same_name_goes_on() {
    let broker = filled(&every_kind());
    let copying = Copying::new(url("memory:in"), url("memory:out"));
    copy(&broker, &copying).expect("it ends by itself");
    broker.producer("in").and_then(|mut to| to.send(OwnedRecord::of("new"))).expect("it has room");
    assert_eq!(copy(&broker, &copying).expect("it ends by itself").written, 1);
    let all_again = copying.with_name("another");
    assert_eq!(copy(&broker, &all_again).expect("it ends by itself").written, 6);
}

#[test]
fn json_field_says_the_topic() {
    let records = [
        r#"{"country":"de"}"#,
        r#"{"country":7}"#,
        r#"{"country":"de","x":1}"#,
        r#"{"country":null}"#,
        r#"{"town":"ulm"}"#,
        "no JSON",
        r#"{"country":""}"#,
    ];
    let broker = filled(&records.map(OwnedRecord::of));
    let copying = Copying::new(url("memory:in"), url("memory:to.*?creation=1"))
        .with_route_by("country")
        .with_errors(url("memory:errors"));
    let copied = copy(&broker, &copying).expect("what has no topic is set aside");
    assert_eq!((copied.read, copied.written, copied.errors), (7, 3, 4));
    let texts = |topic| {
        let written = broker.records(topic).expect("it was made");
        let mut texts: Vec<_> =
            written.iter().filter_map(|r| r.text().map(str::to_owned)).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts("to.de"), [records[2], records[0]]);
    assert_eq!(texts("to.7"), [records[1]]);
    assert_eq!(texts("errors"), ["no JSON", records[6], records[3], records[4]]);
    let letter = &broker.records("errors").expect("it was made")[0];
    assert!(
        letter.headers.contains(&("millstream-error-code".to_owned(), Some(b"E0118".to_vec())))
    );
}

#[test]
fn refused_records_are_set_aside_and_not_counted_as_written() {
    let broker =
        filled(&["a", "b", "c"].map(|key| OwnedRecord::of("{\"to\":\"x\"}").with_key(key)));
    let copying = Copying::new(url("memory:in"), url("memory:?topics=y"))
        .with_route_by("to")
        .with_errors(url("memory:errors"));
    let copied = copy(&broker, &copying).expect("refused records are set aside");
    assert_eq!((copied.read, copied.written, copied.errors), (3, 0, 3));
    assert_eq!(broker.len("errors").expect("it was made"), 3);
}

#[test]
fn direct_style_stops_at_the_first_failure() {
    let broker = filled(&[OwnedRecord::of("no JSON")]);
    let copying = Copying::new(url("memory:in"), url("memory:to.*")).with_route_by("country");
    let stopped = copy(&broker, &copying).expect_err("a record says no topic");
    assert_eq!(stopped.code().to_string(), "E0118");
}

#[test]
fn one_who_watches_is_told_the_end_of_a_failed_copy() {
    let broker = filled(&[OwnedRecord::of("no JSON")]);
    let copying = Copying::new(url("memory:in"), url("memory:to.*")).with_route_by("country");
    let registry = Registry::new().with_broker(&broker).until_end();
    let told = Mutex::new(Vec::new());
    let watch = |so_far| told.lock().expect("nobody panics").push(so_far);
    copying.run(&registry, Config::default(), watch).expect_err("a record says no topic");
    assert!(!told.into_inner().expect("nobody panics").is_empty());
}

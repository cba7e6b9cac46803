//! The graph of a dataflow shows the steps as the program wrote them, whatever runs fused, and what each sink guarantees.

use std::sync::{Arc, Mutex};

use millstream_engine::batch::Record;
use millstream_engine::flow::{Carries, Guarantee};
use millstream_engine::source::FromFn;
use millstream_engine::testing::{TestSink, TestSource};
use millstream_engine::{Dataflow, sink, source};
use millstream_operators::prelude::*;

/// Error streams, dead letters, routing, a branch, a merge, and a source that cannot be read again.
fn everything() -> Dataflow {
    Dataflow::new("everything", |flow| {
        let parse =
            |text: Record<'_>| String::from_utf8_lossy(text.value_or_empty()).parse::<i64>();
        let (numbers, bad) = flow
            .source("file", TestSource::new(["1", "x"]))
            .try_map(parse)
            .named("parse")
            .filter(|n| *n != 0)
            .named("not-zero")
            .split_errors();
        let more = flow
            .source("spring", source::from_iter(["2"]))
            .try_map(parse)
            .named("parse-more")
            .errors_fail()
            .boxed();
        let (even, odd) = numbers.merge(more).named("all").branch(|n| n % 2 == 0);
        let undelivered = even
            .named("even?")
            .rebalance()
            .named("spread")
            .encode(|n, out| {
                out.value(n.to_string().as_bytes());
                Ok::<_, std::convert::Infallible>(())
            })
            .named("write")
            .errors_fail()
            .to_topic(|_, topic| topic.push_str("evens"))
            .named("choose")
            .errors_fail()
            .sink_with_errors("topics", TestSink::new());
        odd.for_each(drop);
        bad.merge(undelivered).named("all-bad").dead_letters("rejected", TestSink::new());
        flow.source("ticks", source::from_iter(["t"])).sink("screen", sink::from_fn(|_| Ok(())));
    })
}

/// The text without the lines of this file, which move with every edit.
fn without_lines(text: &str) -> String {
    let mut parts = text.split("operators/tests/graph.rs:");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("LINE");
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    kept
}

#[test]
fn text_shows_steps_edges_and_guarantees() {
    let graph = everything().graph().expect("no fault");
    insta::assert_snapshot!(without_lines(&graph.to_string()), @r#"
    dataflow "everything"
    file (source from test)
      -> parse
    parse (try_map)
      -> not-zero
    not-zero (filter)
      -> all
      => errors to all-bad
    spring (source from own)
      -> parse-more
    parse-more (try_map)
      -> all
    all (merge)
      -> even?
    even? (branch)
      -> spread
      -> for_each@LINE
    spread (rebalance)
      -> write
    write (encode)
      -> choose
    choose (to_topic)
      -> topics
    topics (sink to test a list, at most once)
      => errors to all-bad
    for_each@LINE (for_each)
    all-bad (merge)
      -> encode@LINE
    encode@LINE (encode)
      -> rejected
    rejected (sink to test a list, at most once)
    ticks (source from own)
      -> screen
    screen (sink to own code, at most once)
    "#);
}

#[test]
fn mermaid_shows_errors_on_dotted_edges() {
    let graph = everything().graph().expect("no fault");
    insta::assert_snapshot!(without_lines(&graph.to_mermaid()), @r#"
    flowchart LR
        s0(["file<br/>source from test"])
        s1["parse<br/>try_map"]
        s2["not-zero<br/>filter"]
        s3(["spring<br/>source from own"])
        s4["parse-more<br/>try_map"]
        s5["all<br/>merge"]
        s6["even?<br/>branch"]
        s7["spread<br/>rebalance"]
        s8["write<br/>encode"]
        s9["choose<br/>to_topic"]
        s10(["topics<br/>sink to test a list, at most once"])
        s11["for_each@LINE<br/>for_each"]
        s12["all-bad<br/>merge"]
        s13["encode@LINE<br/>encode"]
        s14(["rejected<br/>sink to test a list, at most once"])
        s15(["ticks<br/>source from own"])
        s16(["screen<br/>sink to own code, at most once"])
        s0 --> s1
        s1 --> s2
        s3 --> s4
        s2 --> s5
        s4 --> s5
        s5 --> s6
        s6 --> s7
        s7 --> s8
        s8 --> s9
        s9 --> s10
        s6 --> s11
        s2 -. errors .-> s12
        s10 -. errors .-> s12
        s12 --> s13
        s13 --> s14
        s15 --> s16
    "#);
}

#[test]
fn json_reads_back_with_all_of_it() {
    let graph = everything().graph().expect("no fault");
    let read: serde_json::Value = serde_json::from_str(&graph.to_json()).expect("it is JSON");
    assert_eq!(read["dataflow"], "everything");
    let names = |field: &str| -> Vec<&str> {
        let steps = read["steps"].as_array().expect("a list");
        steps.iter().filter_map(|step| step[field].as_str()).collect()
    };
    assert_eq!(names("name").len(), graph.steps.len());
    assert_eq!(names("connector"), ["test", "own", "test", "test", "own", "own"]);
    assert_eq!(names("guarantee"), ["at_most_once", "at_most_once", "at_most_once"]);
    let errors: Vec<_> = graph.edges.iter().filter(|e| e.carries == Carries::Errors).collect();
    for edge in errors {
        let written = serde_json::json!({"from": edge.from, "to": edge.to, "carries": "errors"});
        assert!(read["edges"].as_array().expect("a list").contains(&written));
    }
}

#[test]
fn guarantee_is_that_of_the_weakest_source() {
    let guarantee = |sources: Vec<FromFn>| {
        let sources = Arc::new(Mutex::new(sources));
        let flow = Dataflow::new("weakest", move |flow| {
            let mut sources = std::mem::take(&mut *sources.lock().expect("no panic")).into_iter();
            let first = flow.source("first", sources.next().expect("there are two"));
            let second = flow.source("second", sources.next().expect("there are two")).boxed();
            first.boxed().merge_all(vec![second]).sink("out", TestSink::new());
        });
        flow.graph().expect("no fault").steps.last().expect("the sink").guarantee
    };
    let safe = || source::from_iter(["a"]).replayable();
    assert_eq!(guarantee(vec![safe(), safe()]), Some(Guarantee::AtLeastOnce));
    assert_eq!(guarantee(vec![safe(), source::from_iter(["b"])]), Some(Guarantee::AtMostOnce));
}

#[test]
fn names_are_quoted_for_mermaid() {
    let flow = Dataflow::new("quotes", |flow| {
        flow.source("a \"b\" <c> #1", TestSource::new(["x"])).sink("out", TestSink::new());
    });
    let drawn = flow.graph().expect("no fault").to_mermaid();
    assert!(drawn.contains("s0([\"a #quot;b#quot; #lt;c#gt; #35;1<br/>"), "{drawn}");
}

#[test]
fn graph_with_faults_is_told_not_drawn() {
    let flow = Dataflow::new("loose", |flow| drop(flow.source("in", TestSource::new(["x"]))));
    let error = flow.graph().expect_err("the stream leads nowhere");
    assert!(error.report().contains("the stream of step \"in\" leads nowhere"), "{error:?}");
}

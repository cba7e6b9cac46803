//! Sources from async streams: what is handed out and when, bounds, errors, the end, panics, and a stop.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use millstream_engine::error::codes;
use millstream_engine::testing::{TestSink, run_on};
use millstream_engine::{Config, Dataflow, Error, ErrorKind, io, run, source, start};

/// Yields what a closure says, as ready as it says.
struct From<F>(F);

impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin> Stream for From<F> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        (self.0)(cx)
    }
}

/// `n` numbers, with a pause of the task after every `together`.
fn numbers(n: usize, together: usize) -> impl Stream<Item = (String, String)> + Send + 'static {
    let (mut next, mut paused) = (0, false);
    From(move |cx: &mut Context<'_>| {
        if next % together == 0 && !std::mem::replace(&mut paused, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        paused = false;
        next += 1;
        Poll::Ready((next <= n).then(|| (format!("k{}", next % 7), format!("{:06}", next - 1))))
    })
}

fn expected(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{i:06}")).collect()
}

#[test]
fn items_of_a_stream_arrive_once_in_order() {
    run_on([1, 2, 4], |config| {
        for together in [1, 3, 5000] {
            let sink = TestSink::new();
            let to = sink.clone();
            let flow = Dataflow::new("own", move |flow| {
                flow.source("in", source::from_stream(numbers(10_000, together)))
                    .sink("out", to.clone());
            });
            run(&flow, config.clone()).expect("nothing fails");
            assert_eq!(sink.texts(), expected(10_000));
            let last = sink.records().pop().expect("there are some");
            assert_eq!(last.position, 9_999);
            let origin = last.origin.expect("every record has one");
            assert_eq!((&*origin.connector, &*origin.topic, origin.partition), ("own", "in", 0));
        }
    });
}

#[test]
fn stream_that_is_replayed_goes_on_where_it_stopped() {
    let (sink, folder) = (TestSink::new(), tempfile::tempdir().expect("a folder"));
    for n_items in [5000, 7000] {
        let to = sink.clone();
        let flow = Dataflow::new("own", move |flow| {
            let items = source::from_stream(numbers(n_items, 100_000)).replayable();
            flow.source("in", items).sink("out", to.clone());
        });
        let config = Config { state_dir: Some(folder.path().into()), ..Config::default() };
        run(&flow, config).expect("nothing fails");
    }
    assert_eq!(sink.texts(), expected(7000));
}

fn await_first(sink: &TestSink) {
    let begin = Instant::now();
    while sink.is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the item never came");
        std::thread::yield_now();
    }
}

#[test]
fn item_does_not_wait_for_the_next_one() {
    let sink = TestSink::new();
    let to = sink.clone();
    let flow = Dataflow::new("own", move |flow| {
        let mut items = VecDeque::from(["only"]);
        let one = From(move |_: &mut Context<'_>| match items.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None => Poll::Pending,
        });
        flow.source("in", source::from_stream(one)).sink("out", to.clone());
    });
    let handle = start(&flow, Config::default()).expect("it starts");
    await_first(&sink);
    handle.stop();
    handle.wait().expect("a stream that waits is no reason not to stop");
    assert_eq!(sink.texts(), ["only"]);
}

/// Says when it is dropped.
struct Dropped(std::sync::mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(()).unwrap_or_default();
    }
}

#[test]
fn stopped_source_drops_its_stream() {
    let (sink, (gone, dropped)) = (TestSink::new(), std::sync::mpsc::channel());
    let (to, gone) = (sink.clone(), Arc::new(Mutex::new(Some(gone))));
    let flow = Dataflow::new("own", move |flow| {
        let (gone, mut guard) = (Arc::clone(&gone), None);
        let endless = From(move |_: &mut Context<'_>| {
            if guard.is_some() {
                return Poll::Pending;
            }
            guard = gone.lock().expect("no panic").take().map(Dropped);
            Poll::Ready(Some("polled"))
        });
        flow.source("in", source::from_stream(endless)).sink("out", to.clone());
    });
    let handle = start(&flow, Config::default()).expect("it starts");
    await_first(&sink);
    assert!(dropped.try_recv().is_err(), "it is polled still");
    handle.stop();
    handle.wait().expect("it stops");
    dropped.recv_timeout(Duration::from_secs(30)).expect("the runtime drops it");
}

#[test]
fn busy_dataflow_holds_the_stream_back() {
    const ITEM: usize = 1 << 10;
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polled);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let flow = Dataflow::new("own", move |flow| {
        let (counted, gate) = (Arc::clone(&counted), Arc::clone(&gate));
        let endless = From(move |_: &mut Context<'_>| {
            counted.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(vec![b'x'; ITEM]))
        });
        let shut = millstream_engine::sink::from_fn(move |_| {
            // held until the test lets go of the other end
            gate.lock().expect("no panic").recv().unwrap_or_default();
            Ok(())
        });
        flow.source("in", source::from_stream(endless)).sink("out", shut);
    });
    let handle = start(&flow, Config::default()).expect("it starts");
    let begin = Instant::now();
    let mut before = usize::MAX;
    loop {
        std::thread::park_timeout(Duration::from_millis(300));
        let now = polled.load(Ordering::Relaxed);
        if now > 0 && now == before {
            break;
        }
        assert!(now * ITEM < 64 << 20, "{now} items were taken ahead");
        before = now;
        assert!(begin.elapsed() < Duration::from_secs(30), "the stream is polled without end");
    }
    drop(open);
    handle.stop();
    handle.wait().expect("it stops");
}

/// Two items, an error, one more item.
fn flaky() -> impl Stream<Item = Result<&'static str, std::io::Error>> + Send + 'static {
    let mut items = VecDeque::from([Ok("1"), Ok("2"), Err("the line is bad"), Ok("3")]);
    From(move |_: &mut Context<'_>| {
        Poll::Ready(items.pop_front().map(|item| item.map_err(std::io::Error::other)))
    })
}

#[test]
fn error_comes_after_what_was_ready_before_it() {
    let (sink, failures) = (TestSink::new(), Arc::new(Mutex::new(Vec::new())));
    let (to, seen) = (sink.clone(), Arc::clone(&failures));
    let flow = Dataflow::new("own", move |flow| {
        let seen = Arc::clone(&seen);
        let (records, errors) = flow.source_with_errors("in", source::try_from_stream(flaky()));
        records.sink("out", to.clone());
        errors.for_each(move |error| seen.lock().expect("no panic").push(error.error));
    });
    run(&flow, Config::default()).expect("the source goes on");
    assert_eq!(sink.texts(), ["1", "2", "3"]);
    let failures = failures.lock().expect("no panic");
    assert_eq!(failures.len(), 1);
    insta::assert_snapshot!(failures[0], @"failed to read from a source of the program's own: the line is bad");
}

#[test]
fn error_of_the_engine_keeps_its_kind() {
    let flow = Dataflow::new("own", |flow| {
        let denied = From(|_: &mut Context<'_>| {
            let error = Error::new(ErrorKind::Denied, codes::UNREACHABLE, "enter");
            Poll::Ready(Some(Err::<&str, Error>(error)))
        });
        flow.source("in", source::try_from_stream(denied)).sink("out", TestSink::new());
    });
    let error = run(&flow, Config::default()).expect_err("nobody takes errors");
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[test]
fn panic_of_a_stream_stops_the_dataflow() {
    let sink = TestSink::new();
    let to = sink.clone();
    let flow = Dataflow::new("own", move |flow| {
        let mut n_polls = 0;
        let fragile = From(move |_: &mut Context<'_>| {
            n_polls += 1;
            assert!(n_polls <= 3, "poll {n_polls} was one too many");
            Poll::Ready(Some(n_polls.to_string()))
        });
        let (records, errors) = flow.source_with_errors("in", source::from_stream(fragile));
        records.sink("out", to.clone());
        errors.for_each(|_| {});
    });
    let error = run(&flow, Config::default()).expect_err("a panic is no error record");
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert!(error.report().contains("poll 4 was one too many"), "{}", error.report());
}

#[test]
fn stream_is_polled_on_the_runtime() {
    let sink = TestSink::new();
    let to = sink.clone();
    let flow = Dataflow::new("own", move |flow| {
        let mut tasks = VecDeque::from([None, None]);
        let spawned = From(move |cx: &mut Context<'_>| {
            let Some(task) = tasks.front_mut() else { return Poll::Ready(None) };
            let here = std::thread::current().name().map(str::to_owned);
            let task = task.get_or_insert_with(|| {
                let handle = io::handle().expect("it runs: it polls this");
                handle.spawn(async { here.unwrap_or_default() })
            });
            let name = std::task::ready!(Pin::new(task).poll(cx)).expect("no panic");
            tasks.pop_front();
            Poll::Ready(Some(name))
        });
        flow.source("in", source::from_stream(spawned)).sink("out", to.clone());
    });
    run(&flow, Config::default()).expect("nothing fails");
    assert_eq!(sink.len(), 2);
    assert!(sink.texts().iter().all(|name| name.starts_with("millstream-io-")));
}

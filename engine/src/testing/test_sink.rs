//! A sink that keeps what it is given, and can stall, hold confirmations back, or reject.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::{OwnedRecord, RecordBatch};
use crate::error::{Error, ErrorKind, Result, codes};
use crate::runtime::Wake;
use crate::sink::{Rejected, Sink, SinkCapabilities, Writer, WriterContext};

type Judge = Arc<dyn Fn(&OwnedRecord) -> Option<String> + Send + Sync>;

#[derive(Default)]
struct State {
    records: Vec<OwnedRecord>,
    stalled: bool,
    holding: bool,
    judge: Option<Judge>,
    max_bytes: Option<usize>,
    wakes: Vec<Wake>,
}

impl State {
    /// Why a record is rejected, if it is.
    fn refusal(&self, record: &OwnedRecord, n_bytes: usize) -> Option<Error> {
        let refused = |code| Error::new(ErrorKind::BadItem, code, "deliver a record");
        if self.max_bytes.is_some_and(|max_bytes| n_bytes > max_bytes) {
            return Some(refused(codes::TOO_LARGE));
        }
        let reason = self.judge.as_ref().and_then(|judge| judge(record))?;
        Some(refused(codes::NOT_DELIVERED).with_source(reason))
    }
}

/// A sink that collects records to a list. Clones share the list.
///
/// # Delivery
/// At least once: each record is confirmed as it is taken, unless confirmations are held.
#[derive(Clone, Default)]
pub struct TestSink {
    state: Arc<Mutex<State>>,
    to_one_topic: bool,
}

impl std::fmt::Debug for TestSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestSink").field("n_records", &self.len()).finish_non_exhaustive()
    }
}

impl TestSink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, but records with a topic of their own are refused, as by any sink to one topic.
    #[must_use]
    pub fn to_one_topic(mut self) -> Self {
        self.to_one_topic = true;
        self
    }

    /// Everything taken so far.
    pub fn records(&self) -> Vec<OwnedRecord> {
        self.lock().records.clone()
    }

    /// The values taken so far as text, sorted: workers write in no order.
    pub fn sorted_texts(&self) -> Vec<String> {
        let mut texts = self.texts();
        texts.sort();
        texts
    }

    /// The values taken so far as text, in the order in which they came.
    pub fn texts(&self) -> Vec<String> {
        let text = |r: &OwnedRecord| r.text().unwrap_or("<none>").to_owned();
        self.lock().records.iter().map(text).collect()
    }

    /// Number of records taken.
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whether nothing was taken yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes no records from now on, until `resume`.
    pub fn stall(&self) {
        self.lock().stalled = true;
    }

    /// Takes records but confirms none from now on, until `resume`.
    pub fn hold_confirmations(&self) {
        self.lock().holding = true;
    }

    /// Ends `stall` and `hold_confirmations`.
    pub fn resume(&self) {
        let mut state = self.lock();
        (state.stalled, state.holding) = (false, false);
        state.wakes.iter().for_each(Wake::wake);
    }

    /// Rejects every record for which `judge` gives a reason.
    pub fn reject(&self, judge: impl Fn(&OwnedRecord) -> Option<String> + Send + Sync + 'static) {
        self.lock().judge = Some(Arc::new(judge));
    }

    /// Rejects as too large every record whose key, value and headers have more than `max_bytes`.
    pub fn reject_larger_than(&self, max_bytes: usize) {
        self.lock().max_bytes = Some(max_bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for TestSink {
    fn connector(&self) -> &'static str {
        "test"
    }

    fn target(&self) -> String {
        "a list".to_owned()
    }

    fn capabilities(&self) -> SinkCapabilities {
        SinkCapabilities {
            confirms: true,
            transactional: false,
            idempotent: false,
            headers: true,
            routes: !self.to_one_topic,
        }
    }

    fn writer(&self, cx: WriterContext) -> Result<Box<dyn Writer>> {
        self.lock().wakes.push(cx.wake);
        Ok(Box::new(ListWriter {
            sink: self.clone(),
            unconfirmed: VecDeque::new(),
            rejected: Vec::new(),
        }))
    }
}

struct ListWriter {
    sink: TestSink,
    unconfirmed: VecDeque<u64>,
    rejected: Vec<Rejected>,
}

impl Writer for ListWriter {
    fn write(&mut self, epoch: u64, batch: &RecordBatch, from: usize) -> Result<usize> {
        let mut state = self.sink.lock();
        if state.stalled {
            return Ok(from);
        }
        for record in batch.iter().skip(from) {
            let n_bytes = record.n_bytes() + record.headers().encoded().len();
            let record = record.to_owned();
            if let Some(error) = state.refusal(&record, n_bytes) {
                self.rejected.push(Rejected { epoch, record, error, attempts: 1 });
                continue;
            }
            state.records.push(record);
        }
        if (state.holding || !self.rejected.is_empty()) && !self.unconfirmed.contains(&epoch) {
            self.unconfirmed.push_back(epoch);
        }
        if !self.rejected.is_empty() {
            state.wakes.iter().for_each(Wake::wake);
        }
        Ok(batch.len())
    }

    fn poll(&mut self, rejected: &mut Vec<Rejected>) -> Result<()> {
        rejected.append(&mut self.rejected);
        if !self.sink.lock().holding {
            self.unconfirmed.clear();
        }
        Ok(())
    }

    fn oldest_unconfirmed(&self) -> Option<u64> {
        self.unconfirmed.iter().min().copied()
    }
}

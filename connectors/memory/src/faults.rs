//! Faults on order: what tests of dataflows and of connectors ask the broker to do to them.
//!
//! Invariant: a fault changes when and whether something happens, never what a success means.

use std::fmt;
use std::sync::Arc;

use millstream_engine::batch::Record;

use crate::topic::Topic;

/// Says why a record is refused; `None` takes it.
type Rule = Box<dyn FnMut(Record<'_>) -> Option<String> + Send>;

/// The faults in force on a topic.
#[derive(Default)]
pub(crate) struct Planned {
    pub(crate) frozen: bool,
    pub(crate) holds_confirmations: bool,
    /// Boxed twice: every append looks at what is planned, and almost never is there a rule.
    pub(crate) rule: Option<Box<Rule>>,
    failing_reads: u32,
    failing_writes: u32,
}

impl Planned {
    pub(crate) fn take_read_failure(&mut self) -> bool {
        take_one(&mut self.failing_reads)
    }

    pub(crate) fn take_write_failure(&mut self) -> bool {
        take_one(&mut self.failing_writes)
    }
}

fn take_one(left: &mut u32) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// Makes one topic misbehave as a broker in trouble would; from [`crate::Broker::faults`].
///
/// Each call takes effect for whatever comes after it, for readers and writers that are open already too.
///
/// # Examples
/// ```
/// use millstream_engine::batch::OwnedRecord;
///
/// let broker = millstream_memory::Broker::new();
/// broker.create_topic("orders", 1)?;
/// let mut producer = broker.producer("orders")?;
/// broker.faults("orders")?.reject(|record| {
///     (record.value() == Some(b"bad")).then(|| "not today".to_owned())
/// });
/// producer.send(OwnedRecord::of("good"))?;
/// let refused = producer.send(OwnedRecord::of("bad")).unwrap_err();
/// assert_eq!(refused.cause().as_deref(), Some("not today"));
/// assert_eq!(broker.len("orders")?, 1);
/// # Ok::<_, millstream_engine::Error>(())
/// ```
#[derive(Clone)]
pub struct Faults(pub(crate) Arc<Topic>);

impl Faults {
    /// The topic stands still: writers take nothing, readers get nothing, groups commit nothing.
    pub fn freeze(&self) {
        self.0.lock().planned.frozen = true;
    }

    /// Ends [`Faults::freeze`]; whoever waits goes on.
    pub fn thaw(&self) {
        let mut state = self.0.lock();
        state.planned.frozen = false;
        self.0.notify_all(state);
    }

    /// Records are appended, and can be read, but sinks are not told that they are.
    pub fn hold_confirmations(&self) {
        self.0.lock().planned.holds_confirmations = true;
    }

    /// Ends [`Faults::hold_confirmations`]: everything held back is confirmed at once.
    pub fn release_confirmations(&self) {
        let mut state = self.0.lock();
        state.planned.holds_confirmations = false;
        self.0.notify_all(state);
    }

    /// Refuses the records that `rule` gives a reason for. The rule runs under the topic's lock and must not use the broker.
    pub fn reject(&self, rule: impl FnMut(Record<'_>) -> Option<String> + Send + 'static) {
        self.0.lock().planned.rule = Some(Box::new(Box::new(rule)));
    }

    /// Ends [`Faults::reject`].
    pub fn reject_nothing(&self) {
        self.0.lock().planned.rule = None;
    }

    /// The next `n` reads fail with an error of kind *unavailable*.
    pub fn fail_reads(&self, n: u64) {
        let mut state = self.0.lock();
        state.planned.failing_reads = u32::try_from(n).unwrap_or(u32::MAX);
        self.0.notify_all(state);
    }

    /// The next `n` writes fail with an error of kind *unavailable*; they take nothing.
    pub fn fail_writes(&self, n: u64) {
        self.0.lock().planned.failing_writes = u32::try_from(n).unwrap_or(u32::MAX);
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.0.name).finish()
    }
}

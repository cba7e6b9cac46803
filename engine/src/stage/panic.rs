//! Names the stage and the record when user code panics, at no cost when it does not.
//!
//! Guards are forgotten on the normal path and only dropped while unwinding; they then leave a note for whoever catches.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::StepId;
use super::emit::Cx;
use crate::batch::{Origin, Record};
use crate::error::{Error, ErrorKind, codes};

thread_local! {
    static STEP: Cell<Option<StepId>> = const { Cell::new(None) };
    static RECORD: RefCell<Option<(Option<Origin>, String)>> = const { RefCell::new(None) };
}

struct StepNote(StepId);

impl Drop for StepNote {
    #[cold]
    fn drop(&mut self) {
        if STEP.get().is_none() {
            STEP.set(Some(self.0));
        }
    }
}

/// Calls user code; when it panics, `step` is named in the error.
#[inline(always)]
pub fn guard<R>(step: StepId, user: impl FnOnce() -> R) -> R {
    let note = StepNote(step);
    let result = user();
    std::mem::forget(note);
    result
}

/// The same where no emitter has noted the record: when the code panics, `step` and `record` are named in the error.
#[inline(always)]
pub fn guard_at<R>(step: StepId, record: Record<'_>, user: impl FnOnce() -> R) -> R {
    let note = OriginNote(Cx::of(record));
    let result = guard(step, user);
    std::mem::forget(note);
    result
}

/// Notes where the item at hand came from, should what follows panic.
pub(crate) struct OriginNote<'a>(pub(crate) Cx<'a>);

impl Drop for OriginNote<'_> {
    #[cold]
    fn drop(&mut self) {
        if let (Some((origin, _)), Some(position)) = (self.0.place(), self.0.position_text()) {
            RECORD.with_borrow_mut(|note| *note = Some((origin.cloned(), position)));
        }
    }
}

/// What is known of a panic that was caught.
#[derive(Debug)]
pub(crate) struct Panicked {
    pub(crate) message: String,
    pub(crate) step: Option<StepId>,
    /// Where the record at hand came from, and its position there.
    pub(crate) record: Option<(Option<Origin>, String)>,
}

impl Panicked {
    /// The error that user code has panicked; step and line are added where they are known.
    pub(crate) fn into_error(self) -> Error {
        let mut error = Error::new(ErrorKind::Panic, codes::PANIC, "run your code: it panicked")
            .with_source(self.message)
            .with_action(
                "The dataflow stops on all workers; nothing of what was in flight is confirmed.",
            );
        if let Some((origin, position)) = self.record {
            if let Some(origin) = origin {
                error = error.at_partition(&origin.topic, origin.partition);
            }
            error = error.at_position(position);
        }
        error
    }
}

/// Runs `body`, and catches a panic with what the guards noted.
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| Panicked {
        message: message(payload.as_ref()),
        step: STEP.take(),
        record: RECORD.take(),
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn innermost_stage_is_named_once() {
        let caught =
            catch(|| guard(StepId(1), || guard(StepId(2), || panic!("boom {}", 7)))).unwrap_err();
        assert_eq!((caught.step, caught.message.as_str()), (Some(StepId(2)), "boom 7"));
        assert_eq!(catch(|| panic!("x")).map(|()| 0).unwrap_err().step, None);
        assert_eq!(catch(|| guard(StepId(3), || 5)).unwrap(), 5);
    }
}

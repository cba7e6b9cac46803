//! Runs a case on a subject, and says so when it could not.
//!
//! Invariant: a skipped case leaves a line that the test harness does not swallow.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::subject::Subject;

/// A case was not run, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped(pub &'static str);

/// A case: it panics where the promise is broken.
pub type Case = fn(&dyn Subject) -> Result<(), Skipped>;

/// Runs one case.
///
/// # Panics
/// When the case fails, when the subject is not available although `CI` is set, or when the connector keeps a promise that it says
/// it does not owe.
pub fn run(name: &str, subject: &dyn Subject, case: Case) {
    if let Some(why) = subject.unavailable() {
        assert!(std::env::var_os("CI").is_none(), "{name}: {why}");
        return say("SKIPPED", name, &why);
    }
    let is_owed = !subject.not_owed().contains(&name);
    match case(subject) {
        Ok(()) => assert!(is_owed, "{name}: it is kept, and said not to be owed"),
        Err(Skipped(why)) => say(if is_owed { "SKIPPED" } else { "NOT OWED" }, name, why),
    }
}

/// Checks that a case fails on a broken subject, and says the words that name the broken promise.
///
/// # Panics
/// When the case passes, is skipped, or fails for another reason.
pub fn assert_caught(subject: &dyn Subject, case: Case, words: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| case(subject)));
    let said = match outcome {
        Ok(Ok(())) => panic!("the case passes on a broken connector"),
        Ok(Err(Skipped(why))) => panic!("the case was skipped on a broken connector: {why}"),
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default(),
    };
    assert!(said.contains(words), "the case fails for another reason: {said}");
}

/// Written past the harness's capture, which would hide it for a test that passes, and into it, for whoever counts tests.
#[expect(clippy::print_stdout, reason = "a case that was not run must be seen")]
fn say(what: &str, name: &str, why: &str) {
    println!("{what}: {name}: {why}");
    writeln!(std::io::stderr(), "{what}: {name}: {why}").expect("stderr can be written");
}

#[cfg(test)]
mod tests {
    use millstream_engine::batch::OwnedRecord;

    use super::*;
    use crate::cases::{positions, reading, writing};

    /// Neither source nor sink, nor any ability.
    struct Bare;

    impl Subject for Bare {
        fn create_topic(&self, _n_partitions: u32) -> String {
            "topic".to_owned()
        }

        fn produce(&self, _topic: &str, _partition: u32, _records: &[OwnedRecord]) {}

        fn records(&self, _topic: &str, _n_expected: usize) -> Vec<OwnedRecord> {
            Vec::new()
        }

        fn not_owed(&self) -> &[&'static str] {
            &["kept after all"]
        }
    }

    #[test]
    #[should_panic(expected = "kept after all: it is kept, and said not to be owed")]
    fn promise_that_is_kept_is_owed() {
        run("kept after all", &Bare, |_| Ok(()));
    }

    #[test]
    fn missing_ability_skips_a_case() {
        let cases: [Case; 3] = [
            reading::nothing_is_lost_or_repeated,
            positions::expired_position_stops_reading,
            writing::prefix_taken_is_never_sent_twice,
        ];
        for case in cases {
            assert!(case(&Bare).is_err());
        }
    }

    #[test]
    #[should_panic(expected = "the case was skipped")]
    fn skipped_case_catches_nothing() {
        assert_caught(&Bare, reading::nothing_is_lost_or_repeated, "");
    }
}

//! One line on a terminal that says how far the copy is; nothing where stderr is a file or a pipe.

use std::io::{IsTerminal as _, Write as _, stderr};

use millstream::copy::Copied;

/// Back to the begin of the line, and nothing on it.
const CLEAR: &str = "\r\x1b[2K";

/// The line, as far as there is a terminal.
pub(crate) struct Progress {
    on_terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { on_terminal: stderr().is_terminal() }
    }

    /// Writes the line anew.
    pub(crate) fn show(&self, so_far: &Copied) {
        let Copied { read, written, errors, elapsed } = so_far;
        // For people: no more digits than they can read.
        let per_second = u128::from(*read) * 1000 / elapsed.as_millis().max(1);
        self.write(&format!(
            "{CLEAR}{read} read, {written} written, {errors} set aside, {per_second}/s"
        ));
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        self.write(CLEAR);
    }

    fn write(&self, text: &str) {
        // A terminal that is gone is no reason to stop the copy.
        if self.on_terminal && stderr().write_all(text.as_bytes()).is_ok() {
            drop(stderr().flush());
        }
    }
}

//! What the example `copy` has beside the copying: its command line, and the line of progress.

mod args;
mod progress;

pub(crate) use args::Args;
pub(crate) use progress::Progress;

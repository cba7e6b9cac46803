//! Runs dataflows: workers, readers' threads, epochs, confirmation, stop and failure.

mod execution;
mod feed;
mod plan;
mod reader_thread;
mod run;
mod shared;
mod wake;
mod worker;
mod worker_start;

pub use run::{Handle, Stopper, run, run_watched, start};
pub use wake::Wake;

pub(crate) use execution::start_positions;
pub(crate) use feed::{Feed, Next};
pub(crate) use plan::Plan;
pub(crate) use reader_thread::OnFailure;
pub(crate) use shared::{Shared, Stop};
pub(crate) use worker::WorkerFlow;

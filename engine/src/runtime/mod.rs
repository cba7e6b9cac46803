//! Runs dataflows: workers, readers' threads, epochs, confirmation, stop and failure.

mod wake;

pub use wake::Wake;

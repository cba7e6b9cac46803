//! The copying of records by URL: between every pair of connectors, as a process that is stopped and killed, and with wrong URLs.

mod faults;
mod in_process;
#[cfg(feature = "kafka")]
mod kafka;
mod killed;
mod pairs;
mod process;
mod support;

#[path = "../../examples/copy.rs"]
#[expect(dead_code, reason = "the example's own `main`")]
mod command;

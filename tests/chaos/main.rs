//! Faults on purpose: brokers and programs are killed, frozen and misled while records flow, and two verifiers count what came out.
//!
//! `cargo test --features kafka --test chaos -- [NAME...] [--loops N] [--seed S] [--full] [--list]` runs the scenarios whose names
//! contain a NAME; `scripts/chaos` runs them with the full counts. The program under test is this binary again, as a process of
//! its own.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test harness and a program under test: printing is their job"
)]

mod child;
mod cluster;
mod harness;
mod input;
mod liar;
mod program;
mod rng;
mod scenarios;
mod scratch;
mod verify;
mod wait;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    match arguments.peek().map(String::as_str) {
        Some("child") => child::main(arguments.skip(1)),
        Some("child-on-memory") => scenarios::stall::memory_child(),
        _ => harness::main(arguments),
    }
}

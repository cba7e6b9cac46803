//! Copies records from any connector to any other, by URL, as they are: key, headers, time, bytes.
//!
//! Run it: `cargo run --release --example copy -- --from URL --to URL`; `--help` lists the options.
//! On a real broker: `cargo run --release --features kafka --example copy -- --until-end
//!   --from kafka://127.0.0.1:9092/orders --to kafka://127.0.0.1:9092/orders.copy?compression=lz4`
//! Expected: at the end one line of JSON on stdout, or on stderr where stdout takes the records; on a terminal, progress meanwhile.
//! Exit code: 0 when everything is done; an error's own; 130 when a signal came before the end that --until-end asked for.
//! Next: stop it with Ctrl-C or `kill -9` and start it again: it goes on where it was.
//! ci: --from generator:orders?rate=unlimited&count=2 --to -
//! ci: --from generator:orders?rate=unlimited&count=2 --to kafka://{kafka}/copied.*?creation=1 --route-by country
//! ci: --from generator:orders?rate=unlimited&count=2 --to pulsar://{pulsar}/copied.*?creation=1 --route-by country
//! ci: --from - --to memory:copy --errors memory:errors < one\ntwo\n
//! ```text
//! …
//! {"read":2,"written":2,"errors":0,"seconds":…}
//! ```

#![expect(clippy::doc_markdown, reason = "the URL of a run is no link")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to people")]

#[path = "support/copy/mod.rs"]
mod support;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser as _;
use millstream::copy::Copied;
use millstream::{Error, ErrorKind, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use support::{Args, Progress};

fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

/// The command with these arguments, the first of which is its name; returns its exit code.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(usage) if usage.use_stderr() => {
            eprint!("{usage}");
            return ErrorKind::Config.exit_code();
        }
        Err(help) => {
            print!("{help}");
            return 0;
        }
    };
    copy(&args).unwrap_or_else(|error| {
        eprintln!("{}", error.report());
        error.exit_code()
    })
}

fn copy(args: &Args) -> Result<u8> {
    let (copying, registry, config) = (args.copying()?, args.registry()?, args.config()?);
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&signalled))
            .map_err(|error| Error::config("handle SIGTERM and SIGINT").with_source(error))?;
    }
    let (progress, last) = (Progress::new(), Mutex::new(None));
    let result = copying.run(&registry, config, |so_far| {
        progress.show(&so_far);
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(so_far);
    });
    progress.end();
    // What was done is told also when it failed; nothing is, when it could not even begin.
    let last: Option<Copied> = last.into_inner().unwrap_or_else(PoisonError::into_inner);
    match last {
        Some(copied) if args.fills_stdout() => eprintln!("{copied}"),
        Some(copied) => println!("{copied}"),
        None => {}
    }
    let is_cut_short = args.until_end && signalled.load(Ordering::Relaxed);
    result.map(|_all| if is_cut_short { ErrorKind::Stopped.exit_code() } else { 0 })
}

//! The command `copy` as a process of its own: this test program, started again.
//!
//! Invariant: a process ends with the test that started it.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::command;

/// Arguments of the command, a line each, for the process that is to be it. The engine takes no variable that begins so for its own.
const ARGUMENTS: &str = "MILLSTREAM_TEST_COPY_ARGUMENTS";

/// The test that becomes the command.
const ITSELF: &str = "process::options_are_listed";

/// A running command; killed when dropped.
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    /// With variables of the environment.
    pub(crate) fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = command_with(arguments);
        let child = command.envs(variables.iter().copied()).spawn();
        Self(Some(child.expect("this program starts again")))
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let id = self.0.as_ref().map(Child::id).and_then(|id| libc::pid_t::try_from(id).ok());
        let id = id.expect("it runs");
        #[expect(unsafe_code, reason = "libc has no other way")]
        // SAFETY: kill takes any numbers; the process is ours and was not waited for.
        let sent = unsafe { libc::kill(id, signal) };
        assert_eq!(sent, 0, "the signal is sent");
    }

    pub(crate) fn end(mut self) -> Ended {
        let child = self.0.take().expect("it was not waited for");
        Ended::of(child.wait_with_output().expect("it ends"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // One that has ended already is as good.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The last line, which is JSON. The test harness may have written on the same line before.
    pub(crate) fn json(&self) -> serde_json::Value {
        let line = self.stdout.rfind("{\"read\"").map(|at| &self.stdout[at..]);
        let line = line.unwrap_or_else(|| panic!("no line of JSON in {self:?}")).trim();
        serde_json::from_str(line).expect("it is JSON")
    }

    /// A whole number of the last line.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.json()[name].as_u64().expect("a number")
    }
}

fn command_with(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command
        .args(["--exact", ITSELF, "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .env("MILLSTREAM_OPEN_TIMEOUT", "3s")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Ended {
    Process::start(arguments).end()
}

/// With a standard input, which is less than a pipe holds.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Ended {
    let mut child =
        command_with(arguments).stdin(Stdio::piped()).spawn().expect("this program starts again");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(input.as_bytes()).expect("it is read");
    drop(stdin);
    Process(Some(child)).end()
}

/// Where this process was started as the command, it is that, and nothing of the test happens.
#[expect(clippy::exit, reason = "the command's exit code is what other tests look at")]
fn be_the_command() {
    if let Ok(arguments) = std::env::var(ARGUMENTS) {
        let name = OsString::from("copy");
        let arguments = arguments.lines().map(OsString::from);
        std::process::exit(i32::from(command::run(std::iter::once(name).chain(arguments))));
    }
}

#[test]
fn options_are_listed() {
    be_the_command();
    let help = run(&["--help"]);
    assert!(help.status.success());
    let options =
        ["from", "to", "errors", "route-by", "until-end", "workers", "preset", "name", "state"];
    for option in options {
        assert!(help.stdout.contains(&format!("--{option}")), "{}", help.stdout);
    }
}

#[test]
fn wrong_use_ends_with_2_and_shows_no_password() {
    let wrong: [&[&str]; 6] = [
        &["--from", "memory:in"],
        &["--from", "memory:in", "--to", "canary"],
        &["--from", "kafka://me:canary@h:9092/in", "--to", "memory:out"],
        &["--from", "memory:in?password=canary", "--to", "memory:out"],
        &["--from", "memory:in", "--to", "memory:out", "--preset", "fast"],
        &["--from", "memory:in", "--to", "memory:out", "--until-end", "--workers", "0"],
    ];
    for arguments in wrong {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?} {ended:?}");
        assert!(!ended.stderr.is_empty() && !ended.stderr.contains("canary"), "{ended:?}");
    }
}

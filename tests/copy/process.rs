//! The command `copy` as a process of its own: this test program, started again.
//!
//! Invariant: a process ends with the test that started it.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::command;

/// Arguments of the command, a line each, for the process that is to be it. The engine takes no variable that begins so for its own.
const ARGUMENTS: &str = "MILLSTREAM_TEST_COPY_ARGUMENTS";

/// The user of that name, everywhere.
const NOBODY: u32 = 65_534;

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
    let mut command = again(ITSELF);
    command.env(ARGUMENTS, arguments.join("\n"));
    command
}

/// This program, started again to run one test alone.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command
        .args(["--exact", test, "--nocapture"])
        .env("MILLSTREAM_OPEN_TIMEOUT", "3s")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Ended {
    Process::start(arguments).end()
}

/// Runs one test of this program in a process of its own, with this variable set.
pub(crate) fn run_test(test: &str, variable: &str) -> Ended {
    let child = again(test).env(variable, "1").spawn();
    Process(Some(child.expect("this program starts again"))).end()
}

/// As a user who may do nothing; the program is copied to `folder`, where that user finds it.
fn run_as_nobody(folder: &Path, arguments: &[&str]) -> Ended {
    let program = folder.join("copy");
    std::fs::copy(std::env::current_exe().expect("it runs"), &program).expect("there is room");
    let mut command = Command::new(program);
    // Only root can become somebody else; anybody else may do little enough.
    #[expect(unsafe_code, reason = "libc has no other way")]
    // SAFETY: geteuid takes nothing and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    if is_root {
        command.uid(NOBODY);
    }
    command.args(["--exact", ITSELF, "--nocapture"]).env(ARGUMENTS, arguments.join("\n"));
    let child = command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Process(Some(child.expect("it starts"))).end()
}

/// On a terminal, whose screen is what comes back as the output.
fn run_on_terminal(arguments: &[&str]) -> Ended {
    let this = std::env::current_exe().expect("it runs");
    let command = format!("'{}' --exact {ITSELF} --nocapture", this.display());
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    terminal.env(ARGUMENTS, arguments.join("\n"));
    let child = terminal.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Process(Some(child.expect("`script` is part of every Debian"))).end()
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
fn progress_is_a_line_on_a_terminal_and_nowhere_else() {
    let slow =
        ["--from", "generator:orders?rate=100&count=100", "--to", "memory:out", "--until-end"];
    let shown = run_on_terminal(&slow);
    assert_eq!((shown.status.code(), shown.count("written")), (Some(0), 100), "{shown:?}");
    let lines = shown.stdout.matches(" set aside, ").count();
    assert!(lines > 1, "{lines} lines of progress in {shown:?}");
    let last = shown.stdout.rfind(" set aside, ").map(|at| &shown.stdout[at..]);
    let taken_away = last.is_some_and(|rest| rest.contains("\r\u{1b}[2K{\"read\""));
    assert!(taken_away, "the line is gone when the copy has ended: {shown:?}");
    let piped = run(&slow);
    assert!(!piped.stdout.contains("set aside") && piped.stderr.is_empty(), "{piped:?}");
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

#[test]
fn files_that_may_not_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = |path: &Path, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).expect("it is ours");
    };
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "one\n").expect("a new file");
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).expect("a new folder");
    set(&secret, 0);
    set(&closed, 0o555);
    set(folder.path(), 0o755);
    let input = format!("file://{}", secret.display());
    let unread =
        run_as_nobody(folder.path(), &["--from", &input, "--to", "memory:out", "--until-end"]);
    let output = format!("file://{}/out", closed.display());
    let unwritten = run_as_nobody(
        folder.path(),
        &["--from", "generator:orders?count=1", "--to", &output, "--until-end"],
    );
    for (ended, path) in [(unread, "secret"), (unwritten, "closed/out")] {
        assert_ne!(ended.status.code(), Some(0), "{ended:?}");
        let told = ended.stderr.contains("E0150") && ended.stderr.contains("Permission denied");
        assert!(told && ended.stderr.contains(path), "{ended:?}");
    }
    set(&closed, 0o755);
}

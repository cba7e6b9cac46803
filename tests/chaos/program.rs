//! The program under test as the scenarios see it: started, signalled, measured, waited for.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::rng::Rng;
use crate::{scratch, wait};

/// Processor time is counted in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// A copy from one topic to another, still to be started.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
}

/// How fast the copy goes, and how much of it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it can.
    Full,
    /// A sink that takes little at a time; much is read ahead.
    SlowSink,
    /// The same, with little read ahead: most of the input is unread when the program ends.
    SlowAll,
}

impl Pace {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        match rng.below(4) {
            0 => Self::Full,
            1 => Self::SlowSink,
            _ => Self::SlowAll,
        }
    }
}

impl Copy {
    pub(crate) fn new(name: &str, from: (&Cluster, &str), to: (&Cluster, &str)) -> Self {
        let arguments = [
            format!("name={name}"),
            format!("from={}", from.0.address),
            format!("in={}", from.1),
            format!("to={}", to.0.address),
            format!("out={}", to.1),
        ];
        Self {
            arguments: arguments.into(),
            environment: Vec::new(),
            log: scratch::file(&format!("{name}.log")),
        }
        .env("WORKERS", "2")
    }

    /// Sets an argument of the program.
    pub(crate) fn arg(mut self, key: &str, value: &str) -> Self {
        self.arguments.push(format!("{key}={value}"));
        self
    }

    /// Sets a variable of the engine, without its prefix.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((format!("MILLSTREAM_{key}"), value.to_owned()));
        self
    }

    pub(crate) fn state_dir(self, folder: Option<&Path>) -> Self {
        match folder {
            Some(folder) => {
                let folder = folder.to_string_lossy().into_owned();
                self.env("STATE_DIR", &folder)
            }
            None => self,
        }
    }

    /// Sets how fast it goes.
    pub(crate) fn pace(self, pace: Pace) -> Self {
        let slow = |copy: Self| copy.arg("sink_records", "400").arg("linger", "20");
        match pace {
            Pace::Full => self,
            Pace::SlowSink => slow(self),
            Pace::SlowAll => {
                let small = slow(self).env("BATCH_BYTES", "16KiB");
                small.env("IN_FLIGHT_BYTES", "64KiB").env("QUEUE_BYTES", "256KiB")
            }
        }
    }

    /// Starts it and waits until its dataflow is about to run.
    pub(crate) fn start(&self) -> Program {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("the scratch folder can be written");
        let this = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(this)
            .arg("child")
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("this program can be started again");
        let mut first = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut first).expect("the program can be heard");
        assert_eq!(first.trim(), "ready", "the program did not start, see {}", self.log.display());
        Program { child, log: self.log.clone() }
    }

    /// Runs it until the end of its input.
    pub(crate) fn finish(&self) {
        let copy = self.clone().arg("until_end", "yes");
        copy.start().succeeds_within(Duration::from_mins(1));
    }
}

/// The program, running.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) resident: u64,
    /// Time on the processor, apart from the client's threads.
    ours: Duration,
    /// That of librdkafka's threads.
    client: Duration,
    at: Instant,
}

impl Usage {
    /// Of a process, by its number.
    pub(crate) fn of(process: &str) -> Self {
        let folder = Path::new("/proc").join(process);
        let status = std::fs::read_to_string(folder.join("status")).expect("the process runs");
        let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        let mut usage = Self {
            resident: kibibytes.unwrap_or(0) * 1024,
            ours: Duration::ZERO,
            client: Duration::ZERO,
            at: Instant::now(),
        };
        let threads = std::fs::read_dir(folder.join("task")).expect("the process runs");
        for thread in threads.filter_map(Result::ok) {
            // A thread may have ended meanwhile.
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            usage.add_thread(&stat);
        }
        usage
    }

    fn add_thread(&mut self, stat: &str) {
        let (name, numbers) = stat.rsplit_once(')').unwrap_or_default();
        let times = numbers.split_whitespace().skip(11).take(2);
        let ticks: u32 = times.filter_map(|t| t.parse::<u32>().ok()).sum();
        if name.contains("(rdk:") {
            self.client += TICK * ticks;
        } else {
            self.ours += TICK * ticks;
        }
    }

    /// The shares of one core used since `before`: by the client's threads, and by all others.
    pub(crate) fn cores_since(&self, before: &Self) -> (f64, f64) {
        let passed = self.at.duration_since(before.at).as_secs_f64();
        let share = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() / passed;
        (share(self.client, before.client), share(self.ours, before.ours))
    }
}

impl Program {
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(&self.child.id().to_string())
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot signal the program");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("it is our child");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Waits until it has ended.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> ExitStatus {
        let ended = wait::until(limit, || self.child.try_wait().expect("it is our child"));
        ended.unwrap_or_else(|| panic!("the program still runs after {limit:?}\n{}", self.said()))
    }

    /// Waits until it has ended, and well.
    pub(crate) fn succeeds_within(mut self, limit: Duration) {
        let status = self.ends_within(limit);
        assert!(status.success(), "the program: {status}\n{}", self.said());
    }

    /// Waits until it has ended with this exit code; returns the end of what it said.
    pub(crate) fn fails_within(mut self, limit: Duration, code: i32) -> String {
        let status = self.ends_within(limit);
        let said = self.said();
        assert_eq!(status.code(), Some(code), "signal {:?}\n{said}", status.signal());
        said
    }

    /// The last lines of its log.
    pub(crate) fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, or left behind by a scenario that failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! A broker of the tests' own, from `scripts/brokers`, which may be killed and frozen: one for all tests of a process, taken in turns.
//!
//! Invariant: it ends with the process that started it, however that ends.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/brokers");

static BROKER: LazyLock<Option<OwnBroker>> = LazyLock::new(|| {
    OwnBroker::start()
        .inspect_err(|why| {
            assert!(std::env::var_os("CI").is_none(), "no broker of our own: {why}");
            writeln!(std::io::stderr(), "SKIPPED: no broker of our own: {why}").expect("stderr");
        })
        .ok()
});
static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

/// A broker that nobody else uses.
#[derive(Debug)]
struct OwnBroker {
    instance: String,
    address: String,
    admin: String,
    /// Waits for its input to end, which is when this process ends, and wipes the broker then.
    _watcher: Child,
}

/// The broker, for one test alone, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(&'static OwnBroker);

impl OwnBroker {
    fn start() -> Result<Self, String> {
        let prefix =
            std::env::var("MILLSTREAM_TEST_INSTANCE").unwrap_or_else(|_| "test".to_owned());
        let instance = format!("{prefix}-own-{}", std::process::id());
        let watcher = watch(&instance).map_err(|error| error.to_string())?;
        script("up", &instance)?;
        let env = script("env", &instance)?;
        let value = |name: &str| {
            let line = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.map(str::to_owned).ok_or_else(|| format!("no {name} in \"{env}\""))
        };
        let (address, admin) =
            (value("MILLSTREAM_TEST_PULSAR")?, value("MILLSTREAM_TEST_PULSAR_HTTP")?);
        Ok(Self { instance, address, admin, _watcher: watcher })
    }
}

impl Turn {
    /// Waits for its turn; nothing where no broker can be started.
    pub(crate) fn take() -> Option<Self> {
        let broker = BROKER.as_ref()?;
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken =
            GIVEN_BACK.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        Some(Self(broker))
    }

    /// `host:port`, and the URL of its admin.
    pub(crate) fn addresses(&self) -> (&str, &str) {
        (&self.0.address, &self.0.admin)
    }

    /// Kills it and starts it again on the same data.
    pub(crate) fn restart(&self) {
        script("kill", &self.0.instance).expect("it runs");
        script("up", &self.0.instance).expect("it runs again");
    }

    /// Stops it as it stands: its connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) -> bool {
        script("freeze", &self.0.instance).is_ok()
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> bool {
        script("thaw", &self.0.instance).is_ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What a test left frozen would hold up all that follow.
        self.thaw();
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GIVEN_BACK.notify_one();
    }
}

/// A process of its own group, which a Ctrl-C at the terminal does not reach.
fn watch(instance: &str) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    Command::new("sh")
        .args(["-c", "cat >/dev/null; exec \"$0\" wipe pulsar --instance \"$1\"", SCRIPT, instance])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn script(command: &str, instance: &str) -> Result<String, String> {
    let Output { status, stdout, stderr } = Command::new(SCRIPT)
        .args([command, "pulsar", "--instance", instance])
        .output()
        .map_err(|error| format!("{SCRIPT}: {error}"))?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    } else {
        Err(format!("scripts/brokers {command}: {}", String::from_utf8_lossy(&stderr).trim()))
    }
}

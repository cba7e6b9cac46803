//! A broker of a test's own, from `scripts/brokers`: one that may be frozen, or has settings that no other test wants.
//!
//! Invariant: it ends with the process that started it, however that ends.

use std::process::{Child, Command, Output, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/brokers");

/// A broker that nobody else uses; wiped when dropped, or when the process ends.
#[derive(Debug)]
pub(crate) struct OwnBroker {
    instance: String,
    address: String,
    /// Waits for its input to end, which is when we let go of it, and wipes the broker then.
    _watcher: Child,
}

impl OwnBroker {
    /// Starts a broker; `name` is unique in this process, `properties` (separated by `;`) are added to its own.
    ///
    /// # Errors
    /// What the script said.
    pub(crate) fn start(name: &str, properties: &str) -> Result<Self, String> {
        let prefix =
            std::env::var("MILLSTREAM_TEST_INSTANCE").unwrap_or_else(|_| "test".to_owned());
        let instance = format!("{prefix}-{name}-{}", std::process::id());
        let watcher = watch(&instance).map_err(|error| error.to_string())?;
        let up = script("up", &instance, properties)?;
        let env = script("env", &instance, properties)?;
        let address = env.trim().rsplit('=').next().unwrap_or_default().to_owned();
        if address.contains(':') {
            Ok(Self { instance, address, _watcher: watcher })
        } else {
            Err(format!("no address in \"{env}\", after \"{up}\""))
        }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Starts it again on the same data, with other properties.
    pub(crate) fn restart(&self, properties: &str) {
        script("kill", &self.instance, "").expect("it runs");
        script("start", &self.instance, properties).expect("it runs again");
    }

    /// Stops it as it stands: its connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) -> bool {
        script("freeze", &self.instance, "").is_ok()
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> bool {
        script("thaw", &self.instance, "").is_ok()
    }
}

/// A process of its own group, which a Ctrl-C at the terminal does not reach.
fn watch(instance: &str) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    Command::new("sh")
        .args(["-c", "cat >/dev/null; exec \"$0\" wipe kafka --instance \"$1\"", SCRIPT, instance])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn script(command: &str, instance: &str, properties: &str) -> Result<String, String> {
    let Output { status, stdout, stderr } = Command::new(SCRIPT)
        .args([command, "kafka", "--instance", instance])
        .env("MILLSTREAM_KAFKA_EXTRA", properties)
        .env("MILLSTREAM_KAFKA_HEAP", "256m")
        .output()
        .map_err(|error| format!("{SCRIPT}: {error}"))?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    } else {
        Err(format!("scripts/brokers {command}: {}", String::from_utf8_lossy(&stderr).trim()))
    }
}

//! The brokers of the scenarios: one that all tests share, and one that is killed and frozen.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::wire::{self, Refusal};
use crate::{scratch, wait};

/// How long a broker may take to answer after it came back.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Kafka cluster of one broker.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) address: String,
    /// The name of an instance of our own; none for the one that all tests share.
    instance: Option<String>,
}

impl Cluster {
    pub(crate) fn shared(address: &str) -> Self {
        Self { address: address.to_owned(), instance: None }
    }

    /// Starts an instance of our own.
    pub(crate) fn start_own(tag: &str) -> Self {
        let prefix = std::env::var("MILLSTREAM_TEST_INSTANCE")
            .unwrap_or_else(|_unset| format!("chaos-{}", std::process::id()));
        let instance = format!("{prefix}-{tag}");
        let mut own = Self { address: String::new(), instance: Some(instance) };
        own.brokers("up");
        let env = own.brokers("env");
        let address = env.trim().split_once('=').map(|(_, address)| address);
        let address = address.expect("`scripts/brokers env` prints one assignment");
        address.clone_into(&mut own.address);
        own
    }

    pub(crate) fn kill(&self) {
        self.brokers("kill");
    }

    pub(crate) fn start(&self) {
        self.brokers("start");
    }

    pub(crate) fn freeze(&self) {
        self.brokers("freeze");
    }

    pub(crate) fn thaw(&self) {
        self.brokers("thaw");
    }

    /// Brings a broker back that a failed scenario left dead or frozen.
    pub(crate) fn repair(&self) {
        self.brokers("start");
        self.brokers("thaw");
    }

    fn brokers(&self, command: &str) -> String {
        let instance = self.instance.as_deref().expect("only our own broker is tampered with");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/brokers");
        let output = Command::new(script)
            .args([command, "kafka", "--instance", instance])
            .env(
                "MILLSTREAM_KAFKA_HEAP",
                std::env::var("MILLSTREAM_KAFKA_HEAP").unwrap_or_else(|_| "320m".to_owned()),
            )
            .stdin(Stdio::null())
            .output()
            .expect("scripts/brokers runs");
        assert!(
            output.status.success(),
            "scripts/brokers {command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn create_topic(&self, topic: &str, n_partitions: usize) {
        self.ask("create a topic", || wire::create_topic(&self.address, topic, n_partitions));
        // The broker lets clients see it a moment later.
        self.ask("see the new topic", || wire::ends(&self.address, topic, n_partitions));
    }

    pub(crate) fn add_partitions(&self, topic: &str, n_partitions: usize) {
        self.ask("add partitions", || wire::add_partitions(&self.address, topic, n_partitions));
        self.ask("see the new partitions", || wire::ends(&self.address, topic, n_partitions));
    }

    pub(crate) fn committed(
        &self,
        group: &str,
        topic: &str,
        n_partitions: usize,
    ) -> Vec<Option<u64>> {
        self.ask("read a group's offsets", || {
            wire::committed(&self.address, group, topic, n_partitions)
        })
    }

    /// Records in a topic so far, markers of transactions apart.
    pub(crate) fn count(&self, topic: &str, n_partitions: usize) -> u64 {
        self.ask("read the ends of a topic", || wire::ends(&self.address, topic, n_partitions))
            .iter()
            .sum()
    }

    /// Asks until the broker answers without an error.
    fn ask<T>(&self, what: &str, mut request: impl FnMut() -> Result<T, Refusal>) -> T {
        let mut last = String::new();
        let found = wait::until(PATIENCE, || match request() {
            Ok(answer) => Some(answer),
            Err(refusal) => {
                last = refusal.to_string();
                None
            }
        });
        found.unwrap_or_else(|| panic!("cannot {what} at {}: {last}", self.address))
    }

    /// Writes the lines of a file (`key TAB value`) to a topic.
    pub(crate) fn produce(&self, topic: &str, lines: &Path, partition: Option<usize>) {
        let mut kcat = Command::new("kcat");
        kcat.args(["-P", "-b", &self.address, "-t", topic, "-K", "\t", "-l"])
            .arg(lines)
            .args(["-X", "enable.idempotence=true"]);
        if let Some(partition) = partition {
            kcat.args(["-p", &partition.to_string()]);
        }
        run_kcat(kcat, Stdio::null());
    }

    /// Everything that is committed in a topic, as lines `partition TAB offset TAB key TAB value`.
    pub(crate) fn dump(&self, topic: &str) -> PathBuf {
        let path = scratch::file(&format!("{topic}.dump"));
        let file = File::create(&path).expect("the scratch folder can be written");
        let mut kcat = Command::new("kcat");
        kcat.args(["-C", "-e", "-q", "-o", "beginning", "-b", &self.address, "-t", topic])
            .args(["-X", "isolation.level=read_committed"])
            .args(["-f", "%p\\t%o\\t%k\\t%s\\n"]);
        run_kcat(kcat, file.into());
        path
    }
}

fn run_kcat(mut kcat: Command, stdout: Stdio) {
    let output = kcat.stdin(Stdio::null()).stdout(stdout).output().expect("kcat runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kcat:?}: {said}");
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.instance.is_some() {
            self.brokers("wipe");
        }
    }
}

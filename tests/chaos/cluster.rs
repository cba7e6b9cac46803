//! The brokers of the scenarios: one that all tests share, and one that is killed and frozen.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::wire::{self, Refusal};
use crate::{scratch, wait};

/// How long a broker may take to answer after it came back.
const PATIENCE: Duration = Duration::from_secs(30);

/// A broker that was killed is let in again when its old session has timed out; a test does not wait longer than it must.
const SHORT_SESSIONS: &str = "broker.session.timeout.ms=3000;broker.heartbeat.interval.ms=500";

/// A Kafka cluster of one broker or of three.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// `host:port`, of each broker, separated by commas.
    pub(crate) address: String,
    own: Option<Own>,
}

/// An instance of our own, which may be tampered with.
#[derive(Debug)]
struct Own {
    /// As `scripts/brokers` has it.
    name: &'static str,
    instance: String,
    n_brokers: usize,
}

impl Cluster {
    pub(crate) fn shared(address: &str) -> Self {
        Self { address: address.to_owned(), own: None }
    }

    /// Starts a broker of our own.
    pub(crate) fn start_own(tag: &str) -> Self {
        Self::start("kafka", 1, tag)
    }

    /// Starts three of them, with every partition on each.
    pub(crate) fn start_three(tag: &str) -> Self {
        Self::start("kafka3", 3, tag)
    }

    fn start(name: &'static str, n_brokers: usize, tag: &str) -> Self {
        let prefix = std::env::var("MILLSTREAM_TEST_INSTANCE")
            .unwrap_or_else(|_unset| format!("chaos-{}", std::process::id()));
        let instance = format!("{prefix}-{tag}");
        let own = Own { name, instance, n_brokers };
        let mut cluster = Self { address: String::new(), own: Some(own) };
        cluster.brokers("up", None);
        let env = cluster.brokers("env", None);
        let address = env.trim().split_once('=').map(|(_, address)| address);
        let address = address.expect("`scripts/brokers env` prints one assignment");
        address.clone_into(&mut cluster.address);
        cluster
    }

    pub(crate) fn kill(&self, broker: usize) {
        self.brokers("kill", Some(broker));
    }

    pub(crate) fn restart(&self, broker: usize) {
        self.brokers("start", Some(broker));
    }

    pub(crate) fn freeze(&self) {
        self.brokers("freeze", None);
    }

    pub(crate) fn thaw(&self) {
        self.brokers("thaw", None);
    }

    /// Brings brokers back that a failed scenario left dead or frozen.
    pub(crate) fn repair(&self) {
        for broker in 1..=self.n_brokers() {
            self.brokers("start", Some(broker));
            self.brokers("thaw", Some(broker));
        }
    }

    fn n_brokers(&self) -> usize {
        self.own.as_ref().map_or(1, |own| own.n_brokers)
    }

    fn brokers(&self, command: &str, broker: Option<usize>) -> String {
        let own = self.own.as_ref().expect("only our own brokers are tampered with");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/brokers");
        let mut brokers = Command::new(script);
        brokers.args([command, own.name]).args(broker.map(|broker| broker.to_string()));
        brokers.args(["--instance", &own.instance]).stdin(Stdio::null());
        if std::env::var_os("MILLSTREAM_KAFKA_HEAP").is_none() {
            brokers.env("MILLSTREAM_KAFKA_HEAP", "320m");
        }
        if own.n_brokers > 1 {
            brokers.env("MILLSTREAM_KAFKA_EXTRA", SHORT_SESSIONS);
        }
        let output = brokers.output().expect("scripts/brokers runs");
        assert!(
            output.status.success(),
            "scripts/brokers {command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn create_topic(&self, topic: &str, n_partitions: usize) {
        let n_replicas = i16::try_from(self.n_brokers()).expect("brokers are few");
        self.ask("create a topic", |address| {
            wire::create_topic(address, topic, n_partitions, n_replicas)
        });
        // The broker lets clients see it a moment later.
        self.ask("see the new topic", |address| wire::ends(address, topic, n_partitions));
    }

    pub(crate) fn add_partitions(&self, topic: &str, n_partitions: usize) {
        self.ask("add partitions", |address| wire::add_partitions(address, topic, n_partitions));
        self.ask("see the new partitions", |address| wire::ends(address, topic, n_partitions));
    }

    /// The broker that leads a partition.
    pub(crate) fn leader(&self, topic: &str, partition: usize) -> usize {
        let placed = self.ask("find a leader", |address| wire::placed(address, topic));
        placed[partition].leader
    }

    /// Whether all brokers have all of a topic.
    pub(crate) fn is_in_sync(&self, topic: &str) -> bool {
        let placed = self.ask("find the replicas", |address| wire::placed(address, topic));
        placed.iter().all(|placed| placed.n_in_sync == self.n_brokers())
    }

    /// The offsets that a group has committed, in a cluster of one broker.
    pub(crate) fn committed(
        &self,
        group: &str,
        topic: &str,
        n_partitions: usize,
    ) -> Vec<Option<u64>> {
        self.ask("read a group's offsets", |address| {
            wire::committed(address, group, topic, n_partitions)
        })
    }

    /// Records in a topic so far, markers of transactions apart.
    pub(crate) fn count(&self, topic: &str, n_partitions: usize) -> u64 {
        let ends = |address: &str| wire::ends(address, topic, n_partitions);
        self.ask("read the ends of a topic", ends).iter().sum()
    }

    /// Asks one broker after the other until one answers without an error.
    fn ask<T>(&self, what: &str, request: impl Fn(&str) -> Result<T, Refusal>) -> T {
        let mut last = String::new();
        let mut addresses = self.address.split(',').cycle();
        let found = wait::until(PATIENCE, || match request(addresses.next()?) {
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
        if self.own.is_some() {
            self.brokers("wipe", None);
        }
    }
}

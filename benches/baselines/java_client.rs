//! Pulsar's own Java client: `peers/PulsarPeer.java`, which takes the place of the process that was started for the run.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/PulsarPeer.java");

/// Becomes the peer with these arguments: it prints the figures of the run.
pub(crate) fn become_peer<A: AsRef<str>>(arguments: &[A]) -> ! {
    let mut java = Command::new("java");
    java.args(["-cp", &class_path(), PROGRAM]).args(arguments.iter().map(AsRef::as_ref));
    panic!("Java does not start: {}", java.exec());
}

/// The broker's jars, the client's among them.
fn class_path() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/brokers");
    let told = Command::new(script).args(["classpath", "pulsar"]).output();
    let told = told.expect("the script starts");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).trim().to_owned()
}

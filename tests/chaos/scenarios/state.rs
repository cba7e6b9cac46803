//! The state folder is held by somebody else, damaged, full or cannot be written.

use std::path::{Path, PathBuf};
use std::process::Command;

use millstream::position::PositionStore;

use super::{Route, SOON};
use crate::harness::Stage;
use crate::scratch;
use crate::verify::Starts;
use crate::wait;

/// The folder of the dataflow in its state folder.
fn inside(state_dir: &Path, route: &Route) -> PathBuf {
    let folders = std::fs::read_dir(state_dir).expect("the folder is there");
    let mut folders = folders.filter_map(|entry| Some(entry.ok()?.path()));
    folders.find(|path| path.is_dir()).unwrap_or_else(|| panic!("{} left no folder", route.name))
}

/// Two runs of one dataflow: the second is refused.
pub(super) fn locked(stage: &Stage) {
    let route = Route::new(stage, "locked", stage.shared(), stage.shared());
    let state_dir = scratch::fresh_folder(&route.name);
    let first = PositionStore::open(&state_dir, &route.name).expect("nobody holds it");
    let copy = route.copy().state_dir(Some(&state_dir));
    let said = copy.start().fails_within(SOON, 6);
    assert!(said.contains("E0512"), "{said}");
    drop(first);
    copy.finish();
}

/// A changed byte: refused with the file's name, instead of positions that are wrong.
pub(super) fn damaged(stage: &Stage) {
    let route = Route::new(stage, "damaged", stage.shared(), stage.shared());
    let state_dir = scratch::fresh_folder(&route.name);
    route.feed(1000);
    let copy = route.copy().state_dir(Some(&state_dir));
    copy.finish();
    let file = inside(&state_dir, &route).join("positions");
    let whole = std::fs::read(&file).expect("positions were stored");
    let mut bytes = whole.clone();
    let at = usize::try_from(stage.rng().below(bytes.len() as u64)).expect("a file is small");
    bytes[at] ^= 0x10;
    std::fs::write(&file, bytes).expect("it can be written");
    let said = copy.start().fails_within(SOON, 6);
    assert!(said.contains("E0510") && said.contains("positions"), "byte {at}: {said}");
    std::fs::write(&file, whole).expect("it can be written");
    route.feed(1000);
    copy.finish();
    route.verify(&Starts::new()).exactly();
}

/// The folder cannot be written any more: said so, and the dataflow goes on; nothing is lost afterwards.
pub(super) fn unwritable(stage: &Stage) {
    let route = Route::new(stage, "unwritable", stage.shared(), stage.shared());
    let state_dir = scratch::fresh_folder(&route.name);
    goes_on(&route, &state_dir, Mended::BeforeTheStop, |folder| {
        // A folder in the place of the file that is written next: even the superuser cannot create that file.
        let blocked = folder.join("positions.new");
        std::fs::create_dir_all(&blocked).expect("it can be written still");
        Box::new(move || std::fs::remove_dir(&blocked).expect("it is there"))
    });
}

/// The disk is full: the same.
pub(super) fn full(stage: &Stage) {
    let route = Route::new(stage, "full", stage.shared(), stage.shared());
    let state_dir = scratch::fresh_folder(&route.name);
    let Some(_mounted) = SmallDisk::mount(&state_dir) else {
        stage.say("SKIPPED: only the superuser can mount a small disk");
        return;
    };
    goes_on(&route, &state_dir, Mended::AfterTheStop, |folder| {
        let ballast = folder.join("ballast");
        // It ends where the disk does.
        drop(std::fs::write(&ballast, vec![0; 1 << 20]));
        Box::new(move || std::fs::remove_file(&ballast).expect("it is there"))
    });
}

/// When the folder can be written again: what was not stored is stored then, or the end says that it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mended {
    BeforeTheStop,
    AfterTheStop,
}

/// The last line of what is said about a folder that cannot be written.
const HINT: &str = "nothing confirmed is lost.";

/// Breaks the folder while records flow, checks that they flow on, and mends it.
fn goes_on(
    route: &Route,
    state_dir: &Path,
    mended: Mended,
    spoil: impl FnOnce(&Path) -> Box<dyn FnOnce()>,
) {
    let copy = route.copy().state_dir(Some(state_dir));
    route.feed(1000);
    let program = copy.start();
    route.await_all();
    let mend = spoil(&inside(state_dir, route));
    for _more in 0..3 {
        route.feed(1000);
        route.await_all();
    }
    let told = wait::until(SOON, || program.said().contains("E0511").then_some(()));
    assert!(told.is_some(), "nothing was said:\n{}", program.said());
    let all = || (route.committed().iter().flatten().sum::<u64>() == route.n_fed()).then_some(());
    assert!(wait::until(SOON, all).is_some(), "the broker was not told");
    match mended {
        Mended::BeforeTheStop => {
            mend();
            program.terminate();
            program.succeeds_within(SOON);
            copy.finish();
            route.verify(&Starts::new()).exactly();
        }
        Mended::AfterTheStop => {
            program.terminate();
            let said = program.fails_within(SOON, 6);
            assert!(said.trim_end().ends_with(HINT), "{said}");
            mend();
            let starts = vec![route.resume_positions(Some(state_dir))];
            copy.finish();
            route.verify(&starts).at_least_once();
        }
    }
}

/// A disk of 64 KiB in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).output());
    }
}

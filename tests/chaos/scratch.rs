//! Files of this run, in a folder that goes away when everything passed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder of this run.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let name = format!("chaos-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("cargo's scratch folder can be written");
        folder
    })
}

/// A file in it.
pub(crate) fn file(name: &str) -> PathBuf {
    folder().join(name)
}

/// A fresh folder in it.
pub(crate) fn fresh_folder(name: &str) -> PathBuf {
    let folder = folder().join(name);
    // It is there only when a scenario runs twice.
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("the scratch folder can be written");
    folder
}

/// Forgets a file that is no longer needed; dumps of long runs would fill the disk.
pub(crate) fn forget(path: &Path) {
    drop(std::fs::remove_file(path));
}

/// Forgets everything.
pub(crate) fn clear() {
    drop(std::fs::remove_dir_all(folder()));
}

//! The files that paths and patterns name.
//!
//! Invariant: every path is absolute, so that a stored position is found whatever folder the program starts in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use millstream_engine::Result;

use crate::error;

/// The files at `path`, or those that it matches where it is a pattern, at most `max_files`.
pub(crate) fn expand(path: &Path, max_files: usize) -> Result<BTreeSet<PathBuf>> {
    let path = std::path::absolute(path).map_err(|e| error::failed("find", path, e))?;
    if !is_pattern(&path) {
        return Ok(path.is_file().then_some(path).into_iter().collect());
    }
    // `faults` has checked the pattern; a folder that cannot be listed now may be readable at the next look.
    let matches = glob::glob(&path.to_string_lossy()).into_iter().flatten();
    let files: BTreeSet<_> =
        matches.flatten().filter(|found| found.is_file()).take(max_files + 1).collect();
    if files.len() > max_files { Err(error::too_many_files(&path, max_files)) } else { Ok(files) }
}

/// Whether the path names files by a pattern.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The folder of a pattern, down to its first part that is one.
pub(crate) fn fixed_folder(pattern: &Path) -> &Path {
    pattern.ancestors().find(|folder| !is_pattern(folder)).unwrap_or(pattern)
}

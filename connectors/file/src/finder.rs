//! Finds the files of a source and where reading them starts.
//!
//! Invariant: a stored position whose file is gone is told, or left by the policy of the program; never gone on at in another file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use millstream_engine::Result;
use millstream_engine::source::{Assignment, Found, Partition, PartitionFinder, ResumePosition};

use crate::config::{End, Expired, SourceConfig, Start};
use crate::position::Position;
use crate::{error, paths, rotation};

/// The finding half of [`Source`](crate::Source).
#[derive(Debug)]
pub(crate) struct Finder {
    config: SourceConfig,
    /// A path that names no file is a fault the first time only: while it is rotated, a file may be away for a moment.
    is_first: bool,
}

impl Finder {
    pub(crate) fn new(config: SourceConfig) -> Self {
        Self { config, is_first: true }
    }

    fn resolve_one(
        &self,
        partition: &Partition,
        stored: Option<&ResumePosition>,
        found: Found,
    ) -> Result<Position> {
        let path = Path::new(&*partition.topic);
        let Some(stored) = stored else {
            let start =
                if found == Found::WhileRunning { Start::Earliest } else { self.config.start };
            return self.start(path, start);
        };
        let position = Position::parse(partition, stored)?;
        let is_there =
            rotation::find(path, &position).map_err(|e| error::failed("read", path, e))?;
        if is_there.is_some() || position.file.is_none() {
            return Ok(position);
        }
        let start = match self.config.expired {
            Expired::Stop => return Err(error::expired(&partition.topic, position.offset)),
            Expired::Earliest => Start::Earliest,
            Expired::Latest => Start::Latest,
        };
        tracing::warn!(
            path = %path.display(),
            offset = position.offset,
            "the file of the position is gone: what was not read of it is lost, and reading goes on at the {start:?}"
        );
        self.start(path, start)
    }

    fn start(&self, path: &Path, start: Start) -> Result<Position> {
        let position = || {
            let Some(file) = rotation::open(path)? else { return Ok(Position::NOWHERE) };
            let offset = match start {
                Start::Earliest => 0,
                Start::Latest => after_the_last_line(&file, self.config.max_record_bytes)?,
            };
            Position::in_file(&file, offset)
        };
        position().map_err(|cause| error::failed("read", path, cause))
    }
}

/// The byte behind the last line end among the last `max_bytes`; the end where there is none.
fn after_the_last_line(file: &File, max_bytes: usize) -> io::Result<u64> {
    let end = file.metadata()?.len();
    let n_bytes = usize::try_from(end).unwrap_or(usize::MAX).min(max_bytes);
    let from = end - n_bytes as u64;
    let mut bytes = vec![0; n_bytes];
    file.read_exact_at(&mut bytes, from)?;
    Ok(match memchr::memrchr(b'\n', &bytes) {
        Some(at) => from + at as u64 + 1,
        None if from == 0 => 0,
        None => end,
    })
}

impl PartitionFinder for Finder {
    fn find(&mut self) -> Result<Vec<Partition>> {
        let mut found = BTreeSet::new();
        for path in &self.config.paths {
            let files = paths::expand(path, self.config.max_files)?;
            let may_come = self.config.end == End::Never
                && paths::is_pattern(path)
                && paths::fixed_folder(path).is_dir();
            if self.is_first && files.is_empty() && !may_come {
                return Err(error::not_found(path));
            }
            found.extend(files);
            if found.len() > self.config.max_files {
                return Err(error::too_many_files(path, self.config.max_files));
            }
        }
        self.is_first = false;
        let partition = |path: &PathBuf| match path.to_str() {
            Some(name) => Ok(Partition::new(name, 0)),
            None => Err(error::not_text(path)),
        };
        found.iter().map(partition).collect()
    }

    fn resolve(
        &mut self,
        wanted: &[(Partition, Option<ResumePosition>)],
        found: Found,
    ) -> Result<Vec<Assignment>> {
        let resolve = |(partition, stored): &(Partition, Option<ResumePosition>)| {
            let start = self.resolve_one(partition, stored.as_ref(), found)?.to_resume();
            Ok(Assignment { partition: partition.clone(), start, committed: None })
        };
        wanted.iter().map(resolve).collect()
    }
}

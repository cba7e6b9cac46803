//! Where each source partition resumes: confirmed positions, and the folder that keeps them.
//!
//! Invariant: a stored position covers only what every sink has made durable; the file is whole or the old one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fs4::fs_std::FileExt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, codes};
use crate::source::{Confirmed, Partition, ResumePosition};

/// Resume positions by source step and partition.
pub(crate) type PositionMap = BTreeMap<(String, Partition), ResumePosition>;

/// The confirmed positions of one execution, as readers report them.
#[derive(Debug, Default)]
pub(crate) struct Positions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    map: PositionMap,
    changed: bool,
}

impl Positions {
    /// Takes in what a reader confirmed.
    pub(crate) fn confirm(&self, source: &str, confirmed: Vec<Confirmed>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Confirmed { partition, resume } in confirmed {
            state.changed |=
                state.map.insert((source.to_owned(), partition), resume.clone()).as_ref()
                    != Some(&resume);
        }
    }

    /// The positions taken last were not stored: they count as changed still.
    pub(crate) fn not_stored(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).changed = true;
    }

    /// All positions, when something changed since the last call.
    pub(crate) fn take_changed(&self) -> Option<PositionMap> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.changed).then(|| state.map.clone())
    }
}

const FILE: &str = "positions";
const MAGIC: &[u8; 8] = b"MSPOS\0\0\x01";

#[derive(Serialize, Deserialize)]
struct Stored {
    generation: u64,
    positions: Vec<(String, Partition, ResumePosition)>,
}

/// A folder that keeps resume positions across runs. Locked while open; written by rename, so it is whole or the old one.
///
/// The file is: eight bytes of magic and version, the CRC-32C of the rest, and the positions in postcard.
#[derive(Debug)]
pub struct PositionStore {
    folder: PathBuf,
    _lock: File,
    map: PositionMap,
    generation: u64,
}

impl PositionStore {
    /// Opens (and creates) the folder of `dataflow` below `state_dir`, and takes its lock.
    ///
    /// # Errors
    /// *Config* when another run holds the folder or it cannot be written; *corrupt* when the file is damaged.
    pub fn open(state_dir: &Path, dataflow: &str) -> Result<Self> {
        let folder = state_dir.join(file_name(dataflow));
        fs::create_dir_all(&folder).map_err(|e| unusable(&folder, "create", e))?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(|e| unusable(&folder, "lock", e))?;
        if !FileExt::try_lock_exclusive(&lock).map_err(|e| unusable(&folder, "lock", e))? {
            return Err(Error::new(
                ErrorKind::Config,
                codes::STATE_LOCKED,
                format!(
                    "lock the state folder {}: another run of \"{dataflow}\" holds it",
                    folder.display()
                ),
            )
            .with_hint(
                "Stop the other run, or give this one another dataflow name or state folder.",
            ));
        }
        let (map, generation) = read(&folder.join(FILE))?;
        Ok(Self { folder, _lock: lock, map, generation })
    }

    /// The position stored for a partition of a source.
    pub fn get(&self, source: &str, partition: &Partition) -> Option<&ResumePosition> {
        self.map.get(&(source.to_owned(), partition.clone()))
    }

    /// The number of the execution that is about to start: one more than any before.
    pub(crate) fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// Stores positions over those there are, synced to disk before it returns.
    ///
    /// # Errors
    /// *Config* when the folder cannot be written; the old file stays.
    pub(crate) fn store(&mut self, positions: PositionMap) -> Result<()> {
        self.map.extend(positions);
        write(&self.folder, self.generation, &self.map)
            .map_err(|e| unusable(&self.folder, "write", e))
    }
}

/// A dataflow's name as a file name: what a file system might refuse becomes `%` and two hex digits.
fn file_name(dataflow: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    dataflow
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02x}") })
        .collect()
}

fn read(path: &Path) -> Result<(PositionMap, u64)> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(e) => return Err(unusable(path, "read", e)),
    };
    let stored = decode(&bytes).map_err(|why| {
        Error::new(ErrorKind::Corrupt, codes::STATE_CORRUPT, format!("read the positions in {}", path.display()))
            .with_source(why)
            .with_hint("Remove the file to start from the brokers' committed positions, or from the source's start setting.")
    })?;
    let map = stored
        .positions
        .into_iter()
        .map(|(source, partition, resume)| ((source, partition), resume));
    Ok((map.collect(), stored.generation))
}

fn decode(bytes: &[u8]) -> Result<Stored, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a positions file of this version")?;
    let (crc, body) = rest.split_at_checked(4).ok_or("it is cut short")?;
    if crc != crc32c::crc32c(body).to_le_bytes() {
        return Err("its checksum does not match".to_owned());
    }
    postcard::from_bytes(body).map_err(|e| e.to_string())
}

fn write(folder: &Path, generation: u64, map: &PositionMap) -> io::Result<()> {
    let positions = map.iter().map(|((s, p), r)| (s.clone(), p.clone(), r.clone())).collect();
    let body = postcard::to_stdvec(&Stored { generation, positions }).map_err(io::Error::other)?;
    let fresh = folder.join("positions.new");
    let mut file = File::create(&fresh)?;
    file.write_all(MAGIC)?;
    file.write_all(&crc32c::crc32c(&body).to_le_bytes())?;
    file.write_all(&body)?;
    file.sync_all()?;
    fs::rename(&fresh, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

fn unusable(path: &Path, verb: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::Config, codes::STATE_FOLDER, format!("{verb} {}", path.display()))
        .with_source(source)
        .with_hint(
            "Check the disk's free space and the folder's permissions; nothing confirmed is lost.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(resume: &str) -> PositionMap {
        [(("s".to_owned(), Partition::new("t", 1)), ResumePosition(resume.to_owned()))].into()
    }

    #[test]
    fn positions_survive_and_the_folder_is_locked() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = PositionStore::open(dir.path(), "a/b").unwrap();
        assert_eq!(store.next_generation(), 1);
        store.store(map("7")).unwrap();
        let refused = PositionStore::open(dir.path(), "a/b").unwrap_err();
        assert_eq!(refused.code(), codes::STATE_LOCKED);
        drop(store);
        let mut again = PositionStore::open(dir.path(), "a/b").unwrap();
        assert_eq!(again.get("s", &Partition::new("t", 1)), Some(&ResumePosition("7".to_owned())));
        assert_eq!(again.get("s", &Partition::new("t", 2)), None);
        assert_eq!(again.next_generation(), 2);
    }

    #[test]
    fn every_flipped_byte_and_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 3, &map("42")).unwrap();
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path).unwrap_err().code(), codes::STATE_CORRUPT, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(&path).unwrap_err().code(), codes::STATE_CORRUPT, "cut at {at}");
        }
    }
}

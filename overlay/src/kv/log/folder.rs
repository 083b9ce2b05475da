//! A store's files: `snapshot-<n>`, the state from which `log-<n>` goes on. A higher number takes the place of lower ones.

use super::frame::{self, Damage, frame};
use crate::kv::store::{Config, Delta, Store};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A log that is shorter is never made into a snapshot, in bytes.
const SHORT: u64 = 4 << 20;
/// How many times longer than the snapshot before it a log grows.
const GROWTH: u64 = 4;

/// Why a store cannot be read or written: what, which file, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system says no.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store was closed while it was asked.
    #[error("the store was closed")]
    Closed,
    /// Another store has the directory.
    #[error("{} is in use by another store", .0.display())]
    InUse(PathBuf),
    /// A file is not as it was written.
    #[error(
        "{} is damaged at byte {at}, and what is behind that was acknowledged: restore it, or cut it there to go on without",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is before it holds.
        at: usize,
    },
    /// A file holds what no store wrote.
    #[error("{} does not hold a store's writes: {why}", path.display())]
    Strange {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The directory, which is this store's as long as the value lives.
#[derive(Debug)]
pub(in crate::kv) struct Folder {
    path: PathBuf,
    number: u64,
    log: File,
    /// Lengths of the log and of the snapshot before it, in bytes.
    log_length: u64,
    snapshot_length: u64,
    _lock: File,
}

impl Folder {
    /// Opens a directory, makes it if it is not there, and makes of what is in it a store. What was being written when the
    /// power went is cut off.
    pub(in crate::kv) fn open(path: &Path, config: Config) -> Result<(Folder, Store), Error> {
        let failed = |op, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { op, path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make", path))?;
        let file = |name: String| path.join(name);
        let lock = file("lock".to_owned());
        let held = open(&lock).map_err(failed("open", &lock))?;
        held.try_lock().map_err(|_| Error::InUse(path.to_owned()))?;

        let mut snapshots = Vec::new();
        for entry in fs::read_dir(path).map_err(failed("list", path))? {
            let name = entry.map_err(failed("list", path))?.file_name();
            snapshots
                .extend(name.to_str().and_then(|name| name.strip_prefix("snapshot-")?.parse::<u64>().ok()));
        }
        let number = snapshots.into_iter().max().unwrap_or(0);
        let mut store = Store::new(config);
        let mut snapshot_length = 0;
        if number > 0 {
            let path = file(format!("snapshot-{number}"));
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            // It got its name when it was whole, with a frame in it.
            let end = redo(&mut store, &path, &bytes)?;
            if end < bytes.len() || bytes.is_empty() {
                return Err(Error::Damaged { path, at: end });
            }
            snapshot_length = bytes.len() as u64;
        }
        let path_of_log = file(format!("log-{number}"));
        let log = open(&path_of_log).map_err(failed("open", &path_of_log))?;
        let bytes = fs::read(&path_of_log).map_err(failed("read", &path_of_log))?;
        let end = redo(&mut store, &path_of_log, &bytes)?;
        if end < bytes.len() {
            tracing::warn!(log = %path_of_log.display(), at = end, "what was being written was cut off");
            log.set_len(end as u64).and_then(|()| log.sync_all()).map_err(failed("cut", &path_of_log))?;
        }
        let folder = Folder {
            path: path.to_owned(),
            number,
            log,
            log_length: end as u64,
            snapshot_length,
            _lock: held,
        };
        folder.forget_older()?;
        folder.sync()?;
        store.take_delta();
        Ok((folder, store))
    }

    /// Writes lines behind all others. When it returns, they will be read back.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Error> {
        let frame = frame(lines);
        let written = self.log.write_all(&frame).and_then(|()| self.log.sync_data());
        written.map_err(|source| self.failed("write", &self.file("log"), source))?;
        self.log_length += frame.len() as u64;
        Ok(())
    }

    /// Whether a snapshot would spare more than it costs.
    pub(super) fn is_long(&self) -> bool {
        self.log_length > SHORT.max(GROWTH * self.snapshot_length)
    }

    /// Begins a new log from a state that all that was appended has led to.
    pub(super) fn compact(&mut self, whole: &Delta) -> Result<(), Error> {
        let frame = frame(&line(whole));
        let next = self.number + 1;
        let path = self.path.join(format!("snapshot-{next}"));
        let written = tempfile::NamedTempFile::new_in(&self.path).and_then(|mut file| {
            file.write_all(&frame)?;
            file.as_file().sync_all()?;
            Ok(file.persist(&path)?)
        });
        written.map_err(|source| self.failed("write", &path, source))?;
        let log = self.path.join(format!("log-{next}"));
        self.log = open(&log).map_err(|source| self.failed("open", &log, source))?;
        (self.number, self.log_length, self.snapshot_length) = (next, 0, frame.len() as u64);
        self.sync()?;
        self.forget_older()
    }

    /// Removes what a snapshot has taken the place of.
    fn forget_older(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.path).map_err(|source| self.failed("list", &self.path, source))? {
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let number = name.strip_prefix("log-").or_else(|| name.strip_prefix("snapshot-"));
            let is_older = number
                .and_then(|number| number.parse::<u64>().ok())
                .is_some_and(|number| number < self.number);
            if is_older || name.starts_with(".tmp") {
                fs::remove_file(entry.path())
                    .map_err(|source| self.failed("remove", &entry.path(), source))?;
            }
        }
        Ok(())
    }

    /// Sees to it that the names of files are on disk, too.
    fn sync(&self) -> Result<(), Error> {
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|source| self.failed("sync", &self.path, source))
    }

    /// The same with another file for its log.
    #[cfg(test)]
    pub(super) fn onto(mut self, log: &Path) -> Folder {
        self.log = OpenOptions::new().append(true).open(log).expect("a file");
        self
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.path.join(format!("{kind}-{}", self.number))
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    fn failed(&self, op: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { op, path: path.to_owned(), source }
    }
}

/// A delta as a line.
pub(super) fn line(delta: &Delta) -> Vec<u8> {
    // Numbers, text and options: there is nothing in it that could not be written.
    let mut line = serde_json::to_vec(delta).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Does to a store what a file says, and tells where that ends.
fn redo(store: &mut Store, path: &Path, bytes: &[u8]) -> Result<usize, Error> {
    let read = frame::read(bytes).map_err(|Damage(at)| Error::Damaged { path: path.to_owned(), at })?;
    for line in read.bodies.iter().flat_map(|body| body.split_inclusive(|byte| *byte == b'\n')) {
        let strange =
            |error: serde_json::Error| Error::Strange { path: path.to_owned(), why: error.to_string() };
        store.redo(&serde_json::from_slice(line).map_err(strange)?);
    }
    Ok(read.end)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)
}

//! What a lab leaves on the disk: a directory with a file in it, locked as long as the lab lives.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use super::{BESIDE, LOCK};

/// What a lab leaves on the disk: a file that is locked as long as it lives, and files beside it. Nothing else in their
/// directory is a lab's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The locked file.
    pub lock: PathBuf,
    /// The names of the files beside it.
    pub beside: Vec<String>,
}

/// Separates the names in the environment; names of files contain none.
const SEPARATOR: char = '/';

impl Remains {
    /// Told to the shepherd.
    pub(super) fn tell(&self, command: &mut Command) {
        command.env(LOCK, &self.lock).env(BESIDE, self.beside.join(&SEPARATOR.to_string()));
    }

    /// What the shepherd was told.
    pub(super) fn told() -> Option<Remains> {
        let lock = env::var_os(LOCK)?.into();
        let beside = env::var(BESIDE).unwrap_or_default();
        let beside = beside.split(SEPARATOR).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Remains { lock, beside })
    }

    /// Removes them, unless the file is locked: then they belong to a lab that lives.
    pub(super) fn remove(&self) -> io::Result<()> {
        loop {
            let file = File::open(&self.lock)?;
            match file.try_lock() {
                Ok(()) => {
                    let (ours, there) = (file.metadata()?, fs::metadata(&self.lock)?);
                    // Otherwise it has been removed, and made again, since it was opened.
                    if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
                        return self.clear();
                    }
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(e),
            }
            // Those who only look hold a shared lock, for a moment.
            if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
                return Ok(());
            }
        }
    }

    /// Removes them; the caller has locked the file. That goes last: as long as it is there nobody else takes the
    /// directory, and what somebody puts there afterwards is not ours to remove. The directory goes if it is empty.
    pub fn clear(&self) -> io::Result<()> {
        let directory = self.lock.parent().ok_or(io::ErrorKind::InvalidInput)?;
        for name in &self.beside {
            match fs::remove_file(directory.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::remove_file(&self.lock)?;
        match fs::remove_dir(directory) {
            // The next lab has its file there already, or has gone the same way; or somebody has put something there.
            Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => {
                Ok(())
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn home() -> (tempfile::TempDir, Remains) {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("lab");
        fs::create_dir_all(&directory).unwrap();
        for name in ["lock", "socket"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let beside = ["socket", "log"].map(str::to_owned).into();
        (root, Remains { lock: directory.join("lock"), beside })
    }

    #[test]
    fn what_is_not_the_labs_stays() {
        let (_root, remains) = home();
        let other = remains.lock.with_file_name("report.txt");
        fs::write(&other, "").unwrap();
        remains.remove().unwrap();
        assert!(other.exists() && !remains.lock.exists());
    }

    #[test]
    fn what_a_dead_lab_left_is_removed() {
        let (root, remains) = home();
        remains.remove().unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        assert_eq!(remains.remove().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_directory_of_a_lab_that_lives_stays() {
        let (_root, remains) = home();
        let held = File::open(&remains.lock).unwrap();
        held.lock().unwrap();
        remains.remove().unwrap();
        assert_eq!(fs::read_dir(remains.lock.parent().unwrap()).unwrap().count(), 2);
    }

    #[test]
    fn somebody_who_only_looks_does_not_keep_a_dead_lab() {
        let (root, remains) = home();
        let looking = File::open(&remains.lock).unwrap();
        looking.lock_shared().unwrap();
        std::thread::scope(|scope| {
            let removing = scope.spawn(|| remains.remove().unwrap());
            looking.unlock().unwrap();
            removing.join().unwrap();
        });
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}

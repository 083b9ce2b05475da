//! What a lab leaves on the disk: a directory with a file in it, locked as long as the lab lives.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Removes the directory of the file `lock`, unless that file is locked: then it belongs to a lab that lives.
pub(super) fn remove(lock: &Path) -> io::Result<()> {
    loop {
        let file = File::open(lock)?;
        match file.try_lock() {
            Ok(()) => {
                let (ours, there) = (file.metadata()?, fs::metadata(lock)?);
                // Otherwise it has been removed, and made again, since it was opened.
                if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
                    return clear(lock);
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

/// Removes the directory of the file `lock`, which the caller has locked. The file goes last: as long as it is there
/// nobody else takes the directory, and what somebody puts there afterwards is not ours to remove.
pub fn clear(lock: &Path) -> io::Result<()> {
    let directory = lock.parent().ok_or(io::ErrorKind::InvalidInput)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.path() == lock {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(lock)?;
    match fs::remove_dir(directory) {
        // The next lab has its file there already, or has gone the same way.
        Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn home() -> (tempfile::TempDir, std::path::PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("lab");
        fs::create_dir_all(directory.join("deeper")).unwrap();
        for name in ["lock", "socket", "deeper/file"] {
            fs::write(directory.join(name), "").unwrap();
        }
        (root, directory.join("lock"))
    }

    #[test]
    fn what_a_dead_lab_left_is_removed() {
        let (root, lock) = home();
        remove(&lock).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        assert_eq!(remove(&lock).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_directory_of_a_lab_that_lives_stays() {
        let (_root, lock) = home();
        let held = File::open(&lock).unwrap();
        held.lock().unwrap();
        remove(&lock).unwrap();
        assert_eq!(fs::read_dir(lock.parent().unwrap()).unwrap().count(), 3);
    }

    #[test]
    fn somebody_who_only_looks_does_not_keep_a_dead_lab() {
        let (root, lock) = home();
        let looking = File::open(&lock).unwrap();
        looking.lock_shared().unwrap();
        std::thread::scope(|scope| {
            let removing = scope.spawn(|| remove(&lock).unwrap());
            looking.unlock().unwrap();
            removing.join().unwrap();
        });
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}

//! What survives between two `lab` commands: one directory a lab, its state file locked by the lab itself.
//!
//! A lab that is up holds an exclusive `flock` on its state file; nothing else tells whether it lives. A lab that was
//! killed has let go of it, and all that is left of it is the directory.
//!
//! A person may say any directory (`$LAB_STATE`), so nothing in it is taken for a lab's that a lab did not make, and
//! nothing is removed but the files of a lab.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use kernel::entry::Remains;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// The version of the state file.
const VERSION: u32 = 1;
const STATE: &str = "lab.json";
const SOCKET: &str = "control";
const LOG: &str = "log";
/// Longest path of a socket, in bytes: `sun_path` has 108, one of them for the end (unix(7)).
const LONGEST_SOCKET: usize = 107;
/// Longest name of a lab, as the file's `name`.
const LONGEST_NAME: usize = 63;

/// What a lab's state file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The version of this format.
    pub version: u32,
    /// The lab's name.
    pub name: String,
    /// The file it was built from.
    pub file: PathBuf,
    /// That file's digest.
    pub digest: String,
    /// The shepherd's pid; zero until it runs.
    pub pid: u32,
    /// Which boot of the machine it belongs to.
    pub boot: String,
    /// When it was asked for, RFC 3339.
    pub since: String,
    /// Whether it is up, and not still coming up.
    pub ready: bool,
    /// Whether it has a user namespace of its own.
    pub rootless: bool,
}

/// The directory of all labs of this user.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

/// A lab's directory.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    name: String,
}

/// A lab's directory that is ours: nobody else holds its state file.
#[derive(Debug)]
pub struct Claim {
    home: Home,
    file: File,
}

/// How a lab is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It holds its state file.
    Alive(State),
    /// Nobody holds it: the lab was killed.
    Dead,
}

fn failed(op: &str, path: &Path, why: impl std::fmt::Display) -> Error {
    let mut why = why.to_string();
    // Of an errno, the kernel's sentence says more than its number.
    if let Some(at) = why.find(" (os error ")
        && let Some(length) = why[at..].find(')')
    {
        why.replace_range(at..=at + length, "");
    }
    Error::new(Kind::Machine, format_args!("cannot {op} {}: {why}", path.display()))
}

/// Whether a lab, and so its directory, may be called that.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
}

impl Root {
    /// `$LAB_STATE`, else `$XDG_RUNTIME_DIR/lab`, else a directory by uid in the temporary directory. Made if it is not
    /// there; one that others could write to is refused.
    pub fn open() -> Result<Root> {
        let uid = nix::unistd::getuid();
        let path = match (env::var_os("LAB_STATE"), env::var_os("XDG_RUNTIME_DIR")) {
            (Some(path), _) if !path.is_empty() => PathBuf::from(path),
            (_, Some(path)) if !path.is_empty() => PathBuf::from(path).join("lab"),
            _ => env::temp_dir().join(format!("lab-{uid}")),
        };
        let path = std::path::absolute(&path).map_err(|e| failed("use", &path, e))?;
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => {
                let why = format_args!("{e}; LAB_STATE may name another");
                return Err(failed("make the state directory", &path, why));
            }
        }
        // Not following a link: somebody else could have laid it.
        let found = fs::symlink_metadata(&path).map_err(|e| failed("look at", &path, e))?;
        if !found.is_dir() {
            return Err(failed("use the state directory", &path, "it is not a directory"));
        }
        if found.uid() != uid.as_raw() {
            return Err(failed(
                "use the state directory",
                &path,
                "it belongs to somebody else; set LAB_STATE",
            ));
        }
        if found.mode() & 0o077 != 0 {
            return Err(failed(
                "use the state directory",
                &path,
                "others may enter it; chmod 700 it, or set LAB_STATE",
            ));
        }
        Ok(Root(path))
    }

    /// The directory of the lab of that name. The name becomes the directory's, so not any will do.
    pub fn lab(&self, name: &str) -> Result<Home> {
        if !is_name(name) {
            let rule = "letters, digits, `_`, `.` and `-`, a letter or digit first, at most 63";
            return Err(Error::new(Kind::Input, format_args!("a lab cannot be called `{name}`: {rule}")));
        }
        Ok(Home { path: self.0.join(name), name: name.to_owned() })
    }

    /// The labs, alive and dead, by name.
    pub fn labs(&self) -> Result<Vec<(Home, Found)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(|e| failed("list", &self.0, e))?.flatten() {
            names.extend(entry.file_name().into_string().ok().filter(|name| is_name(name)));
        }
        names.sort();
        let mut labs = Vec::new();
        for name in names {
            let home = self.lab(&name)?;
            if let Some(found) = home.find()? {
                labs.push((home, found));
            }
        }
        Ok(labs)
    }
}

impl Home {
    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A socket for its supervisor to listen on.
    pub fn listen(&self) -> Result<UnixListener> {
        self.at_socket(|path| UnixListener::bind(path)).map_err(|e| failed("listen in", &self.path, e))
    }

    /// A connection to its supervisor.
    pub fn connect(&self) -> io::Result<UnixStream> {
        self.at_socket(|path| UnixStream::connect(path))
    }

    /// Does `f` with a path of the socket that is short enough: with the directory's descriptor for its beginning, if need
    /// be.
    fn at_socket<T>(&self, f: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let path = self.path.join(SOCKET);
        if path.as_os_str().len() <= LONGEST_SOCKET {
            return f(&path);
        }
        let directory = File::open(&self.path)?;
        f(&Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(SOCKET))
    }

    /// Where its supervisor's complaints go.
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The state file, which a lab that is up has locked.
    pub fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// What it leaves on the disk when it is over.
    pub fn remains(&self) -> Remains {
        Remains { lock: self.state(), beside: vec![SOCKET.to_owned(), LOG.to_owned()] }
    }

    /// How the lab is; `None` if there is nothing.
    pub fn find(&self) -> Result<Option<Found>> {
        let mut file = match File::open(self.state()) {
            Ok(file) => file,
            // Empty: made for a lab that was killed before it could write. Not empty: somebody else's.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Ok(self.is_empty().then_some(Found::Dead));
            }
            // A name that cannot be a lab's, such as a file's.
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(e) => return Err(failed("read", &self.state(), e)),
        };
        // A shared lock, so that two who look do not hinder each other.
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Found::Dead)),
            Err(TryLockError::WouldBlock) => Ok(Some(Found::Alive(self.read(&mut file)?))),
            Err(TryLockError::Error(e)) => Err(failed("lock", &self.state(), e)),
        }
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// What the opened file says; a lab that is ending may have removed it meanwhile.
    fn read(&self, file: &mut File) -> Result<State> {
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| failed("read", &self.state(), e))?;
        // Claimed a moment ago and not written yet.
        if text.is_empty() {
            return Ok(State::new(&self.name, Path::new(""), ""));
        }
        serde_json::from_str(&text).map_err(|e| failed("read", &self.state(), e))
    }

    /// Takes the directory for a new lab. The inner error is the state of a lab of that name that is up.
    pub fn claim(&self) -> Result<Result<Claim, Box<State>>> {
        loop {
            if let Some(claim) = self.try_claim()? {
                return Ok(Ok(claim));
            }
            if let Some(Found::Alive(state)) = self.find()? {
                return Ok(Err(Box::new(state)));
            }
            // It ended between the two looks.
        }
    }

    fn try_claim(&self) -> Result<Option<Claim>> {
        loop {
            match DirBuilder::new().mode(0o700).create(&self.path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("make", &self.path, e));
                }
                Err(_) if !self.state().exists() && !self.is_empty() => {
                    return Err(failed("use", &self.path, "it is there, and is no lab's"));
                }
                _ => {}
            }
            let path = self.state();
            let open = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path);
            let file = match open {
                Ok(file) => file,
                // Another lab's shepherd has just removed the directory; a link that leads nowhere stays.
                Err(e) if e.kind() == io::ErrorKind::NotFound && !self.path.is_symlink() => continue,
                Err(e) => return Err(failed("open", &path, e)),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(failed("lock", &path, e)),
            }
            // The lock counts only if the file is still the one that others will open.
            let claim = Claim { home: self.clone(), file };
            if claim.holds() {
                // A dead lab's; one that cannot be removed will be in the way of the new one, which says so.
                let _ = fs::remove_file(self.path.join(SOCKET));
                return Ok(Some(claim));
            }
        }
    }
}

impl Claim {
    /// The directory.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The locked file; whoever holds a duplicate of it holds the lock.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes the state.
    pub fn write(&mut self, state: &State) -> Result<()> {
        let text = serde_json::to_string(state).map_err(|e| failed("write", &self.home.state(), e))?;
        let written = self.file.set_len(0).and_then(|()| self.file.rewind());
        let written = written.and_then(|()| self.file.write_all(text.as_bytes()));
        written.map_err(|e| failed("write", &self.home.state(), e))
    }

    /// Whether the file that is locked is the one in the directory.
    fn holds(&self) -> bool {
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (self.file.metadata(), fs::metadata(self.home.state())) {
            (Ok(ours), Ok(there)) => same(&ours, &there),
            _ => false,
        }
    }

    /// Removes the directory, if it is still this claim's and the lab's shepherd has not done so.
    pub fn remove(self) -> Result<()> {
        if !self.holds() {
            return Ok(());
        }
        self.home.remains().clear().map_err(|e| failed("remove", &self.home.path, e))
    }
}

impl State {
    /// The state of a lab that is asked for now.
    pub fn new(name: &str, file: &Path, digest: &str) -> State {
        State {
            version: VERSION,
            name: name.to_owned(),
            file: file.to_owned(),
            digest: digest.to_owned(),
            pid: 0,
            boot: boot(),
            since: jiff::Timestamp::now().to_string(),
            ready: false,
            rootless: false,
        }
    }

    /// How long the lab has been there, in seconds.
    pub fn age(&self) -> i64 {
        let since: Option<jiff::Timestamp> = self.since.parse().ok();
        since.map_or(0, |since| jiff::Timestamp::now().as_second() - since.as_second())
    }
}

/// Which boot of the machine this is.
fn boot() -> String {
    let mut text = String::new();
    let read =
        File::open("/proc/sys/kernel/random/boot_id").and_then(|mut file| file.read_to_string(&mut text));
    read.map(|_| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root(directory.path().to_owned());
        (directory, root)
    }

    #[test]
    fn a_lab_is_alive_as_long_as_somebody_holds_its_file() {
        let (_directory, root) = root();
        let home = root.lab("one").unwrap();
        assert_eq!(home.find().unwrap(), None);
        let mut claim = home.claim().unwrap().unwrap();
        let state = State::new("one", Path::new("/x.toml"), "abc");
        claim.write(&state).unwrap();
        assert_eq!(home.find().unwrap(), Some(Found::Alive(state.clone())));
        assert_eq!(home.claim().unwrap().unwrap_err(), Box::new(state));
        let kept = claim.file().try_clone().unwrap();
        drop(claim);
        assert!(matches!(home.find().unwrap(), Some(Found::Alive(_))));
        drop(kept);
        assert_eq!(home.find().unwrap(), Some(Found::Dead));
        assert_eq!(root.labs().unwrap().len(), 1);
        home.claim().unwrap().unwrap().remove().unwrap();
        assert!(root.labs().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_labs_is_neither_listed_nor_claimed_nor_removed() {
        let (directory, root) = root();
        let theirs = directory.path().join("Documents");
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("letter"), "dear").unwrap();
        fs::create_dir(directory.path().join(".hidden")).unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        assert!(root.labs().unwrap().is_empty());
        let refused = root.lab("Documents").unwrap().claim().unwrap_err();
        assert!(refused.to_string().ends_with("it is there, and is no lab's"), "{refused}");
        assert!(theirs.join("letter").exists());
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_refused() {
        let (_directory, root) = root();
        for name in ["", ".", "..", "../x", "a/b", "/x", "-x", "a b", "ü", &"x".repeat(64)] {
            assert_eq!(root.lab(name).unwrap_err().kind(), Kind::Input, "{name}");
        }
    }

    #[test]
    fn only_the_files_of_a_lab_are_removed() {
        let (directory, root) = root();
        let claim = root.lab("one").unwrap().claim().unwrap().unwrap();
        fs::write(directory.path().join("one/report.txt"), "").unwrap();
        claim.remove().unwrap();
        assert!(directory.path().join("one/report.txt").exists());
    }

    #[test]
    fn a_claim_on_what_is_another_labs_by_now_removes_nothing() {
        let (directory, root) = root();
        let home = root.lab("one").unwrap();
        let old = home.claim().unwrap().unwrap();
        fs::remove_dir_all(directory.path().join("one")).unwrap();
        let _new = home.claim().unwrap().unwrap();
        old.remove().unwrap();
        assert!(directory.path().join("one").join(STATE).exists());
    }

    #[test]
    fn a_socket_may_have_a_path_of_any_length() {
        use std::io::Write;
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("x".repeat(100)).join("y".repeat(100));
        fs::create_dir_all(&deep).unwrap();
        let home = Root(deep).lab("one").unwrap();
        let _claim = home.claim().unwrap().unwrap();
        let listener = home.listen().unwrap();
        home.connect().unwrap().write_all(b"x").unwrap();
        assert_eq!(listener.accept().unwrap().0.read(&mut [0; 4]).unwrap(), 1);
    }
}

//! Network namespaces: a descriptor that keeps one alive, a thread that lives in it.
//!
//! A socket belongs for life to the namespace it was made in, and works from any thread. So a
//! namespace is only ever entered to *make* things, on a thread of its own: `setns` on a thread
//! of a pool would leave the pool with a worker in the wrong namespace.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Context, Error, Result};
use crate::sysctl::Tree;

/// How long a namespace's thread waits for work before it ends; the next call makes a new one (about 0.1 ms).
const IDLE: Duration = Duration::from_secs(2);

/// From so many namespaces on that are made together it is worth having a procfs for them.
const MANY: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace. Clones are handles to one namespace; the last one dropped lets go of it.
///
/// The kernel frees a namespace when nothing holds it any more: no descriptor, no process, no
/// socket made in it. That happens behind our backs, some tens of milliseconds later.
#[derive(Clone)]
pub struct Netns(Arc<Inner>);

/// The calling thread is inside a new namespace, and may make something there. See [`Netns::many`].
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a> {
    name: &'a str,
    tree: &'a Tree,
}

impl<'a> Inside<'a> {
    /// The name of the namespace.
    pub fn name(self) -> &'a str {
        self.name
    }

    pub(crate) fn tree(&self) -> &Tree {
        self.tree
    }
}

struct Inner {
    name: String,
    fd: OwnedFd,
    worker: Arc<Worker>,
}

/// The way to the thread, shared with it: whoever holds the lock may send or may end it.
type Worker = Mutex<Option<mpsc::Sender<Job>>>;

fn lock(worker: &Worker) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Netns {
    /// A new, empty namespace. `name` is for messages and for the thread (`top -H` shows 15 bytes of it).
    pub fn new(name: &str) -> Result<Netns> {
        let worker = Arc::new(Mutex::new(None));
        let (born, birth) = mpsc::channel();
        start(name, &worker, move || {
            let fd = unshare(CloneFlags::CLONE_NEWNET)
                .map_err(io::Error::from)
                .and_then(|()| File::open("/proc/thread-self/ns/net"));
            let alive = fd.is_ok();
            born.send(fd).is_ok() && alive
        })
        .doing("start the thread of namespace", name)?;
        let fd = birth
            .recv()
            .map_err(io::Error::other)
            .and_then(|fd| fd)
            .doing("create network namespace", name)?;
        Ok(Netns(Arc::new(Inner { name: name.to_owned(), fd: fd.into(), worker })))
    }

    /// New, empty namespaces with those names, with what `make` makes inside each of them. All are made by one thread, which goes from
    /// one to the next: starting a thread in each, only to have it wait, takes longer than the little that is made there.
    pub fn many<T: Send>(
        names: &[&str],
        make: impl Fn(Inside<'_>) -> Result<T> + Sync,
    ) -> Result<Vec<(Netns, T)>> {
        let tree = if names.len() < MANY { Tree::mounted()? } else { Tree::own()? };
        let one = |name: &&str| {
            let name = *name;
            let fd = unshare(CloneFlags::CLONE_NEWNET)
                .map_err(io::Error::from)
                .and_then(|()| File::open("/proc/thread-self/ns/net"))
                .doing("create network namespace", name)?;
            Ok((Netns::from_fd(name, fd.into()), make(Inside { name, tree: &tree })?))
        };
        let all = || names.iter().map(one).collect();
        thread::scope(|scope| {
            let started = thread::Builder::new().name("namespaces".into()).spawn_scoped(scope, all);
            let thread = started.doing("start", "the thread that makes namespaces")?;
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The namespace of the calling thread.
    pub fn current(name: &str) -> Result<Netns> {
        let fd = File::open("/proc/thread-self/ns/net").doing("open the network namespace of", name)?;
        Ok(Netns::from_fd(name, fd.into()))
    }

    /// The namespace that `fd` refers to.
    pub fn from_fd(name: &str, fd: OwnedFd) -> Netns {
        Netns(Arc::new(Inner { name: name.to_owned(), fd, worker: Arc::default() }))
    }

    /// The name it was given, for messages.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The inode of the namespace: two handles are of one namespace when their inodes are equal.
    pub fn inode(&self) -> Result<u64> {
        let file = self.0.fd.try_clone().map(File::from);
        file.and_then(|file| file.metadata()).map(|m| m.st_ino()).doing("look at namespace", self.name())
    }

    /// Runs `f` inside and returns what it returns. For short work that makes something: a
    /// socket, a sysctl write. A panic in `f` goes on in the caller.
    pub fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> Result<R> {
        let (answer, result) = mpsc::channel();
        let job: Job = Box::new(move || {
            // The caller may have gone; then nobody wants the answer.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(f)));
        });
        self.send(job)?;
        match result.recv() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(gone) => Err(Error::other("enter network namespace", self.name(), gone)),
        }
    }

    fn send(&self, job: Job) -> Result<()> {
        let mut worker = lock(&self.0.worker);
        let job = match worker.as_ref() {
            None => job,
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return Ok(()),
                // The thread could not enter and has ended.
                Err(mpsc::SendError(job)) => job,
            },
        };
        let (jobs, inbox) = mpsc::channel();
        let fd = self.0.fd.try_clone().doing("duplicate the descriptor of", self.name())?;
        spawn(self.name(), Arc::clone(&self.0.worker), inbox, move || {
            setns(fd, CloneFlags::CLONE_NEWNET).is_ok()
        })
        .doing("start the thread of namespace", self.name())?;
        jobs.send(job)
            .map_err(|_| Error::other("enter network namespace", self.name(), "its thread ended"))?;
        *worker = Some(jobs);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without its sender the thread ends now, not when it has been idle: it lives in the
        // namespace and would keep it.
        lock(&self.worker).take();
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netns({})", self.name())
    }
}

/// Starts a thread and registers it as the worker.
fn start(name: &str, worker: &Arc<Worker>, enter: impl FnOnce() -> bool + Send + 'static) -> io::Result<()> {
    let (jobs, inbox) = mpsc::channel();
    *lock(worker) = Some(jobs);
    spawn(name, Arc::clone(worker), inbox, enter)
}

fn spawn(
    name: &str,
    worker: Arc<Worker>,
    inbox: mpsc::Receiver<Job>,
    enter: impl FnOnce() -> bool + Send + 'static,
) -> io::Result<()> {
    let body = move || {
        if !enter() {
            return;
        }
        loop {
            match inbox.recv_timeout(IDLE) {
                Ok(job) => job(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Senders hold the lock while they send, so an empty inbox stays empty here.
                    let mut worker = lock(&worker);
                    let Ok(job) = inbox.try_recv() else {
                        worker.take();
                        return;
                    };
                    drop(worker);
                    job();
                }
            }
        }
    };
    thread::Builder::new().name(name.into()).stack_size(256 * 1024).spawn(body).map(drop)
}

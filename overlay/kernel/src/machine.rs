//! What makes a network namespace look like a machine: PID, mount and UTS namespaces of its own.
//!
//! Pid 1 of a machine is a bare fork of this process that owns nothing and only waits: 16 kB. When it
//! dies, every process of the machine dies with it, those of machines nested in it included.
//!
//! Processes are spawned by a thread that has joined the machine and does nothing else. Such a
//! thread cannot start threads (EINVAL, since its children would be in another PID namespace).

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, setsockopt, sockopt};

use crate::birth::{self, Report, Step};
use crate::cgroup::{Admission, Cgroup, MYSELF};
use crate::error::{Context, Error, Result};
use crate::netns::Netns;
use crate::pidfd::Pidfd;

/// Where a machine's network namespaces are pinned. `ip netns` looks in `/run/netns`, which is a link to it.
pub const PINS: &str = "/run/docker/netns";

/// `_IO(0xb7, 0x3)`, `linux/nsfs.h`.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;

/// The control group of what runs on a machine, below the machine's.
const CGROUP: &str = "init";

/// How long a machine may take to die.
const DYING: Duration = Duration::from_secs(2);

/// `CLONE_NEWTIME`, `linux/sched.h`.
const CLONE_NEWTIME: libc::c_int = 0x80;

/// What a machine is told at its birth.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// What `hostname` says.
    pub hostname: String,
    /// The content of `/etc/hosts`.
    pub hosts: String,
    /// The content of `/etc/resolv.conf`.
    pub resolv: String,
    /// Directories of the computer's that the machine sees empty, and has to itself: absolute paths that exist. What it writes
    /// there is in memory, and gone with it.
    pub volatile: Vec<String>,
    /// Whether it has control groups of its own, at `/sys/fs/cgroup`: version 2. It takes root.
    pub cgroups: bool,
}

/// A machine: pid 1, and the thread that spawns its processes.
#[derive(Debug)]
pub struct Machine {
    name: String,
    init: Pidfd,
    pid: i32,
    jobs: Mutex<mpsc::Sender<Job>>,
    pins: Mutex<BTreeSet<String>>,
    admission: Admission,
    cgroup: Option<Cgroup>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Machine {
    /// Starts a machine on `netns`; nested in `parent`, if there is one.
    pub fn start(netns: &Netns, parent: Option<&Machine>, setup: &Setup) -> Result<Machine> {
        let name = netns.name().to_owned();
        let cgroup = if setup.cgroups { Some(Cgroup::new(&name)?) } else { None };
        let door = cgroup.as_ref().map(|cgroup| cgroup.door("")).transpose()?;
        let steps = steps(setup, door).doing("describe", format_args!("the machine {name}"))?;
        let netns = netns.as_fd().try_clone_to_owned().doing("duplicate the descriptor of", &name)?;
        let parent = parent
            .map(|m| m.init.as_fd().try_clone_to_owned())
            .transpose()
            .doing("duplicate the descriptor of", &name)?;
        let (ours, theirs) = UnixStream::pair().doing("make", "a socket pair")?;
        // With it, whatever is written carries the writer's pid, translated to this PID namespace.
        setsockopt(&ours, sockopt::PassCred, &true).doing("set", "SO_PASSCRED")?;
        // A thread of its own: it changes its namespaces for good.
        let midwife = thread::Builder::new().name(format!("{name} birth"));
        let born = midwife.spawn(move || {
            unshare(CloneFlags::CLONE_FS)?;
            if let Some(parent) = parent {
                setns(parent, CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWPID)?;
            }
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            birth::fork(&steps, theirs.as_fd()).map(|()| steps)
        });
        let born = born.doing("start a thread for", &name)?.join().map_err(|_| panicked(&name))?;
        let steps = born.map_err(|errno| down(errno, "start", &name))?;
        let (report, pid) = hear(&ours).doing("start", format_args!("the machine {name}"))?;
        if let Err((step, errno)) = report.result() {
            let what = steps.get(step).map_or_else(|| "its namespaces".to_owned(), ToString::to_string);
            return Err(Error::new("start", format_args!("the machine {name}: {what}"), errno));
        }
        let init = Pidfd::open(pid).doing("open", format_args!("the init of {name}"))?;
        let jobs = Mutex::new(spawner(&name, &init, cgroup.is_some())?);
        let admission = Admission::by(cgroup.as_ref().map(|cgroup| cgroup.door(CGROUP)).transpose()?);
        Ok(Machine { name, init, pid, jobs, pins: Mutex::default(), admission, cgroup })
    }

    /// What lets programs into its control group that are spawned on it.
    pub fn admission(&self) -> Admission {
        self.admission.clone()
    }

    /// The pid of its init, as this process sees it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its init. Readable when that has died; what [`crate::enter`] needs.
    pub fn init(&self) -> BorrowedFd<'_> {
        self.init.as_fd()
    }

    /// Waits until its init has died, at most for `limit`; whether it has.
    pub fn wait_down(&self, limit: Duration) -> Result<bool> {
        self.init.ended(limit).doing("watch", format_args!("the init of {}", self.name))
    }

    /// Resolves when its init has died. To be called on a tokio runtime; holds no namespace.
    pub fn death(&self) -> Result<impl Future<Output = ()> + Send + use<>> {
        self.init.end().doing("watch", format_args!("the init of {}", self.name))
    }

    /// Kills its init, and with it every process of the machine.
    pub fn kill(&self) -> Result<()> {
        self.init.kill().doing("kill", format_args!("the init of {}", self.name))
    }

    /// Runs `f` on the thread that has joined the machine. Nothing there may start a thread.
    pub fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> Result<R> {
        let (answer, result) = mpsc::channel();
        let job: Job = Box::new(move || drop(answer.send(catch_unwind(AssertUnwindSafe(f)))));
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.send(job).map_err(|_| panicked(&self.name))?;
        drop(jobs);
        match result.recv() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(panicked(&self.name)),
        }
    }

    /// Runs `spawn`, which starts a process. That the machine is down is said so: the kernel says ENOMEM.
    pub fn spawn<R: Send + 'static>(
        &self,
        spawn: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Result<io::Result<R>> {
        match self.run(spawn)? {
            Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => {
                Err(down(Errno::ENOMEM, "start a process on", &self.name))
            }
            started => Ok(started),
        }
    }

    /// Sets the monotonic and boot clocks of processes that are spawned from now on: `offset` milliseconds before or after the
    /// real ones (time_namespaces(7)). Those that are there keep theirs. A clock cannot be before zero, its machine's start.
    pub fn set_clocks(&self, offset: i64) -> Result<()> {
        let object = || format!("the clocks of {} off by {offset} ms", self.name);
        // The spawning thread's own children are to be in a new time namespace; which thread that is, it knows itself.
        let thread = self.run(|| -> io::Result<libc::pid_t> {
            #[expect(unsafe_code, reason = "nix has no flag for time namespaces")]
            // SAFETY: plain numbers. It changes only where children of this thread are born.
            unsafe {
                Errno::result(libc::unshare(CLONE_NEWTIME))?;
                Ok(libc::gettid())
            }
        })?;
        let thread = thread.doing("set", object())?;
        let (seconds, nanos) = (offset.div_euclid(1000), offset.rem_euclid(1000) * 1_000_000);
        let offsets = format!("monotonic {seconds} {nanos}\nboottime {seconds} {nanos}\n");
        // Written from here: that thread sees another /proc.
        match fs::write(format!("/proc/{thread}/timens_offsets"), offsets) {
            Err(e) if e.raw_os_error() == Some(libc::ERANGE) => {
                Err(Error::other("set", object(), "a clock cannot be before its machine's start"))
            }
            written => written.doing("set", object()),
        }
    }

    /// Gives a namespace a name on this machine: `ip netns ls` lists it.
    pub fn pin(&self, name: &str, netns: &Netns) -> Result<()> {
        let object = format!("{name} on {}", self.name);
        let tree = birth::clone_mount(netns.as_fd()).doing("pin", &object)?;
        let path = format!("{PINS}/{name}");
        self.run(move || -> io::Result<()> {
            fs::write(&path, "")?;
            birth::attach_mount(tree.as_fd(), Path::new(&path))
        })?
        .doing("pin", object)?;
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok(())
    }

    /// Takes the name away.
    pub fn unpin(&self, name: &str) -> Result<()> {
        let path = format!("{PINS}/{name}");
        self.run(move || -> io::Result<()> {
            nix::mount::umount2(path.as_str(), nix::mount::MntFlags::MNT_DETACH)?;
            fs::remove_file(path)
        })?
        .doing("unpin", format_args!("{name} on {}", self.name))?;
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    /// The network namespaces that its programs have given a name, as it is done with [`Machine::pin`]: those of containers
    /// of an engine that runs there. What has a name by `pin` is left out.
    pub fn named(&self) -> Result<Vec<(String, Netns)>> {
        let ours = self.pins();
        // Its files, as seen from here.
        let directory = format!("/proc/{}/root{PINS}", self.pid);
        let mut found = Vec::new();
        for entry in fs::read_dir(&directory).doing("read", &directory)? {
            let entry = entry.doing("read", &directory)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A name may go at any time; what is left then is a plain file.
            let Ok(file) = File::open(entry.path()) else { continue };
            if !ours.contains(&name) && is_netns(&file) {
                let label = format!("{} on {}", name, self.name);
                found.push((name, Netns::from_fd(&label, file.into())));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// The names given.
    pub fn pins(&self) -> BTreeSet<String> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.kill();
        if self.cgroup.is_some() {
            // Its control group, which is dropped next, cannot be removed before.
            let _ = self.wait_down(DYING);
        }
    }
}

/// Whether a file is a network namespace (`NS_GET_NSTYPE`, ioctl_nsfs(2)).
fn is_netns(file: &File) -> bool {
    #[expect(unsafe_code, reason = "nix has no such ioctl")]
    // SAFETY: an open descriptor and a request that takes no argument.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    kind == libc::CLONE_NEWNET
}

fn panicked(name: &str) -> Error {
    Error::other("use the thread of", name, "it has ended")
}

fn down(errno: Errno, op: &'static str, name: &str) -> Error {
    match errno {
        // In a PID namespace whose init is dead nothing can be started.
        Errno::ENOMEM | Errno::ESRCH => Error::other(op, name, "it is down"),
        errno => Error::new(op, name, errno),
    }
}

/// The birth of a machine, step by step; run where nothing may be allocated. `door` leads into its control group.
fn steps(setup: &Setup, door: Option<OwnedFd>) -> io::Result<Vec<Step>> {
    let path = |text: &str| CString::new(text).map_err(io::Error::other);
    let cgroups = door.is_some();
    let mut steps = vec![Step::Hostname(path(&setup.hostname)?)];
    steps.extend(door.map(|door| Step::Cgroup { door }));
    steps.push(Step::PrivateMounts);
    for directory in &setup.volatile {
        steps.push(Step::Mount { kind: path("tmpfs")?, at: path(directory)?, data: path("mode=755")? });
    }
    steps.extend([
        Step::Mount { kind: path("tmpfs")?, at: path("/run")?, data: path("mode=755")? },
        Step::Mount { kind: path("proc")?, at: path("/proc")?, data: path("")? },
        Step::Mount { kind: path("sysfs")?, at: path("/sys")?, data: path("")? },
        Step::Directory(path("/run/docker")?),
        Step::Directory(path(PINS)?),
        Step::Link { to: path("docker/netns")?, at: path("/run/netns")? },
        Step::Directory(path("/run/etc")?),
    ]);
    if cgroups {
        let root = "/sys/fs/cgroup";
        steps.push(Step::Mount { kind: path("cgroup2")?, at: path(root)?, data: path("")? });
        // Controllers can be handed down only from a group that no process is in.
        steps.push(Step::Directory(path(&format!("{root}/{CGROUP}"))?));
        let content = MYSELF.to_vec();
        steps.push(Step::File { at: path(&format!("{root}/{CGROUP}/cgroup.procs"))?, content });
    }
    let files = [
        ("hostname", format!("{}\n", setup.hostname)),
        ("hosts", setup.hosts.clone()),
        ("resolv.conf", setup.resolv.clone()),
    ];
    for (name, content) in files {
        let (ours, theirs) = (path(&format!("/run/etc/{name}"))?, path(&format!("/etc/{name}"))?);
        steps.push(Step::File { at: ours.clone(), content: content.into_bytes() });
        steps.push(Step::Bind { from: ours, at: theirs });
    }
    Ok(steps)
}

/// Reads the birth report and the pid of the process that wrote it.
fn hear(socket: &UnixStream) -> io::Result<(Report, i32)> {
    let mut bytes = [0; Report::SIZE];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let mut space = nix::cmsg_space!(libc::ucred);
    let message =
        recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let pid = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
        _ => None,
    });
    let complete = message.bytes == Report::SIZE;
    match (pid, complete) {
        (Some(pid), true) => Ok((Report::from_bytes(bytes), pid)),
        _ => Err(io::Error::other("it died while it was being born")),
    }
}

fn spawner(name: &str, init: &Pidfd, cgroups: bool) -> Result<mpsc::Sender<Job>> {
    let (jobs, inbox) = mpsc::channel::<Job>();
    let init = init.as_fd().try_clone_to_owned().doing("duplicate the descriptor of", name)?;
    let (joined, joining) = mpsc::channel();
    let body = move || {
        let mut namespaces = CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWPID;
        if cgroups {
            namespaces |= CloneFlags::CLONE_NEWCGROUP;
        }
        // A mount namespace can be joined only by a thread that shares its root and working directory with no other.
        let entered = unshare(CloneFlags::CLONE_FS).and_then(|()| setns(init, namespaces));
        let ok = entered.is_ok();
        if joined.send(entered).is_ok() && ok {
            for job in inbox {
                job();
            }
        }
    };
    let spawned = thread::Builder::new().name(format!("{name} spawn")).spawn(body);
    spawned.doing("start a thread for", name)?;
    let entered = joining.recv().map_err(|_| panicked(name))?;
    entered.map_err(|errno| down(errno, "join", name))?;
    Ok(jobs)
}

//! A test in a lab, or in namespaces of its own: what [`harness::test`](crate::test) and
//! [`harness::isolate`](crate::isolate) make of a function.
//!
//! The test binary is started again for this one test inside fresh PID, mount, network, UTS and IPC namespaces (see
//! [`kernel::entry`]): so a test may bind port 80, change sysctls and be killed, as any user, beside any number of others. What
//! it prints, where it panics and how it ends come through.
//!
//! A test whose lab requires what the machine lacks is not run: it passes, and prints that and why, unless `LAB_REQUIRE` is set.
//!
//! When its body has ended, the lab is dropped, and what is left then fails the test: a process, a thread, a descriptor. When
//! it has failed, or its time is over, what there was to see is kept in a directory, and the line that plays it again is
//! printed.

use std::any::Any;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kernel::entry::{Outcome, give_up};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Kind, Result};
use crate::lab::Lab;
use crate::leak::Leaks;
use crate::probe::lacking_inside;
use crate::report::{Bundle, in_short};
use crate::topology::{self, Topology, parse_duration};

/// Overrides every lab's seed.
const SEED: &str = "LAB_SEED";
/// Makes a test fail whose lab requires what the machine lacks.
const REQUIRE: &str = "LAB_REQUIRE";
/// How long what a test has left behind may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a runtime may take to end; what blocks longer is left, and found.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A test. The attributes build it; there is no need to do so by hand.
#[derive(Debug)]
#[must_use = "a trial has to be run"]
pub struct Trial {
    entry: kernel::entry::Trial<'static>,
    source: Source,
    seed: Option<u64>,
    leaky: bool,
}

/// What the lab is made of.
#[derive(Debug)]
enum Source {
    None,
    File { path: &'static str, text: &'static str },
    Topology(fn() -> Topology),
}

/// Where the lab is put as soon as it is there, for whoever watches.
type Stand = Arc<Mutex<Option<Lab>>>;

impl Trial {
    /// The test of that name in that module, as `module_path!()` says it.
    pub fn new(module: &'static str, name: &'static str) -> Trial {
        let entry = kernel::entry::Trial::new(module, name).watching_itself();
        Trial { entry, source: Source::None, seed: None, leaky: false }
    }

    /// In the lab that a file describes.
    pub fn file(self, path: &'static str, text: &'static str) -> Trial {
        Trial { source: Source::File { path, text }, ..self }
    }

    /// In the lab of that topology.
    pub fn topology(self, topology: fn() -> Topology) -> Trial {
        Trial { source: Source::Topology(topology), ..self }
    }

    /// With that seed, unless `LAB_SEED` says another.
    pub fn seed(self, seed: u64) -> Trial {
        Trial { seed: Some(seed), ..self }
    }

    /// With that time limit, such as `"30s"`; otherwise it is `LAB_TEST_TIMEOUT`, in seconds, or a minute.
    pub fn limit(self, time: &str) -> Trial {
        let time = parse_duration(time).unwrap_or_else(|why| panic!("`limit = {time:?}` is no time: {why}"));
        Trial { entry: self.entry.limit(time), ..self }
    }

    /// What is left in the end is nobody's concern.
    pub fn leaky(self) -> Trial {
        Trial { leaky: true, ..self }
    }

    /// It is to panic.
    pub fn panicking(self) -> Trial {
        Trial { entry: self.entry.panicking(), ..self }
    }

    /// Runs an asynchronous body in its lab.
    pub fn lab_async<Body: Future<Output: Outcome>>(self, body: impl FnOnce(Lab) -> Body) {
        self.in_lab(|runtime, lab| runtime.block_on(body(lab)));
    }

    /// Runs a body in its lab; the lab's runtime is entered.
    pub fn lab<R: Outcome>(self, body: impl FnOnce(Lab) -> R) {
        self.in_lab(|runtime, lab| {
            let _runtime = runtime.enter();
            body(lab)
        });
    }

    /// Runs an asynchronous body without a lab.
    pub fn bare_async<Body: Future<Output: Outcome>>(self, body: impl FnOnce() -> Body) {
        self.run(|runtime, _, _| runtime.block_on(body()).failure());
    }

    /// Runs a body without a lab.
    pub fn bare<R: Outcome>(self, body: impl FnOnce() -> R) {
        self.run(|_, _, _| body().failure());
    }

    fn in_lab<R: Outcome>(self, body: impl FnOnce(&Runtime, Lab) -> R) {
        self.run(|runtime, trial, stand| {
            let topology = match trial.build() {
                Ok(topology) => topology,
                Err(why) => return Some(format!("the lab could not be built: {why}")),
            };
            if let Some(reason) = lacking_inside(&topology.requires).filter(|_| !required()) {
                eprintln!("skipped: {}: {reason}", trial.entry.path());
                return None;
            }
            let lab = match runtime.block_on(Lab::up(topology)) {
                Ok(lab) => lab,
                Err(why) => return Some(format!("the lab could not be built: {why}")),
            };
            *stand.lock().unwrap_or_else(PoisonError::into_inner) = Some(lab.clone());
            body(runtime, lab).failure()
        });
    }

    /// Runs `body` inside; it says why it failed, or panics.
    fn run(self, body: impl FnOnce(&Runtime, &Trial, &Stand) -> Option<String>) {
        self.entry.run(|| {
            let runtime = runtime();
            // After that: what the runtime has of its own is gone in the end, what it shares with others stays.
            let leaks = Leaks::before();
            let stand = Stand::default();
            let watchdog = Watchdog::start(&self, &stand);
            let ended = catch_unwind(AssertUnwindSafe(|| body(&runtime, &self, &stand)));
            watchdog.stop();
            let lab = stand.lock().unwrap_or_else(PoisonError::into_inner).take();
            if !matches!(ended, Ok(None))
                && let Some(lab) = &lab
            {
                eprintln!("{}", runtime.block_on(self.keep(lab)));
            }
            drop(lab);
            // Killed processes are children of this one, and it is the runtime that waits for them.
            leaks.wait_processes(PATIENCE);
            runtime.shutdown_timeout(SHUTDOWN);
            match ended {
                Err(panic) => resume_unwind(panic),
                Ok(Some(why)) => Err(Failure(why)),
                Ok(None) if self.leaky => Ok(()),
                Ok(None) => self.check(&leaks),
            }
        });
    }

    /// The topology, with the seed that counts.
    fn build(&self) -> Result<Topology> {
        let mut topology = match self.source {
            Source::Topology(topology) => topology(),
            Source::File { path, text } => topology::parse(path, text)
                .map_err(|report| Error::new(Kind::Input, format_args!("\n{}", report.plain())))?,
            Source::None => return Err(Error::new(Kind::Input, "nobody has said which")),
        };
        topology.seed = self.seed.unwrap_or(topology.seed);
        if let Ok(seed) = env::var(SEED) {
            let wrong = |_| {
                Error::new(Kind::Input, format_args!("{SEED} is a number from 0 to 2^64-1, not `{seed}`"))
            };
            topology.seed = seed.parse().map_err(wrong)?;
        }
        Ok(topology)
    }

    /// Keeps what there is to see in a directory, and says in short what it is.
    async fn keep(&self, lab: &Lab) -> String {
        let (path, seed) = (self.entry.path(), lab.topology().seed);
        let mut bundle = Bundle::collect(lab, &path, &[]).await;
        bundle.add("topology.toml", lab.topology().to_toml());
        bundle.add("again.txt", format!("{SEED}={seed} cargo test --features netns -- --exact {path}\n"));
        let kept = match bundle.write(&env::temp_dir(), &path.replace("::", "-")) {
            Ok(directory) => directory.display().to_string(),
            Err(why) => format!("none: {why}"),
        };
        format!(
            "{}kept in     {kept}\nagain       {SEED}={seed} cargo test --features netns -- --exact {path}",
            in_short(lab).await
        )
    }

    fn check(&self, leaks: &Leaks) -> Result<(), Failure> {
        let left = leaks.after(PATIENCE);
        if left.is_empty() {
            return Ok(());
        }
        let left = left.join("\n    ");
        let path = self.entry.path();
        Err(Failure(format!("{path} has left behind:\n    {left}\n(`leaks = \"allowed\"` lets it)")))
    }
}

/// Why a test failed, as it is printed.
struct Failure(String);

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether what is missing fails a test.
fn required() -> bool {
    env::var(REQUIRE).is_ok_and(|value| !value.is_empty() && value != "0")
}

fn runtime() -> Runtime {
    // Netlink and namespaces block for milliseconds; a second worker keeps the store answering meanwhile.
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made")
}

/// Ends a test whose time is over, after it has said in what state its lab is.
struct Watchdog {
    end: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Watchdog {
    fn start(trial: &Trial, stand: &Stand) -> Watchdog {
        let (end, ended) = channel();
        let (patience, stand) = (trial.entry.patience(), Arc::clone(stand));
        let keeper = Trial { entry: trial.entry, source: Source::None, seed: None, leaky: true };
        let watch = move || {
            if ended.recv_timeout(patience) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            // The lab's own runtime may be what hangs.
            let lab = stand.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let (Some(lab), Ok(runtime)) = (lab, Builder::new_current_thread().enable_all().build()) {
                eprintln!("{}", runtime.block_on(keeper.keep(&lab)));
            }
            give_up(&format!("the test hung: no end after {} s; it was ended", patience.as_secs()));
        };
        let thread =
            thread::Builder::new().name("watchdog".into()).spawn(watch).expect("a thread can be started");
        Watchdog { end, thread }
    }

    fn stop(self) {
        let _ = self.end.send(());
        let _: Result<(), Box<dyn Any + Send>> = self.thread.join();
    }
}

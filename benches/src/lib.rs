//! What the benches share: a place of their own, labs of any size, what things cost, and a quiet kernel.

pub mod cost;
pub mod growth;
pub mod topologies;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use harness::Lab;
use kernel::Canary;
use kernel::entry::{Inner, Life, inside};
use tokio::runtime::Runtime;

/// How long the kernel may take to free a lab.
const FREED: Duration = Duration::from_mins(2);
/// How many of a lab's namespaces are watched, at most: a canary is a link more to be freed.
const WATCHED: usize = 8;

/// Runs `bench` inside namespaces of its own, by starting this executable again.
pub fn enter(bench: impl FnOnce()) -> ExitCode {
    if inside() {
        bench();
        return ExitCode::SUCCESS;
    }
    let run = || -> Result<bool, Box<dyn std::error::Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1));
        Ok(Inner::spawn(command, Life::Attached, None)?.wait()?.success())
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A runtime as `lab` has one.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

/// The middle one of some figures; nothing, of none.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = figures.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Waits until the kernel has freed a lab: whatever is timed next finds the kernel quiet.
#[derive(Debug)]
#[must_use = "it is for waiting"]
pub struct Freed {
    canary: Canary,
    begun: Instant,
}

impl Freed {
    /// Watches a lab that is about to be dropped. Of many namespaces some are watched, the first and the last among them.
    pub fn watch(lab: &Lab) -> Freed {
        let namespaces = lab.namespaces();
        let every = namespaces.len().div_ceil(WATCHED);
        let some = namespaces.iter().step_by(every).chain(namespaces.last());
        let canary = Canary::new(&some.collect::<Vec<_>>()).expect("a canary can be planted");
        drop(namespaces);
        Freed { canary, begun: Instant::now() }
    }

    /// Ends a lab, to be waited for.
    pub fn by(lab: Lab) -> Freed {
        let freed = Freed::watch(&lab);
        drop(lab);
        freed
    }

    /// Waits; how long that was since it began to watch.
    ///
    /// # Panics
    /// If the kernel takes longer than two minutes.
    #[expect(clippy::must_use_candidate, reason = "waiting is what it is for")]
    pub fn wait(self) -> Duration {
        assert!(self.canary.wait(FREED).expect("a canary can be watched"), "the kernel did not free the lab");
        self.begun.elapsed()
    }
}

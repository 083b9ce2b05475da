//! CPU time: of a thread, and of the machine.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Linux counts the machine's time in hundredths of a second for user space, whatever it ticks at (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The CPU time that traffic has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Of the threads at the end from which it was asked for, kernel included.
    pub from: Duration,
    /// Of the threads at the other end, likewise.
    pub to: Duration,
    /// Of this process: of both ends, and of what else it does meanwhile, such as carrying the frames of an impaired wire.
    pub process: Duration,
    /// Of the whole machine, all its processes and interrupts: what the kernel did in the name of nobody is only here, and so is
    /// what others did meanwhile. To 10 ms a CPU, so it says little of runs of less than a second.
    pub machine: Duration,
}

impl Cost {
    /// Of both ends.
    pub fn both(&self) -> Duration {
        self.from + self.to
    }

    /// With that of another run, too.
    #[must_use]
    pub fn and(self, other: Cost) -> Cost {
        Cost {
            from: self.from + other.from,
            to: self.to + other.to,
            process: self.process + other.process,
            machine: self.machine + other.machine,
        }
    }
}

/// The CPU time of the calling thread so far, in user space and in the kernel.
pub(super) fn of_this_thread() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// The CPU time of this process and of the machine so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    process: Duration,
    machine: Duration,
}

impl Busy {
    pub(super) fn now() -> Busy {
        let process =
            clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default();
        Busy { process, machine: of_the_machine() }
    }

    /// What has been spent since then, by nobody in particular.
    pub(super) fn since(self) -> Cost {
        let now = Busy::now();
        Cost {
            process: now.process.saturating_sub(self.process),
            machine: now.machine.saturating_sub(self.machine),
            ..Cost::default()
        }
    }
}

/// For how long the CPUs of the machine have been busy so far, all together.
fn of_the_machine() -> Duration {
    fs::read_to_string("/proc/stat").map(|text| busy(&text)).unwrap_or_default()
}

/// `proc_stat(5)`: user, nice, system, idle, iowait, irq, softirq, …: all of which but the fourth and fifth are work.
fn busy(stat: &str) -> Duration {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks: Vec<u32> = all.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let work = ticks.iter().take(7).enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    work.map(|(_, ticks)| TICK * *ticks).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_no_work() {
        let stat = "cpu  1 2 3 1000 500 6 7 8 0 0\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(busy(stat), Duration::from_millis(190));
        assert_eq!(busy("nonsense"), Duration::ZERO);
    }

    #[test]
    fn work_is_charged_to_the_thread_that_does_it() {
        let (thread, machine) = (of_this_thread(), of_the_machine());
        while of_this_thread().saturating_sub(thread) < Duration::from_millis(30) {}
        let idle = std::thread::spawn(of_this_thread).join().expect("it does not panic");
        assert!(idle < Duration::from_millis(30), "{idle:?}");
        assert!(of_the_machine() > machine);
    }
}

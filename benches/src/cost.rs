//! What something costs: time by the clock and of processors, memory of the process and of the kernel.

use std::fs;
use std::ops::Sub;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// What a piece of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// By the clock.
    pub wall: Duration,
    /// Of processors, by all threads of this process, in the kernel too. What the kernel does later, on its own, is nobody's.
    pub cpu: Duration,
}

impl Cost {
    /// Does it, and says what it took.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Cost) {
        let (begun, before) = (Instant::now(), used());
        let done = work();
        (done, Cost { wall: begun.elapsed(), cpu: used().saturating_sub(before) })
    }
}

/// The processors' time that this process has used so far.
pub fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has that clock").into()
}

/// Memory in use, in KiB; a difference of two looks may be negative.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// This process's own pages.
    pub process: i32,
    /// The kernel's, of the whole machine: slabs, page tables, stacks, and what there is once for each processor.
    pub kernel: i32,
}

impl Memory {
    /// Looks.
    pub fn now() -> Memory {
        let kernel = fs::read_to_string("/proc/meminfo").expect("every Linux has it");
        let process = fs::read_to_string("/proc/self/smaps_rollup").expect("every Linux has it");
        let kernels = ["Slab:", "KernelStack:", "PageTables:", "Percpu:", "VmallocUsed:"];
        Memory {
            process: ["Private_Clean:", "Private_Dirty:"].iter().map(|name| kibibytes(&process, name)).sum(),
            kernel: kernels.iter().map(|name| kibibytes(&kernel, name)).sum(),
        }
    }
}

impl Sub for Memory {
    type Output = Memory;

    fn sub(self, before: Memory) -> Memory {
        Memory { process: self.process - before.process, kernel: self.kernel - before.kernel }
    }
}

/// How many threads this process has.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("every Linux has it").count()
}

fn kibibytes(text: &str, name: &str) -> i32 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

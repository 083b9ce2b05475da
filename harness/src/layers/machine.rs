//! The machine that figures were taken on, since they say little without it.

use std::fmt;
use std::fs;
use std::thread::available_parallelism;

use serde::Serialize;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What its processor calls itself.
    pub processor: String,
    /// How many CPUs this process may use.
    pub cpus: usize,
    /// Its memory, in MiB.
    pub memory_mib: u64,
    /// Its kernel.
    pub kernel: String,
    /// What TCP controls congestion by.
    pub congestion_control: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let unknown = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
        let of = |path: &str, key: &str| {
            let text = read(path);
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned());
            value.unwrap_or_default()
        };
        let memory = of("/proc/meminfo", "MemTotal");
        Machine {
            processor: unknown(of("/proc/cpuinfo", "model name")),
            cpus: available_parallelism().map_or(1, usize::from),
            memory_mib: memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024,
            kernel: unknown(read("/proc/sys/kernel/osrelease").trim().to_owned()),
            congestion_control: unknown(read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cpus, memory_mib, kernel, congestion_control } = self;
        let gib = memory_mib.div_ceil(1024);
        write!(f, "{cpus} CPUs ({processor}), {gib} GiB, Linux {kernel}, TCP with {congestion_control}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_and_a_cpu() {
        let here = Machine::here();
        assert!(here.cpus > 0 && here.memory_mib > 0, "{here:?}");
        assert!(here.to_string().contains("Linux "), "{here}");
    }
}

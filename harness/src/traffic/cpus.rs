//! Where the two ends of traffic run.

use serde::{Deserialize, Serialize};

/// Which CPUs the threads of the two ends run on. Where the kernel puts them changes from run to run and within one, and may make
/// more of a difference than what is measured: who compares had better say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cpus {
    /// Where the kernel puts them.
    #[default]
    Free,
    /// On one CPU, the last that they may run on: a round trip is then what the way costs, without what it takes to wake another
    /// CPU, twice, which may be ten times as much, most of all in a virtual machine.
    Shared,
    /// On two: the near end on the last that they may run on, the far end on the one before. As `Free` where there is one only.
    Apart,
}

/// An end of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Who asks for it.
    Near,
    /// The other one.
    Far,
}

impl Cpus {
    /// Puts the calling thread where that end belongs. Where it may not be put anywhere, it stays.
    pub(super) fn place(self, end: End) {
        let allowed = kernel::cpu::allowed().unwrap_or_default();
        let cpu = match (self, end, &allowed[..]) {
            (Cpus::Shared, _, [.., last]) | (Cpus::Apart, End::Near, [.., _, last]) => *last,
            (Cpus::Apart, End::Far, [.., other, _]) => *other,
            _ => return,
        };
        let _ = kernel::cpu::pin(cpu);
    }
}

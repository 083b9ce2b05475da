//! Which CPU a thread runs on. Where it matters what a wake-up costs, it must not be left to chance whether another CPU is woken.

use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread, for the kernel.
const THIS: Pid = Pid::from_raw(0);

/// The CPUs that the calling thread may run on, by number.
pub fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(THIS)?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Lets the calling thread run on that CPU only.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(THIS, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_pinned_and_its_siblings_do_not() {
        let before = allowed().expect("there are some");
        let last = *before.last().expect("at least one");
        let pinned = std::thread::spawn(move || pin(last).and_then(|()| allowed()));
        assert_eq!(pinned.join().expect("no panic").expect("it may"), [last]);
        assert_eq!(allowed().expect("there are some"), before);
        assert!(pin(usize::MAX).is_err());
    }
}

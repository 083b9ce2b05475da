//! What links that are made by hand are numbered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kernel::rtnl::Link;

/// What links are numbered from: behind all that engines and the lab number (Docker's names of interfaces go on by one, and nobody has
/// hundreds of thousands).
const FIRST: u32 = 900_000;

/// The numbers of one lab: each is given once, to a link and its other end, if it has one, which gets the next. So the ends of a pair are
/// known by theirs, wherever they are.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(Arc<AtomicU32>);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers(Arc::new(AtomicU32::new(FIRST)))
    }
}

impl Numbers {
    /// Two numbers that no link has in any of these namespaces: this one and the next.
    pub(super) fn draw(&self, all: &[&[Link]]) -> u32 {
        loop {
            let index = self.0.fetch_add(2, Ordering::Relaxed);
            let is_taken = |link: &Link| link.index == index || link.index == index + 1;
            if !all.iter().copied().flatten().any(is_taken) {
                return index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_once_and_not_to_what_is_there() {
        let numbers = Numbers::default();
        let there = [Link { index: FIRST + 3, ..Link::default() }];
        let drawn: Vec<u32> = (0..3).map(|_| numbers.draw(&[&[], &there])).collect();
        assert_eq!(drawn, [FIRST, FIRST + 4, FIRST + 6]);
    }
}

//! The listing that was written out last: many who watch one prefix are told of a change at once, and are all told the same.

use std::sync::{Mutex, PoisonError};

use super::answer::Answer;

/// Keeps it.
#[derive(Debug, Default)]
pub(super) struct Listings(Mutex<Option<Written>>);

#[derive(Debug)]
struct Written {
    /// The store's index then.
    index: u64,
    prefix: Vec<u8>,
    pretty: bool,
    answer: Answer,
}

impl Listings {
    /// The listing of a prefix while the store is at that index; written out now, unless it was.
    pub(super) fn get(
        &self,
        index: u64,
        (prefix, pretty): (&[u8], bool),
        write: impl FnOnce() -> Answer,
    ) -> Answer {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |last: &&Written| (last.index, last.prefix.as_slice(), last.pretty) == (index, prefix, pretty);
        if let Some(written) = last.as_ref().filter(same) {
            return written.answer.clone();
        }
        let answer = write();
        *last = Some(Written { index, prefix: prefix.to_owned(), pretty, answer: answer.clone() });
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_written_out_once_for_all_who_ask_while_nothing_is_changed() {
        let listings = Listings::default();
        let get = |index, prefix: &str, pretty, status| {
            listings.get(index, (prefix.as_bytes(), pretty), || Answer::empty(status)).status()
        };
        assert_eq!((get(7, "a/", false, 1), get(7, "a/", false, 2)), (Some(1), Some(1)));
        let others = [get(8, "a/", false, 3), get(8, "b/", false, 4), get(8, "b/", true, 5)];
        assert_eq!(others, [Some(3), Some(4), Some(5)]);
    }
}

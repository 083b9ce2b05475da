//! The last things that were said, in memory: numbered, bounded, followed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Bytes kept, about; older items are forgotten.
const KEPT: usize = 1 << 20;

/// Something that is kept in a ring.
pub trait Item: Clone {
    /// The memory it takes, in bytes, about.
    fn size(&self) -> usize;
}

/// The last items. Clones are handles to one ring.
#[derive(Debug)]
pub struct Ring<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    items: Mutex<Items<T>>,
    more: Notify,
}

#[derive(Debug)]
struct Items<T> {
    kept: VecDeque<T>,
    bytes: usize,
    /// The number of the first item that is kept.
    first: u64,
    closed: bool,
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Ring(Arc::clone(&self.0))
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        let items = Items { kept: VecDeque::new(), bytes: 0, first: 0, closed: false };
        Ring(Arc::new(Inner { items: Mutex::new(items), more: Notify::new() }))
    }
}

impl<T: Item> Ring<T> {
    fn items<R>(&self, f: impl FnOnce(&mut Items<T>) -> R) -> R {
        f(&mut self.0.items.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds an item.
    pub(crate) fn push(&self, item: T) {
        self.items(|items| {
            items.bytes += item.size();
            items.kept.push_back(item);
            while items.bytes > KEPT && items.kept.len() > 1 {
                items.bytes -= items.kept.pop_front().map_or(0, |item| item.size());
                items.first += 1;
            }
        });
        self.0.more.notify_waiters();
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&self) {
        self.items(|items| items.closed = true);
        self.0.more.notify_waiters();
    }

    /// The number of the next item to come.
    pub fn next(&self) -> u64 {
        self.items(|items| items.first + items.kept.len() as u64)
    }

    /// The items from number `from` on that are still kept, and the number of the next one to come.
    pub fn since(&self, from: u64) -> (Vec<T>, u64) {
        self.items(|items| {
            let skip = usize::try_from(from.saturating_sub(items.first)).unwrap_or(usize::MAX);
            (items.kept.iter().skip(skip).cloned().collect(), items.first + items.kept.len() as u64)
        })
    }

    /// As [`Ring::since`], but waits until there is something; nothing if nothing will ever come.
    pub async fn follow(&self, from: u64) -> (Vec<T>, u64) {
        loop {
            let more = self.0.more.notified();
            tokio::pin!(more);
            // Registered before looking, so that an item in between is not missed.
            more.as_mut().enable();
            let (items, next) = self.since(from);
            if !items.is_empty() || self.items(|items| items.closed) {
                return (items, next);
            }
            more.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Item for String {
        fn size(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn old_items_are_forgotten_and_numbers_go_on() {
        let ring = Ring::default();
        for number in 0..5 {
            ring.push(number.to_string().repeat(KEPT / 2));
        }
        let (kept, next) = ring.since(0);
        assert_eq!(kept.iter().map(|text| &text[..1]).collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(next, 5);
        assert_eq!(ring.since(4).0.len(), 1);
        assert!(ring.since(9).0.is_empty());
    }

    #[tokio::test]
    async fn a_follower_gets_what_comes_later_and_then_the_end() {
        let ring = Ring::<String>::default();
        let follower = tokio::spawn({
            let ring = ring.clone();
            async move { (ring.follow(0).await, ring.follow(1).await) }
        });
        tokio::task::yield_now().await;
        ring.push("one".into());
        tokio::task::yield_now().await;
        ring.close();
        let (first, rest) = follower.await.expect("the follower ends");
        assert_eq!(first, (vec!["one".to_owned()], 1));
        assert!(rest.0.is_empty());
    }
}

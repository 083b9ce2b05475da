//! What happened in a lab, as far as its page is to hear of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;
use tokio::sync::watch;

use crate::control::{Client, Request};
use crate::error::Result;
use crate::lab::Sources;
use crate::state::Home;

/// So many events are kept for the page, the latest ones.
const KEPT: usize = 500;

/// Events, by number, from 0.
#[derive(Debug)]
pub(super) struct Feed {
    all: Mutex<VecDeque<Value>>,
    count: watch::Sender<usize>,
}

impl Feed {
    /// Follows a lab, in a thread of its own, until that is over.
    pub(super) fn follow(home: &Home) -> Result<Arc<Feed>> {
        let feed = Arc::new(Feed { all: Mutex::default(), count: watch::Sender::new(0) });
        let mut line = Client::connect(home)?;
        let its = Arc::clone(&feed);
        thread::spawn(move || {
            let request = Request::Events { follow: true, sources: Sources::default() };
            // That it ends is the lab's end, which others tell of.
            let _ = line.each(&request, |event| {
                its.push(event);
                Ok(())
            });
        });
        Ok(feed)
    }

    fn push(&self, event: Value) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(event);
        if all.len() > KEPT {
            all.pop_front();
        }
        self.count.send_modify(|count| *count += 1);
    }

    /// What happened from the `from`-th on, as far as it is kept, and the number of the next; waits until there is something.
    pub(super) async fn since(&self, from: usize) -> (Vec<Value>, usize) {
        let mut count = self.count.subscribe();
        // The sender is ours: it does not end before this.
        let _ = count.wait_for(|count| *count > from).await;
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let next = *self.count.borrow();
        let wanted = next.saturating_sub(from).min(all.len());
        (all.range(all.len() - wanted..).cloned().collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_comes_once_and_the_oldest_is_forgotten() {
        let feed = Feed { all: Mutex::default(), count: watch::Sender::new(0) };
        (0..KEPT + 10).for_each(|number| feed.push(number.into()));
        let (all, next) = feed.since(0).await;
        assert_eq!((all.len(), next, &all[0]), (KEPT, KEPT + 10, &Value::from(10)));
        let (later, _) = feed.since(next - 1).await;
        assert_eq!(later, [Value::from(KEPT + 9)]);
        let waiting = feed.since(next);
        tokio::pin!(waiting);
        assert!(futures_util::future::poll_immediate(&mut waiting).await.is_none());
        feed.push("new".into());
        assert_eq!(waiting.await.0, [Value::from("new")]);
    }
}

//! The way from one client to a store in memory, which can be cut.

use std::future::pending;
use std::io;

use tokio::select;
use tokio::sync::watch;

use crate::kv::Error;
use crate::kv::error::Why;

/// What the store is called in errors.
const STORE: &str = "the store in memory";

/// The way of some handles to the store. Clones are one way; it begins whole.
#[derive(Clone, Debug, Default)]
pub struct Line(watch::Sender<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    reach: Reach,
    /// How many more requests are answered until an answer is lost.
    answers: Option<u32>,
}

/// How far requests come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// To the store and back.
    #[default]
    Whole,
    /// Nowhere, and their sender is told so.
    Refused,
    /// Nowhere, and nobody says anything until that changes.
    Silent,
}

impl Line {
    /// Cuts the line, or makes it whole: no answer is lost any more. Requests that are on it break when it changes.
    pub fn set(&self, reach: Reach) {
        self.0.send_if_modified(|state| {
            let changed = state.reach != reach;
            *state = State { reach, answers: None };
            changed
        });
    }

    /// How far requests come now.
    pub fn reach(&self) -> Reach {
        self.0.borrow().reach
    }

    /// Loses an answer once: `after` requests are answered, the next one is done and not answered.
    pub fn lose_answer(&self, after: u32) {
        self.0.send_modify(|state| state.answers = Some(after));
    }

    /// Sends a request, and returns with its answer, if both come through.
    pub(in crate::kv) async fn carry<R>(
        &self,
        op: &'static str,
        object: &str,
        request: impl Future<Output = R>,
    ) -> Result<R, Error> {
        let mut state = self.0.subscribe();
        let reach = state.borrow_and_update().reach;
        let changed = async {
            if state.wait_for(|state| state.reach != reach).await.is_err() {
                pending::<()>().await;
            }
        };
        let broken = || {
            let source = io::ErrorKind::ConnectionReset.into();
            Error::new(op, object, Why::Broken { store: STORE.to_owned(), source })
        };
        match reach {
            Reach::Refused => {
                let source = io::ErrorKind::ConnectionRefused.into();
                Err(Error::new(op, object, Why::Connect { store: STORE.to_owned(), source }))
            }
            Reach::Silent => {
                changed.await;
                Err(broken())
            }
            Reach::Whole => select! {
                biased;
                answer = request => if self.is_answered() { Ok(answer) } else { Err(broken()) },
                () = changed => Err(broken()),
            },
        }
    }

    /// Counts an answer, and says whether it comes through.
    fn is_answered(&self) -> bool {
        let mut lost = false;
        self.0.send_if_modified(|state| {
            lost = state.answers == Some(0);
            state.answers = state.answers.and_then(|left| left.checked_sub(1));
            false
        });
        !lost
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use std::time::Duration;

    use super::*;
    use crate::kv::memory::Shared;
    use crate::kv::{Kv, store};

    fn two() -> (Kv, Line, Kv) {
        let (store, line) = (Shared::new(store::Config::default()), Line::default());
        (Kv::Memory(store.over(&line)), line, Kv::Memory(store))
    }

    #[tokio::test]
    async fn a_line_that_is_cut_keeps_its_own_requests_from_the_store_and_no_others() {
        let (kv, line, other) = two();
        line.set(Reach::Refused);
        let error = kv.put("k", b"1").await.unwrap_err();
        assert!(error.is_unreachable() && !error.is_uncertain(), "{error}");
        assert_eq!(other.get("k").await.unwrap(), None);
        other.put("k", b"2").await.unwrap();
        line.set(Reach::Whole);
        assert_eq!(kv.get("k").await.unwrap().unwrap().value, b"2");
    }

    #[tokio::test]
    async fn what_is_on_a_line_breaks_when_it_is_cut_and_what_is_silent_when_it_comes_back() {
        let (kv, line, _other) = two();
        kv.put("k", b"").await.unwrap();
        let index = kv.list("k").await.unwrap().index;
        let watching = kv.clone();
        let blocked =
            tokio::spawn(async move { watching.watch("k", index, Duration::from_mins(1)).await.is_err() });
        tokio::task::yield_now().await;
        line.set(Reach::Silent);
        assert!(blocked.await.unwrap(), "the query was answered");
        let hanging = tokio::spawn(async move { kv.get("k").await.unwrap_err().is_uncertain() });
        tokio::task::yield_now().await;
        assert!(!hanging.is_finished());
        line.set(Reach::Whole);
        assert!(hanging.await.unwrap());
    }

    #[tokio::test]
    async fn a_request_whose_answer_is_lost_was_done() {
        let (kv, line, other) = two();
        line.lose_answer(1);
        kv.put("k", b"1").await.unwrap();
        assert!(kv.put("k", b"2").await.unwrap_err().is_uncertain());
        assert_eq!(other.get("k").await.unwrap().unwrap().value, b"2");
        kv.put("k", b"3").await.unwrap();
    }
}

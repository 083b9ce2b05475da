//! Queries that block, in a shared store whose time is given, against the naive model: each is answered when it must be and not
//! before.

use super::Shared;
use crate::kv::store::twins::{Act, Twins, acts, watches};
use crate::kv::store::{Config, Watch};
use proptest::prelude::*;
use proptest::sample::Index;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// How often somebody was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One blocked query, polled by hand.
struct Query {
    watch: Watch,
    index: u64,
    answer: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
}

impl Query {
    fn new(store: &Shared, watch: Watch, index: u64) -> Query {
        let (store, watched) = (store.clone(), watch.clone());
        // Longer than the test, by a clock that nobody moves.
        let answer = Box::pin(async move { store.changed(&watched, index, Duration::from_mins(10)).await });
        Query { watch, index, answer, woken: Arc::default() }
    }

    fn is_answered(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.answer.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
    }

    fn wakes(&self) -> usize {
        self.woken.0.load(Ordering::Relaxed)
    }
}

/// What is done, and who asks after that: for which of the watches there are, with an index how much off.
fn steps() -> impl Strategy<Value = Vec<(Act, Option<(Index, u64)>)>> {
    let asks = prop::option::of((any::<Index>(), prop_oneof![3 => Just(1_u64), 1 => Just(0), 1 => Just(5)]));
    (acts(), prop::collection::vec(asks, 60)).prop_map(|(acts, asks)| acts.into_iter().zip(asks).collect())
}

proptest! {
    #[test]
    fn a_query_is_answered_when_what_it_watches_was_changed_and_not_before(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _inside = runtime.enter();
        let (store, mut twins) = (Shared::new(Config::default()), Twins::new());
        // So far ahead of the real clock that this one moves nothing.
        let start = Act::Pass(3_600_000);
        store.with(|store| twins.act(store, &start));
        let mut blocked: Vec<Query> = Vec::new();
        for (act, ask) in steps {
            let (events, wakes) = (twins.naive.events(), blocked.iter().map(Query::wakes).collect::<Vec<_>>());
            store.with(|store| {
                twins.act(store, &act);
                twins.compare(store);
            });
            let mut left = Vec::new();
            for (mut query, wakes) in blocked.into_iter().zip(wakes) {
                let touched = twins.naive.touched(&query.watch, events);
                prop_assert!(touched || query.wakes() == wakes, "{:?} woke at {:?}", query.watch, act);
                let due = touched && twins.naive.index_of(&query.watch) > query.index;
                prop_assert_eq!(query.is_answered(), due, "{:?} from {} at {:?}", query.watch, query.index, act);
                if !due {
                    left.push(query);
                }
            }
            blocked = left;
            if let Some((nth, off)) = ask {
                let watches = watches(&twins.sessions);
                let watch = nth.get(&watches).clone();
                // Off by one: as far as is known. By none: older than that. By more: of another life.
                let now = twins.naive.index_of(&watch);
                let index = (now + off).saturating_sub(1);
                let mut query = Query::new(&store, watch, index);
                let due = index == 0 || now > index;
                prop_assert_eq!(query.is_answered(), due, "{:?} from {}", query.watch, index);
                if !due {
                    blocked.push(query);
                }
            }
            prop_assert_eq!(store.blocked(), blocked.len());
        }
        drop(blocked);
        prop_assert_eq!(store.blocked(), 0);
    }
}

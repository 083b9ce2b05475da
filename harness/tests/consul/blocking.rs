//! Queries that block: what wakes them, what does not, and what is left when they are gone.

use crate::wire::ask;
use crate::{A_WHILE, SOON, Stub, eventually, soon};
use overlay::kv::store;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

/// F1, F5, F10 to F12, F15, F16, F20, F23, F24, I23: each query blocks, and the write wakes it.
#[tokio::test]
async fn a_blocked_query_wakes_on_a_change_of_what_it_watches() {
    let watches = [
        ("kv/a", "PUT kv/a new"),
        ("kv/a", "DELETE kv/a"),
        ("kv/a", "DELETE kv/?recurse"),
        ("kv/r/?recurse", "PUT kv/r/c new"),
        ("kv/r/?recurse", "DELETE kv/r/a"),
        ("kv/r/?recurse", "DELETE kv/r/?recurse"),
        ("kv/r/?keys", "PUT kv/r/a new"),
        ("kv/r/?keys&separator=/", "PUT kv/r/a new"),
        ("kv/r/a", "DELETE kv/r?recurse"),
        ("kv/unused/?recurse", "PUT kv/unused/first x"),
        ("kv/missing", "PUT kv/missing x"),
        ("kv/?recurse", "PUT kv/anything x"),
        ("kv/a", "PUT kv/a?acquire={S} 1"),
        ("kv/held", "PUT kv/held?release={S} 1"),
        ("kv/held", "PUT session/destroy/{S}"),
        ("kv/a", r#"PUT txn [{"KV":{"Verb":"set","Key":"a","Value":"dA=="}}]"#),
        ("session/list", "PUT session/create"),
        ("session/list", "PUT session/destroy/{S}"),
        ("session/info/{S}", "PUT session/destroy/{S}"),
        ("session/node/consul", "PUT session/destroy/{S}"),
    ];
    for (watched, event) in watches {
        let stub = Stub::new();
        for key in ["a", "r/a", "r/b", "other"] {
            stub.put(&format!("kv/{key}"), "1").await;
        }
        let session = stub.session(r#"{"LockDelay":"0s"}"#).await;
        stub.put(&format!("kv/held?acquire={session}"), "1").await;
        let (watched, event) = (watched.replace("{S}", &session), event.replace("{S}", &session));
        let before = stub.get(&watched).await;
        let index = before.index().unwrap();
        let query = if watched.contains('?') { "&" } else { "?" };
        let blocked = stub.blocked(format!("{watched}{query}index={index}&wait=60s")).await;
        let mut words = event.splitn(3, ' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let body = words.next().unwrap_or_default();
        assert_eq!(
            ask(stub.addr, method, &format!("/v1/{target}"), body.as_bytes()).await.status,
            200,
            "{event}"
        );
        let after = soon(blocked).await;
        assert!(after.index().unwrap() > index, "{watched}: {event}");
        assert!(watched.contains("?keys") || after.text() != before.text(), "{watched}: {event}");
    }
}

/// F2, F3, F4, F9, F13, F14, F17, F21, F22, F25: the query sleeps through them until its deadline.
#[tokio::test]
async fn a_blocked_query_sleeps_through_what_does_not_concern_it() {
    let watches = [
        ("kv/foo/test", "PUT kv/foo/test2 x"),
        ("kv/a", "PUT kv/a 1"),
        ("kv/missing", "PUT kv/other new"),
        ("kv/r/?recurse", "PUT kv/s new"),
        ("kv/unused/?recurse", "PUT kv/other new"),
        ("kv/d/z", "DELETE kv/d/x?recurse"),
        ("kv/held", "PUT kv/held?acquire={S} 1"),
        ("kv/a", "PUT kv/a?cas=1 2"),
        ("kv/held", "PUT kv/held?acquire={T} 2"),
        ("session/info/{S}", "PUT session/create"),
        ("session/list", "PUT session/renew/{S}"),
        ("catalog/nodes", "PUT kv/other new"),
    ];
    let mut sleepers = JoinSet::new();
    for (watched, event) in watches {
        sleepers.spawn(async move {
            let stub = Stub::new();
            for key in ["a", "r/a", "foo/test", "d/x/y", "d/z"] {
                stub.put(&format!("kv/{key}"), "1").await;
            }
            let session = stub.session("").await;
            stub.put(&format!("kv/held?acquire={session}"), "1").await;
            let event = event.replace("{S}", &session).replace("{T}", &stub.session("").await);
            let watched = watched.replace("{S}", &session);
            let index = stub.get(&watched).await.index().unwrap();
            let query = if watched.contains('?') { "&" } else { "?" };
            let start = Instant::now();
            let blocked = stub.blocked(format!("{watched}{query}index={index}&wait=1s")).await;
            let mut words = event.splitn(3, ' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let body = words.next().unwrap_or_default();
            assert_eq!(
                ask(stub.addr, method, &format!("/v1/{target}"), body.as_bytes()).await.status,
                200,
                "{event}"
            );
            soon(blocked).await;
            assert!(start.elapsed() >= A_WHILE, "{watched} woke on {event}");
        });
    }
    sleepers.join_all().await;
}

#[tokio::test]
async fn a_query_blocks_only_on_an_index_that_is_not_older() {
    let stub = Stub::new();
    stub.put("kv/a", "1").await;
    let index = stub.get("kv/a").await.index().unwrap();
    let start = Instant::now();
    for at_once in [
        format!("index={}&wait=60s", index - 1),
        "index=0&wait=60s".to_owned(),
        "wait=60s".to_owned(),
        "index=&wait=60s".to_owned(),
    ] {
        assert_eq!(stub.get(&format!("kv/a?{at_once}")).await.index(), Some(index));
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    let (start, later) = (Instant::now(), index + 100);
    let blocked = stub.blocked(format!("kv/a?index={later}&wait=1s")).await;
    stub.put("kv/a", "2").await;
    assert!(soon(blocked).await.index().unwrap() < later, "an index of another life of the store");
    assert!(start.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_waiter() {
    let stub = Stub::new();
    stub.put("kv/a", "1").await;
    let index = stub.get("kv/a").await.index().unwrap();
    let mut blocked = Vec::new();
    for _ in 0..100 {
        blocked.push(stub.blocked(format!("kv/a?index={index}")).await);
    }
    assert_eq!(stub.store.blocked(), 100);
    blocked.iter().for_each(JoinHandle::abort);
    eventually(|| stub.store.blocked() == 0).await;
}

#[tokio::test]
async fn a_thousand_watchers_of_one_prefix_all_see_a_write() {
    let stub = Stub::new();
    stub.put("kv/p/a", "1").await;
    let index = stub.get("kv/p/?recurse").await.index().unwrap();
    let mut watchers = JoinSet::new();
    for _ in 0..1000 {
        let store = stub.store.clone();
        watchers.spawn(async move {
            let watch = store::Watch::Prefix(b"p/".to_vec());
            store.changed(&watch, index, Duration::from_mins(1)).await;
            store.with(|store| store.index_of(&watch))
        });
    }
    eventually(|| stub.store.blocked() == 1000).await;
    stub.put("kv/p/b", "1").await;
    let woken = tokio::time::timeout(SOON, watchers.join_all()).await.unwrap();
    assert!(woken.iter().all(|seen| *seen > index));
    assert_eq!(stub.store.blocked(), 0);
}

#[tokio::test]
async fn dropping_the_server_cuts_blocked_queries() {
    let stub = Stub::new();
    let kv = stub.client();
    kv.put("a", b"1").await.unwrap();
    let index = kv.list("a").await.unwrap().index;
    let watch = tokio::spawn(async move { kv.watch("a", index, Duration::from_mins(5)).await });
    eventually(|| stub.store.blocked() == 1).await;
    stub.server.abort();
    assert!(soon(watch).await.unwrap_err().is_unreachable());
    eventually(|| stub.store.blocked() == 0).await;
}

#[tokio::test]
async fn of_ten_contenders_for_a_lock_one_at_a_time_has_it_and_each_gets_it() {
    let stub = Stub::new();
    let holders = Arc::new(AtomicU32::new(0));
    let mut contenders = JoinSet::new();
    for _ in 0..10 {
        let (addr, holders, session) = (stub.addr, Arc::clone(&holders), stub.session("").await);
        contenders.spawn(async move {
            let (acquire, release) =
                (format!("/v1/kv/lock?acquire={session}"), format!("/v1/kv/lock?release={session}"));
            let mut index = 0;
            while ask(addr, "PUT", &acquire, session.as_bytes()).await.text() != "true" {
                let watch = format!("/v1/kv/lock?index={index}&wait=10s");
                index = ask(addr, "GET", &watch, b"").await.index().unwrap();
            }
            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "somebody else has it too");
            ask(addr, "GET", "/v1/status/leader", b"").await;
            assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
            assert_eq!(ask(addr, "PUT", &release, b"").await.text(), "true");
        });
    }
    tokio::time::timeout(6 * SOON, contenders.join_all()).await.unwrap();
}

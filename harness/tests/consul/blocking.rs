//! Queries that block: what wakes them, what does not, and what is left when they are gone.

use crate::wire::{self, ask, ask_from};
use crate::{A_WHILE, SOON, Stub, eventually, soon};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What is watched, and what wakes who watches it. Cases without a number are of no list.
pub(crate) const WAKES: &[(&str, &str, &str)] = &[
    ("F1", "kv/a", "PUT kv/a new"),
    ("F3", "kv/foo/test", "PUT kv/foo/test new"),
    ("F5", "kv/a", "DELETE kv/a"),
    ("", "kv/a", "DELETE kv/?recurse"),
    ("F10", "kv/r/?recurse", "PUT kv/r/c new"),
    ("F11", "kv/r/?recurse", "DELETE kv/r/a"),
    ("F12", "kv/r/?recurse", "DELETE kv/r/?recurse"),
    ("F15", "kv/r/?keys", "PUT kv/r/a new"),
    ("F15", "kv/r/?keys&separator=/", "PUT kv/r/a new"),
    ("F16", "kv/d/z", "DELETE kv/d?recurse"),
    ("F16", "kv/d/z", "DELETE kv/?recurse"),
    ("F14", "kv/unused/?recurse", "PUT kv/unused/first x"),
    ("F9", "kv/missing", "PUT kv/missing x"),
    ("", "kv/?recurse", "PUT kv/anything x"),
    ("F20", "kv/a", "PUT kv/a?acquire={S} 1"),
    ("F20", "kv/held", "PUT kv/held?release={S} 1"),
    ("F20", "kv/held", "PUT session/destroy/{S}"),
    ("I23", "kv/a", r#"PUT txn [{"KV":{"Verb":"set","Key":"a","Value":"dA=="}}]"#),
    ("F23", "session/list", "PUT session/create"),
    ("F23", "session/list", "PUT session/destroy/{S}"),
    ("F24", "session/info/{S}", "PUT session/destroy/{S}"),
    ("", "session/node/consul", "PUT session/destroy/{S}"),
];

/// What is watched, and what does not wake who watches it.
pub(crate) const SLEEPS: &[(&str, &str, &str)] = &[
    ("F2", "kv/a", "PUT kv/other new"),
    ("F3", "kv/foo/test", "PUT kv/foo/test2 x"),
    ("F4", "kv/a", "PUT kv/a 1"),
    ("F9", "kv/missing", "PUT kv/other new"),
    ("F13", "kv/r/?recurse", "PUT kv/s new"),
    ("F14", "kv/unused/?recurse", "PUT kv/other new"),
    ("F17", "kv/d/z", "DELETE kv/d/x?recurse"),
    ("F21", "kv/held", "PUT kv/held?acquire={S} 1"),
    ("F22", "kv/a", "PUT kv/a?cas=1 2"),
    ("F22", "kv/held", "PUT kv/held?acquire={T} 2"),
    ("F25", "session/info/{S}", "PUT session/create"),
    ("", "session/list", "PUT session/renew/{S}"),
    ("", "catalog/nodes", "PUT kv/other new"),
];

#[tokio::test]
async fn a_blocked_query_wakes_on_a_change_of_what_it_watches() {
    for (_, watched, event) in WAKES {
        let stub = Stub::new();
        for key in ["a", "r/a", "r/b", "foo/test", "d/z", "other"] {
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

#[tokio::test]
async fn a_blocked_query_sleeps_through_what_does_not_concern_it() {
    let mut sleepers = JoinSet::new();
    for (_, watched, event) in SLEEPS {
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
async fn clients_that_go_away_leave_no_waiter() {
    let stub = Stub::new();
    stub.put("kv/a", "1").await;
    let target = format!("/v1/kv/a?index={}", stub.get("kv/a").await.index().unwrap());
    for _ in 0..50 {
        let mut blocked = JoinSet::new();
        for _ in 0..200 {
            let (addr, target) = (stub.addr, target.clone());
            blocked.spawn(async move { ask(addr, "GET", &target, b"").await });
        }
        eventually(|| stub.store.blocked() == 200).await;
        blocked.shutdown().await;
        eventually(|| stub.store.blocked() == 0).await;
    }
}

/// From twenty addresses, since none may have more than two hundred connections.
#[tokio::test]
async fn a_thousand_watchers_of_one_prefix_all_see_a_write() {
    let stub = Stub::new();
    stub.put("kv/p/a", "1").await;
    let index = stub.get("kv/p/?recurse").await.index().unwrap();
    let mut watchers = JoinSet::new();
    // Each takes two descriptors, and the other tests have some; an ordinary user may have a thousand in all.
    let count = if descriptors() > 4000 { 1000 } else { 200_u32 };
    for number in 0..count {
        let (addr, target) = (stub.addr, format!("/v1/kv/p/?recurse&index={index}&wait=60s"));
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + number % 20).unwrap());
        watchers.spawn(async move { ask_from(from, addr, &target).await });
    }
    eventually(|| stub.store.blocked() == count as usize).await;
    stub.put("kv/p/b", "1").await;
    let written = wire::modify_index(stub.addr, "p/b").await.unwrap();
    let woken = tokio::time::timeout(6 * SOON, watchers.join_all()).await.unwrap();
    assert!(woken.iter().all(|reply| reply.index() == Some(written)));
    assert_eq!(stub.store.blocked(), 0);
}

/// How many files this process may have open (proc(5), `/proc/pid/limits`).
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let open = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    open.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

#[tokio::test]
async fn queries_block_for_their_wait_and_no_longer_than_a_sixteenth_of_it_more() {
    let stub = Stub::new();
    let index = stub.get("kv/a").await.index().unwrap();
    let mut queries = JoinSet::new();
    for _ in 0..40 {
        let (addr, target) = (stub.addr, format!("/v1/kv/a?index={index}&wait=2s"));
        queries.spawn(async move {
            let start = Instant::now();
            let reply = ask(addr, "GET", &target, b"").await;
            (reply.index(), start.elapsed())
        });
    }
    for (same, took) in queries.join_all().await {
        assert_eq!(same, Some(index));
        let most = Duration::from_millis(2125) + A_WHILE;
        assert!((Duration::from_secs(2)..most).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn fifty_connections_block_at_once_and_each_is_used_again() {
    let stub = Stub::new();
    stub.put("kv/a", "1").await;
    let index = stub.get("kv/a").await.index().unwrap();
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let addr = stub.addr;
        clients.spawn(async move {
            let first = format!("GET /v1/kv/a?index={index} HTTP/1.1\r\nHost: c\r\n\r\n");
            let last = "GET /v1/kv/a?raw HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
            wire::send(addr, (first + last).as_bytes()).await
        });
    }
    eventually(|| stub.store.blocked() == 50).await;
    stub.put("kv/a", "2").await;
    for replies in tokio::time::timeout(SOON, clients.join_all()).await.unwrap() {
        assert_eq!(replies.len(), 2);
        assert!(replies[0].index().unwrap() > index && replies[1].text() == "2");
    }
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

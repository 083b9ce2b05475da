//! The key browser: what is served, under which rules, and what it may ask. What it does in a browser is `ci/ui`'s matter.

use crate::wire::{Reply, ask, send};
use crate::{Stub, soon};
use overlay::ipam::Bits;
use overlay::kv::keys::VNIS;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Its files, by name.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/consul/ui");
    let all = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let its = all.filter(|path| path.extension().is_some_and(|kind| kind != "rs"));
    its.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    })
    .collect()
}

async fn page(stub: &Stub, path: &str) -> Reply {
    ask(stub.addr, "GET", path, b"").await
}

fn in_hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

async fn value(stub: &Stub, key: &[u8]) -> Option<Value> {
    page(stub, &format!("/ui/value/{}", in_hex(key))).await.json()
}

#[tokio::test]
async fn every_file_is_served_with_a_policy_that_lets_nothing_else_in() {
    let stub = Stub::new();
    let files = files();
    assert!(files.len() > 10, "{files:?}");
    for (name, text) in files {
        let is_page = name == "index.html";
        let path = if is_page { "/ui/".to_owned() } else { format!("/ui/{name}") };
        let reply = page(&stub, &path).await;
        let media = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((reply.status, reply.header("Content-Type")), (200, Some(media)), "{name}");
        // Tabs are of a page that has others beside it.
        let expected = if is_page { text.replace("{root}", "/").replace("{tabs}", "") } else { text };
        assert_eq!(reply.text(), expected, "{name}");
        check_headers(&name, &reply);
    }
    for path in ["/ui/keys", "/ui/value/61", "/ui/nothing", "/ui/dc1/kv/a/edit"] {
        check_headers(path, &page(&stub, path).await);
    }
}

#[track_caller]
fn check_headers(what: &str, reply: &Reply) {
    let policy = reply.header("Content-Security-Policy").unwrap_or_default();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(rule), "{what}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"),
        "{what}: {policy}"
    );
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{what}");
    }
}

#[test]
fn no_file_names_another_host_or_makes_html_of_text() {
    for (name, text) in files() {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        let mut never = vec![
            "://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "@import",
            "url(",
        ];
        if name == "index.html" {
            never.extend(["<style", "style=", "onclick", "javascript:"]);
        }
        for word in never {
            assert!(!text.contains(word), "{word} in {name}");
        }
    }
}

#[tokio::test]
async fn the_page_is_only_read() {
    let stub = Stub::new();
    for path in ["/ui/", "/ui/keys", "/ui/value/61", "/ui/main.js"] {
        for method in ["PUT", "POST", "DELETE", "HEAD"] {
            let reply = ask(stub.addr, method, path, b"").await;
            assert_eq!((reply.status, reply.header("Allow")), (405, Some("OPTIONS,GET")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn keys_of_any_bytes_are_listed_so_that_each_can_be_named() {
    let stub = Stub::new();
    stub.put("kv/a%20%25", "one").await;
    stub.put("kv/b%FF", "").await;
    stub.put("kv/b%FE", "").await;
    let odd = r#"[{"KV":{"Verb":"set","Key":"/x//../\n","Value":"MQ=="}}]"#;
    assert_eq!(stub.put("txn", odd).await.status, 200);
    let rows = page(&stub, "/ui/keys").await.json().unwrap();
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(names, ["/x//../%0A", "a%20%25", "b%FE", "b%FF"]);
    assert_eq!(rows[1][2], 3);
    assert_eq!(value(&stub, b"/x//../\n").await.unwrap()["value"], "MQ==");
    assert_eq!(value(&stub, b"b\xff").await.unwrap()["key"], "b%FF");
}

#[tokio::test]
async fn a_listing_says_who_holds_what_and_blocks_until_that_changes() {
    let stub = Stub::new();
    let session = stub.session("").await;
    stub.put("kv/a", "1").await;
    let before = page(&stub, "/ui/keys").await;
    let index = before.index().unwrap();
    assert_eq!(before.json().unwrap(), json!([["a", index, 1, null, null]]));
    let addr = stub.addr;
    let asked = stub.store.blocked();
    let blocked =
        tokio::spawn(async move { ask(addr, "GET", &format!("/ui/keys?index={index}&wait=60s"), b"").await });
    crate::eventually(|| stub.store.blocked() > asked).await;
    stub.put(&format!("kv/a?acquire={session}"), "1").await;
    let after = soon(blocked).await;
    let now = after.index().unwrap();
    assert_eq!(after.json().unwrap(), json!([["a", now, 1, session, null]]));
}

#[tokio::test]
async fn a_value_comes_with_its_flags_to_the_last_digit_and_with_what_it_means() {
    let stub = Stub::new();
    stub.put("kv/a?flags=18446744073709551615", "\0").await;
    let a = value(&stub, b"a").await.unwrap();
    assert_eq!(
        (&a["flags"], &a["value"], &a["in_use"]),
        (&json!("18446744073709551615"), &json!("AA=="), &Value::Null)
    );
    let mut bits = Bits::new(64);
    assert!(bits.take(0) && bits.take(1) && bits.take(7));
    stub.put(&format!("kv/{VNIS}"), &json!({ "id": "vxlan-id", "sequence": bits.encode() }).to_string())
        .await;
    let known = &value(&stub, VNIS.as_bytes()).await.unwrap()["in_use"]["known"];
    assert_eq!(known["ranges"], json!([[[0, "256"], [1, "257"]], [[7, "263"], [7, "263"]]]));
    stub.put(&format!("kv/{VNIS}"), "nonsense").await;
    assert!(value(&stub, VNIS.as_bytes()).await.unwrap()["in_use"]["unknown"].is_string());
    assert_eq!(page(&stub, "/ui/value/6e6f").await.status, 404);
    for wrong in ["6", "6g", "+1", "é"] {
        let wrong = wrong.replace('é', "%C3%A9");
        assert_eq!(page(&stub, &format!("/ui/value/{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_page_finds_its_files_below_a_prefix_and_believes_no_other_word() {
    let stub = Stub::new();
    for (said, root) in [
        ("/c0ffee", "/c0ffee/"),
        ("", "/"),
        ("c0ffee", "/"),
        ("//evil.example", "/"),
        ("/a\"><script>", "/"),
        ("/a/../b", "/"),
    ] {
        let head = format!(
            "GET /ui/dc1/kv/a HTTP/1.1\r\nHost: c\r\nConnection: close\r\nX-Forwarded-Prefix: {said}\r\n\r\n"
        );
        let text = send(stub.addr, head.as_bytes()).await[0].text();
        assert!(text.contains(&format!("data-root=\"{root}\"")), "{said}: {text}");
        assert!(text.contains(&format!("src=\"{root}ui/main.js\"")), "{said}: {text}");
    }
}

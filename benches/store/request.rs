//! What is asked, in the words of a Consul or of etcd.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::server::Speech;

/// How many keys there are to be read and written.
pub(crate) const KEYS: usize = 1000;

/// One of the thousand.
pub(crate) fn key(turn: usize) -> String {
    format!("bench/{}", turn % KEYS)
}

/// Another one each time.
fn value(turn: usize) -> String {
    format!("{turn:040}")
}

fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nHost: store\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Writes a key.
pub(crate) fn put(speech: Speech, key: &str, turn: usize) -> Vec<u8> {
    match speech {
        Speech::Consul => request("PUT", &format!("/v1/kv/{key}"), &value(turn)),
        Speech::Etcd => {
            let (key, value) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(value(turn)));
            request("POST", "/v3/kv/put", &format!(r#"{{"key":"{key}","value":"{value}"}}"#))
        }
    }
}

/// Reads a key.
pub(crate) fn get(speech: Speech, key: &str) -> Vec<u8> {
    match speech {
        Speech::Consul => request("GET", &format!("/v1/kv/{key}"), ""),
        Speech::Etcd => {
            let key = BASE64_STANDARD.encode(key);
            request("POST", "/v3/kv/range", &format!(r#"{{"key":"{key}"}}"#))
        }
    }
}

/// A read that is answered by 200 also where there is nothing.
pub(crate) fn get_or_none(speech: Speech, key: &str) -> Vec<u8> {
    match speech {
        Speech::Consul => {
            let ops = format!(r#"[{{"KV":{{"Verb":"get-or-empty","Key":"{key}"}}}}]"#);
            request("PUT", "/v1/txn", &ops)
        }
        Speech::Etcd => get(speech, key),
    }
}

/// Writes a key if nobody has since it was so.
pub(crate) fn compare(speech: Speech, key: &str, turn: usize, known: u64) -> Vec<u8> {
    match speech {
        Speech::Consul => request("PUT", &format!("/v1/kv/{key}?cas={known}"), &value(turn)),
        Speech::Etcd => {
            let (key, value) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(value(turn)));
            let when = format!(r#"{{"key":"{key}","target":"MOD","mod_revision":"{known}"}}"#);
            let then = format!(r#"{{"requestPut":{{"key":"{key}","value":"{value}"}}}}"#);
            request("POST", "/v3/kv/txn", &format!(r#"{{"compare":[{when}],"success":[{then}]}}"#))
        }
    }
}

/// Waits for the watched key.
pub(crate) fn watch(index: u64) -> Vec<u8> {
    request("GET", &format!("/v1/kv/watched?index={index}&wait=600s"), "")
}

pub(crate) fn watch_etcd() -> Vec<u8> {
    let key = BASE64_STANDARD.encode("watched");
    request("POST", "/v3/watch", &format!(r#"{{"create_request":{{"key":"{key}"}}}}"#))
}

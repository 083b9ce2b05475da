//! What two Docker Engines 20.10 asked of a real Consul, asked again.
//!
//! `docker.jsonl` has their requests in the order in which that Consul served them: boot of both, an overlay network
//! made, containers run on both, removed, the network removed. Queries that blocked are left out. Session ids are
//! `S1` and `S2`; a `cas=` names the index that Consul had given, for which the one that we gave is put.

use crate::Stub;
use crate::wire::ask;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    body: String,
    status: u16,
    index: Option<u64>,
    reply: Option<String>,
}

#[tokio::test]
async fn docker_gets_the_answers_that_it_got_from_a_consul() {
    let stub = Stub::new();
    let mut sessions: HashMap<String, String> = HashMap::new();
    // Consul's index and ours, when a path was last read.
    let mut read: HashMap<String, (u64, u64)> = HashMap::new();
    let mut tokens: HashMap<String, u64> = HashMap::new();
    for line in include_str!("docker.jsonl").lines() {
        let request: Request = serde_json::from_str(line).unwrap();
        let (place, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let theirs = query.split('&').find_map(|parameter| parameter.strip_prefix("cas="));
        let mut path = match theirs {
            None | Some("0") => request.path.clone(),
            Some(index) => request.path.replace(&format!("cas={index}"), &format!("cas={}", tokens[place])),
        };
        for (name, id) in &sessions {
            path = path.replace(&format!("acquire={name}"), &format!("acquire={id}"));
            path = path.replace(&format!("renew/{name}"), &format!("renew/{id}"));
        }
        let reply = ask(stub.addr, &request.method, &path, request.body.as_bytes()).await;
        assert_eq!(reply.status, request.status, "{line}");
        match request.reply {
            Some(name) if place == "/v1/session/create" => {
                let id = reply.json().unwrap()["ID"].as_str().unwrap().to_owned();
                sessions.insert(name, id);
            }
            Some(text) => assert_eq!(reply.text(), text, "{line}"),
            None => {}
        }
        let (Some(theirs), Some(ours)) = (request.index, reply.index()) else { continue };
        if reply.status == 200 {
            let is_list = query.contains("recurse");
            let body = reply.json().unwrap();
            assert!(is_list || body[0]["ModifyIndex"].as_u64() == Some(ours), "{line}");
            let before = read.insert(format!("{place} {is_list}"), (theirs, ours));
            if let Some((their_last, our_last)) = before {
                assert_eq!(theirs == their_last, ours == our_last, "moved here or there only: {line}");
            }
        }
        tokens.insert(place.to_owned(), ours);
    }
    assert_eq!(sessions.len(), 2);
}

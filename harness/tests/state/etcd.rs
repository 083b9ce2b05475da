//! What stands in an etcd, by version 2 of its keys API (`GET /v2/keys/docker?recursive=true`).

use harness::Host;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::store::Tree;

/// The API's port.
const PORT: u16 = 2379;

/// All keys below `docker`, as `from` reads them. A key that expires is one that a node holds.
pub(crate) async fn tree(from: &Host, etcd: &str) -> Tree {
    let mut stream = from.connect(etcd, PORT).await.unwrap();
    // By 1.0, the answer ends with the connection and comes in one piece.
    stream.write_all(b"GET /v2/keys/docker?recursive=true HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 "), "{answer}");
    let mut tree = Tree::new();
    enter(&serde_json::from_str::<Value>(body).unwrap()["node"], &mut tree);
    tree
}

fn enter(node: &Value, tree: &mut Tree) {
    // A directory has a slash at its end in other stores.
    let key = node["key"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
    if node["dir"] == true {
        tree.insert(format!("{key}/"), (String::new(), false));
        for child in node["nodes"].as_array().into_iter().flatten() {
            enter(child, tree);
        }
    } else {
        let value = node["value"].as_str().unwrap_or_default().to_owned();
        tree.insert(key, (value, node["expiration"].is_string()));
    }
}

#[test]
fn a_tree_of_etcd_is_read_with_its_directories() {
    let node = serde_json::json!({ "key": "/docker", "dir": true, "nodes": [
        { "key": "/docker/nodes", "dir": true, "nodes": [
            { "key": "/docker/nodes/10.0.0.10:2376", "value": "10.0.0.10:2376", "expiration": "soon", "ttl": 60 },
        ] },
        { "key": "/docker/empty", "dir": true },
    ] });
    let mut tree = Tree::new();
    enter(&node, &mut tree);
    let entries: Vec<_> =
        tree.iter().map(|(key, (value, held))| (key.as_str(), value.as_str(), *held)).collect();
    assert_eq!(
        entries,
        [
            ("docker/", "", false),
            ("docker/empty/", "", false),
            ("docker/nodes/", "", false),
            ("docker/nodes/10.0.0.10:2376", "10.0.0.10:2376", true),
        ]
    );
}

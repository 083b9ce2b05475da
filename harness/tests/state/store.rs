//! The store's tree as objects, and the names of the ids in it. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::objects::{Fields, Kind, Objects};

/// What stands in the store: keys, values, and whether a session holds them.
pub(crate) type Tree = BTreeMap<String, (String, bool)>;

/// What ids are called instead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    /// Of all networks, endpoints, sandboxes and containers that the documents tell of.
    pub(crate) fn of(tree: &Tree) -> Names {
        let mut names = Names::default();
        let documents = || tree.iter().filter_map(|(key, (text, _))| Some((key, document(text)?)));
        for (key, value) in documents() {
            if let (Some(id), Some(name)) = (id_after(key, "v1.0/network/"), value["name"].as_str()) {
                names.add(id, name);
            }
        }
        for (_, value) in documents() {
            let text = |field: &str| value[field].as_str();
            let (Some(id), Some(name), Some(sandbox)) = (text("id"), text("name"), text("sandbox")) else {
                continue;
            };
            let network = id_after(key_of(tree, id), "v1.0/endpoint/").unwrap_or_default();
            names.add(id, &format!("{name} on {}", names.in_text(network).trim_matches(['<', '>'])));
            names.add(sandbox, &format!("sandbox of {name}"));
            // The container's own name on the network is its short id.
            for alias in value["myAliases"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if is_id(alias, 12) {
                    names.0.push((alias.to_owned(), format!("<{name}>")));
                }
            }
        }
        names
    }

    /// An id, and its beginnings that Docker shows.
    fn add(&mut self, id: &str, name: &str) {
        for length in [64, 12, 10] {
            self.0.push((id[..length].to_owned(), format!("<{name}>")));
        }
    }

    /// A text with names instead of ids.
    pub(crate) fn in_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (id, name)| text.replace(id, name))
    }
}

fn is_id(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn id_after<'a>(key: &'a str, place: &str) -> Option<&'a str> {
    let id = key.split_once(place)?.1.split('/').next()?;
    is_id(id, 64).then_some(id)
}

/// The key that ends in this id.
fn key_of<'a>(tree: &'a Tree, id: &str) -> &'a str {
    tree.keys().find(|key| key.trim_end_matches('/').ends_with(id)).map_or("", String::as_str)
}

/// A value that is a JSON object.
fn document(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// What stands there: each document with its fields, and each place in the tree.
pub(crate) fn objects(tree: &Tree, names: &Names) -> Objects {
    let mut objects = Objects::default();
    for (key, (text, held)) in tree {
        let key = names.in_text(key.trim_matches('/'));
        for (end, _) in key.match_indices('/').chain([(key.len(), "")]) {
            objects.put(Kind::Key, key[..end].to_owned(), Fields::new());
        }
        let mut fields = Fields::new();
        match document(text) {
            Some(value) => flatten("", "", &value, names, &mut fields),
            None if text.is_empty() => continue,
            None => drop(fields.insert("value".to_owned(), text.clone())),
        }
        if *held {
            fields.insert("held".to_owned(), "by a session".to_owned());
        }
        objects.put(Kind::Document, key, fields);
    }
    objects
}

/// Each value by the way to it: `ep_iface.addr`, `Subnets[0].Vni`.
fn flatten(way: &str, field: &str, value: &Value, names: &Names, out: &mut Fields) {
    let at = |key: &str| if way.is_empty() { key.to_owned() } else { format!("{way}.{key}") };
    match value {
        Value::Object(all) if !all.is_empty() => {
            for (key, value) in all {
                flatten(&at(key), key, value, names, out);
            }
        }
        Value::Array(all) if !all.is_empty() => {
            for (number, value) in all.iter().enumerate() {
                flatten(&format!("{way}[{number}]"), field, value, names, out);
            }
        }
        // Drawn, or the moment.
        Value::String(_) if field == "created" => drop(out.insert(way.to_owned(), "<time>".to_owned())),
        Value::String(text) if field == "srcName" && text.len() == 11 => {
            out.insert(way.to_owned(), "<veth>".to_owned());
        }
        value => drop(out.insert(way.to_owned(), names.in_text(&value.to_string()))),
    }
}

#[test]
fn ids_have_names_and_documents_their_fields() {
    let (network, endpoint) = ("ab".repeat(32), "cd".repeat(32));
    let (sandbox, short) = ("ef".repeat(32), "0123456789ab");
    let tree = Tree::from([
        ("docker/nodes/10.0.0.10:2376".to_owned(), ("10.0.0.10:2376".to_owned(), true)),
        (
            format!("docker/network/v1.0/network/{network}/"),
            (format!(r#"{{"name":"demonet","id":"{network}","created":"now"}}"#), false),
        ),
        (format!("docker/network/v1.0/endpoint/{network}/"), (String::new(), false)),
        (
            format!("docker/network/v1.0/endpoint/{network}/{endpoint}/"),
            (
                format!(
                    r#"{{"name":"C0","id":"{endpoint}","sandbox":"{sandbox}","myAliases":["{short}"],"n":[{{"v":1}}]}}"#
                ),
                false,
            ),
        ),
    ]);
    let names = Names::of(&tree);
    assert_eq!(names.in_text(&format!("docker0/1-{}", &network[..10])), "docker0/1-<demonet>");
    let shown = objects(&tree, &names).to_string();
    let (documents, keys) = shown.split_at(shown.find("  key ").unwrap());
    assert_eq!(
        documents,
        r#"  document docker/network/v1.0/endpoint/<demonet>/<C0 on demonet>
    id = "<C0 on demonet>"
    myAliases[0] = "<C0>"
    n[0].v = 1
    name = "C0"
    sandbox = "<sandbox of C0>"
  document docker/network/v1.0/network/<demonet>
    created = <time>
    id = "<demonet>"
    name = "demonet"
  document docker/nodes/10.0.0.10:2376
    held = by a session
    value = 10.0.0.10:2376
"#
    );
    assert_eq!(keys.lines().count(), 10, "{keys}");
    assert!(keys.contains("  key docker/network/v1.0/endpoint/<demonet>\n"), "{keys}");
}

//! What two states are told apart by.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn object(namespace: &str, kind: Kind, name: &str) -> Object {
    Object { namespace: namespace.to_owned(), kind, name: name.to_owned() }
}

fn entry(fields: &[(&str, &str)]) -> Entry {
    let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned())));
    Entry { fields: fields.collect(), ..Entry::default() }
}

fn state(objects: &[(Object, Entry)]) -> State {
    let mut state = State::default();
    for (object, entry) in objects {
        state.insert(object.clone(), entry.clone());
    }
    state
}

fn lines(before: &State, after: &State) -> Vec<String> {
    diff(before, after, Take::default()).lines()
}

#[test]
fn an_entry_that_leads_elsewhere_has_changed() {
    let mac = object("docker1/1-620dd59483", Kind::Fdb, "02:42:c0:a8:00:64 dev vxlan1 self");
    let before = state(&[(mac.clone(), entry(&[("behind", "10.0.0.10")]))]);
    let after = state(&[(mac, entry(&[("behind", "10.0.0.12")]))]);
    assert_eq!(
        lines(&before, &after),
        ["docker1/1-620dd59483: ~ fdb 02:42:c0:a8:00:64 dev vxlan1 self: behind 10.0.0.10 -> 10.0.0.12"]
    );
}

#[test]
fn of_a_mac_behind_several_vteps_only_the_one_that_moves_is_told() {
    let mac = object("N1", Kind::Fdb, "00:00:00:00:00:00 dev vxlan1 self");
    let behind = |ips: &[&str]| {
        state(&ips.iter().map(|ip| (mac.clone(), entry(&[("behind", ip)]))).collect::<Vec<_>>())
    };
    assert_eq!(
        lines(&behind(&["10.0.0.10", "10.0.0.11"]), &behind(&["10.0.0.11", "10.0.0.12"])),
        ["N1: ~ fdb 00:00:00:00:00:00 dev vxlan1 self: behind 10.0.0.10 -> 10.0.0.12"]
    );
    assert_eq!(
        lines(&behind(&["10.0.0.10", "10.0.0.11"]), &behind(&["10.0.0.11"])),
        ["N1: - fdb 00:00:00:00:00:00 dev vxlan1 self behind 10.0.0.10"]
    );
}

#[test]
fn what_is_said_of_an_object_is_said_in_words() {
    let link = object("C0", Kind::Link, "eth0");
    let flag = |mut entry: Entry, name: &str| {
        entry.fields.insert(name.to_owned(), Value::Flag(true));
        entry
    };
    let down = state(&[(link.clone(), flag(entry(&[("kind", "veth")]), "learning"))]);
    let up = state(&[(link.clone(), flag(entry(&[("kind", "veth"), ("master", "br0")]), "up"))]);
    assert_eq!(lines(&down, &up), ["C0: ~ link eth0: no longer learning, master none -> br0, now up"]);
    assert_eq!(lines(&State::default(), &up), ["C0: + link eth0 kind veth master br0 up"]);
    assert_eq!(lines(&up, &State::default()), ["C0: - link eth0 kind veth master br0 up"]);
    let setting = object("C0", Kind::Setting, "net.ipv4.ip_forward");
    let [off, on] = ["0", "1"].map(|text| state(&[(setting.clone(), entry(&[("value", text)]))]));
    assert_eq!(lines(&off, &on), ["C0: ~ setting net.ipv4.ip_forward: 0 -> 1"]);
}

#[test]
fn what_is_counted_or_learned_is_no_change_unless_it_is_asked_for() {
    let counted = |packets| {
        let mut state = State::default();
        let counts = BTreeMap::from([("packets".to_owned(), packets)]);
        state.insert_rule("docker0", "docker forward: counter drop", Entry { counts, ..Entry::default() });
        state
    };
    let (mut before, mut after) = (counted(1), counted(3));
    assert!(diff(&before, &after, Take::default()).is_empty());
    let take = Take { counters: true, ..Take::default() };
    let told = diff(&before, &after, take).lines();
    assert_eq!(told, ["docker0: ~ rule docker forward: counter drop: packets 1 -> 3"]);
    let learned = Entry { learned: true, ..entry(&[("at", "02:42:c0:a8:00:02")]) };
    let neighbour = object("C0", Kind::Neighbour, "192.168.0.2 dev eth0");
    before.insert(neighbour.clone(), learned.clone());
    assert!(diff(&before, &after, Take::default()).is_empty());
    let take = Take { learned: true, ..Take::default() };
    assert_eq!(
        diff(&before, &after, take).lines(),
        ["C0: - neighbour 192.168.0.2 dev eth0 at 02:42:c0:a8:00:02"]
    );
    // Once somebody has made it, it is there.
    after.insert(neighbour, Entry { learned: false, ..learned });
    assert_eq!(lines(&before, &after), ["C0: + neighbour 192.168.0.2 dev eth0 at 02:42:c0:a8:00:02"]);
}

#[test]
fn rules_that_change_places_are_told_and_those_that_only_move_up_are_not() {
    let chain = |rules: &[&str]| {
        let mut state = State::default();
        for rule in rules {
            state.insert_rule("docker0", &format!("docker forward: {rule}"), Entry::default());
        }
        state
    };
    assert_eq!(
        lines(&chain(&["accept", "drop"]), &chain(&["drop", "accept"])),
        ["docker0: ~ order docker forward: rules accept; drop -> drop; accept"]
    );
    assert_eq!(
        lines(&chain(&["masquerade", "accept", "drop"]), &chain(&["accept", "drop"])),
        ["docker0: - rule docker forward: masquerade"]
    );
}

#[test]
fn only_what_is_meant_is_compared() {
    let with = |name: &str| state(&[(object(name, Kind::Link, "eth0"), Entry::default())]);
    let names = ["docker1".to_owned()];
    for (name, is_meant) in [("docker1", true), ("docker1/1-620dd59483", true), ("docker10", false)] {
        assert_eq!(with(name).only(&names) == with(name), is_meant, "{name}");
    }
    assert_eq!(with("C0").only(&[]), with("C0"));
}

#[test]
fn changes_are_read_back_from_json() {
    let link = object("C0", Kind::Link, "eth0");
    let changes = diff(&State::default(), &state(&[(link, entry(&[("kind", "veth")]))]), Take::default());
    let text = serde_json::to_string(&changes).unwrap();
    assert_eq!(
        text,
        r#"{"version":1,"changes":[{"namespace":"C0","object":"link","name":"eth0","change":"added","fields":[{"field":"kind","from":null,"to":"veth"}]}]}"#
    );
    assert_eq!(serde_json::from_str::<Changes>(&text).unwrap(), changes);
}

/// Few names, so that the same object is in both states, and often twice in one.
fn any_state() -> impl Strategy<Value = State> {
    let kind = prop::sample::select(vec![Kind::Link, Kind::Fdb, Kind::Route]);
    let fields = prop::collection::btree_map("[a-c]", "[xy]".prop_map(Value::Text), 0..3);
    let counts = prop::collection::btree_map("[de]", 0..3_u64, 0..2);
    let entry = (fields, counts, any::<bool>()).prop_map(|(fields, counts, learned)| Entry {
        fields,
        counts,
        learned,
    });
    let objects = prop::collection::vec((("[mn]", kind, "[a-c]"), entry.clone()), 0..8);
    let rules = prop::collection::vec(("[mn]", "[st]: [a-d]", entry), 0..8);
    (objects, rules).prop_map(|(objects, rules)| {
        let mut state = State::default();
        for ((namespace, kind, name), entry) in objects {
            state.insert(object(&namespace, kind, &name), entry);
        }
        for (namespace, line, entry) in rules {
            state.insert_rule(&namespace, &line, entry);
        }
        state
    })
}

fn any_take() -> impl Strategy<Value = Take> {
    (any::<bool>(), any::<bool>()).prop_map(|(counters, learned)| Take { counters, learned })
}

/// The objects that are not the same ones, as often, in both.
fn differing(before: &State, after: &State, take: Take) -> BTreeSet<Object> {
    let all: BTreeSet<&Object> = before.objects().chain(after.objects()).collect();
    let sorted = |state: &State, object: &Object| {
        let mut all = said(state, object, take);
        all.sort();
        all
    };
    all.into_iter().filter(|object| sorted(before, object) != sorted(after, object)).cloned().collect()
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(state in any_state(), take in any_take()) {
        prop_assert!(diff(&state, &state, take).is_empty());
    }

    #[test]
    fn the_other_way_round_what_was_added_is_removed(
        before in any_state(), after in any_state(), take in any_take(),
    ) {
        prop_assert_eq!(diff(&before, &after, take).reversed(), diff(&after, &before, take));
    }

    #[test]
    fn every_object_that_differs_is_named_and_no_other(
        before in any_state(), after in any_state(), take in any_take(),
    ) {
        let changes = diff(&before, &after, take);
        let named = changes.changes.iter().map(|change| change.object.clone());
        let named: BTreeSet<Object> = named.filter(|object| object.kind != Kind::Order).collect();
        prop_assert_eq!(named, differing(&before, &after, take));
    }

    #[test]
    fn what_has_changed_is_said_to_differ(before in any_state(), after in any_state(), take in any_take()) {
        for change in diff(&before, &after, take) {
            let differs = |field: &Field| field.from != field.to;
            prop_assert!(change.fields.iter().all(differs), "{}", change);
            match change.what {
                What::Changed => prop_assert!(!change.fields.is_empty(), "{}", change),
                What::Added => prop_assert!(change.fields.iter().all(|field| field.from.is_none())),
                What::Removed => prop_assert!(change.fields.iter().all(|field| field.to.is_none())),
            }
        }
    }
}

//! The files that ship: what they mean.

use super::*;

#[test]
fn every_shipped_file_loads_and_has_steps() {
    let files = all_shipped();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let topology = shipped(&file);
        assert!(!topology.steps.is_empty() && !topology.description.is_empty(), "{file}");
    }
}

#[test]
fn two_hosts_is_the_article_s_file() {
    let file = shipped("two-host.toml");
    let value = Topology::two_hosts();
    let built = Topology { steps: vec![], always: vec![], digest: value.digest.clone(), ..file.clone() };
    assert_eq!(built, value);
    assert_eq!(file.always, [Check::NoDrift]);
}

#[test]
fn a_negative_ping_has_a_positive_one_from_or_to_the_same_place() {
    for name in all_shipped() {
        let topology = shipped(&name);
        let pings = |lost: bool| {
            topology.steps.iter().filter_map(move |step| match (&step.verb, &step.expect) {
                (Verb::Ping(ping), expect @ Expect::Echoes { .. }) => {
                    let all = Outcome::Echoes { sent: 1, round_trips: vec![] };
                    (expect.judge(&all).is_ok() == lost).then_some(ping)
                }
                _ => None,
            })
        };
        for negative in pings(true) {
            assert!(pings(false).any(|control| control.from == negative.from), "{name}: {negative:?}");
        }
    }
}

//! Topology files: what the shipped ones mean, and what a person sees who made a mistake.
//!
//! - shipped files load, and the article's is the library's `two_hosts`;
//! - defaults, one by one;
//! - mistakes: a snapshot of the report for each;
//! - properties: a topology survives being written and read; no text makes the reader panic.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "topology/mistakes.rs"]
mod mistakes;
#[path = "topology/properties.rs"]
mod properties;

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::fault::{Filter, Impairment, Jitter, Pick, Protocol, Queue, Rate, Tunnel};
use harness::scenario::{Check, Expect, Outcome, Target, Verb};
use harness::topology::{Kv, Topology, load, parse};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn shipped(name: &str) -> Topology {
    load(&scenarios().join(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// The files that ship, as paths from there, those in folders too.
fn all_shipped() -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![scenarios()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path.strip_prefix(scenarios()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files
}

fn good(source: &str) -> Topology {
    parse("lab.toml", source).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn what_is_required_and_what_runs_is_read_and_written() {
    let text = r#"
[requires]
root = true
programs = ["busybox", { name = "/usr/bin/dockerd", version = " 20.10." }]
[[host]]
name = "h0"
engine = false
volatile = ["/var/lib", "/etc/docker"]
cgroups = true
[[process]]
name = "dockerd"
on = "h0"
command = ["dockerd", "--debug"]
env = { A = "b" }
ready = { line = "API listen on" }
within = "30s"
[[process]]
name = "other"
on = "h0"
command = ["true"]
ready = { notify = true }
"#;
    let topology = good(text);
    assert!(topology.requires.root && topology.hosts[0].cgroups);
    assert_eq!(topology.requires.programs[1].version.as_deref(), Some(" 20.10."));
    assert_eq!(topology.processes[0].ready, Some(harness::Ready::line("API listen on")));
    assert_eq!(topology.processes[1].within, Duration::from_secs(10));
    let topology = topology.with_digest();
    assert_eq!(good(&topology.to_toml()), topology);
}

mod shipped_files {
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
}

mod reference {
    use super::*;

    fn readme() -> String {
        std::fs::read_to_string(scenarios().join("README.md")).unwrap()
    }

    #[test]
    fn the_smallest_file_of_the_reference_loads() {
        let readme = readme();
        let block = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let topology = good(block);
        assert_eq!((topology.hosts.len(), topology.containers.len(), topology.steps.len()), (3, 2, 1));
    }

    #[test]
    fn the_reference_lists_every_shipped_file_with_its_description() {
        let readme = readme();
        for file in all_shipped() {
            let row = format!("| [{file}]({file}) | {} |", shipped(&file).description);
            assert!(readme.contains(&row), "missing: {row}");
        }
    }

    #[test]
    fn every_key_of_the_format_is_in_the_reference() {
        let readme = readme();
        let schema = harness::topology::schema();
        let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        let variants = |table: &serde_json::Value| table["oneOf"].as_array().cloned().unwrap_or_default();
        for table in tables.flat_map(|table| variants(table).into_iter().chain([table.clone()])) {
            for key in table["properties"].as_object().into_iter().flat_map(|keys| keys.keys()) {
                let quoted = readme.contains(&format!("`{key}`")) || readme.contains(&format!(".{key}`"));
                let header = readme.contains(&format!("[{key}]")) || readme.contains(&format!("`{key} = "));
                assert!(quoted || header, "{key} is not in the reference");
            }
        }
    }
}

mod defaults {
    use super::*;

    #[test]
    fn an_empty_file_is_a_lab_without_hosts() {
        let topology = good("");
        assert_eq!(topology.name, "lab");
        assert_eq!(topology.underlay.subnet.to_string(), "10.0.0.0/24");
        assert_eq!(topology.underlay.gateway.to_string(), "10.0.0.1");
        assert_eq!(topology.underlay.mtu, 1500);
        assert_eq!(topology.timeout, Duration::from_mins(1));
        assert_eq!(topology.kv, None);
        assert!(topology.hosts.is_empty());
    }

    #[test]
    fn hosts_get_the_first_free_addresses_in_order() {
        let topology = good(
            "host = [{ name = 'a' }, { name = 'b', ip = '10.0.0.2' }, { name = 'c' }, { name = 'd', engine = false }]",
        );
        let ips: Vec<String> = topology.hosts.iter().map(|host| host.ip.to_string()).collect();
        assert_eq!(ips, ["10.0.0.3", "10.0.0.2", "10.0.0.4", "10.0.0.5"]);
    }

    #[test]
    fn the_gateway_steps_aside_for_a_host() {
        let topology = good("[[host]]\nname = 'a'\nip = '10.0.0.1'");
        assert_eq!(topology.underlay.gateway.to_string(), "10.0.0.2");
    }

    #[test]
    fn the_store_is_on_the_first_host_without_an_engine() {
        let topology = good("host = [{ name = 'a' }, { name = 'b', engine = false }]");
        let Some(Kv::Stub { host, session_ttl_min, .. }) = topology.kv else { panic!("no store") };
        assert_eq!((host.as_str(), session_ttl_min), ("b", Duration::from_secs(10)));
    }

    #[test]
    fn a_store_host_is_added_where_none_is() {
        let topology = good("[[host]]\nname = 'a'");
        let added = topology.hosts.last().unwrap();
        assert_eq!(
            (added.name.as_str(), added.ip.to_string(), added.engine),
            ("consul", "10.0.0.3".into(), false)
        );
        assert!(matches!(topology.kv, Some(Kv::Stub { host, .. }) if host == "consul"));
    }

    #[test]
    fn networks_and_containers_are_on_the_first_engine() {
        let topology = good(
            "host = [{ name = 's', engine = false }, { name = 'a' }]\n\
             network = [{ name = 'n' }]\n\
             container = [{ name = 'C0', networks = ['n', ] }]",
        );
        assert_eq!(topology.networks[0].on, *"a");
        assert!(topology.networks[0].subnets.is_empty());
        assert_eq!(topology.containers[0].on, *"a");
    }

    #[test]
    fn a_step_without_a_name_is_called_after_its_verb_and_expects_success() {
        let topology = good("host = [{ name = 'a' }]\nstep = [{ ping = { from = 'a', to = '8.8.8.8' } }]");
        let step = &topology.steps[0];
        assert_eq!(step.name, "a pings 8.8.8.8");
        assert_eq!(step.timeout, Duration::from_mins(1));
        let Verb::Ping(ping) = &step.verb else { panic!("{step:?}") };
        assert_eq!((ping.count, ping.interval), (1, Duration::from_millis(100)));
        assert!(matches!(&ping.from, Target::Host(name) if *name == "a"));
        assert!(step.expect.judge(&Outcome::Echoes { sent: 1, round_trips: vec![] }).is_err());
        let answered = Outcome::Echoes { sent: 1, round_trips: vec![Duration::from_millis(1)] };
        assert!(step.expect.judge(&answered).is_ok());
    }

    #[test]
    fn a_removed_name_can_be_given_again() {
        good(
            "host = [{ name = 'a' }]\n\
             [[step]]\nnetwork.create = { name = 'n', subnet = '192.168.0.0/24' }\n\
             [[step]]\ncontainer.run = { name = 'C0', networks = ['n'] }\n\
             [[step]]\ncontainer.rm = { name = 'C0' }\n\
             [[step]]\nnetwork.rm = { name = 'n' }\n\
             [[step]]\nnetwork.inspect = { name = 'n' }\nexpect = { error = { contains = 'n' } }\n\
             [[step]]\nnetwork.create = { name = 'n', subnet = '192.168.0.0/25' }\n",
        );
    }

    #[test]
    fn what_a_step_expects_to_be_refused_is_no_mistake_of_the_file() {
        good(
            "host = [{ name = 'a' }]\nnetwork = [{ name = 'n', subnet = '192.168.0.0/24' }]\n\
             [[step]]\nnetwork.create = { name = 'n', subnet = '192.168.0.0/24' }\n\
             expect.error.contains = 'already exists'\n",
        );
    }
}

#[test]
fn the_schema_is_what_it_was() {
    insta::assert_json_snapshot!("schema", harness::topology::schema());
}

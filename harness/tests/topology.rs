//! Topology files: what the shipped ones mean, and what a person sees who made a mistake.
//!
//! - shipped files load, and the article's is the library's `two_hosts`;
//! - defaults, one by one;
//! - mistakes: a snapshot of the report for each;
//! - properties: a topology survives being written and read; no text makes the reader panic.

#![expect(clippy::unwrap_used, reason = "a test")]

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

/// One test a mistake: the report of the file is what the snapshot of that name shows.
macro_rules! mistakes {
    ($($claim:ident: $source:literal)*) => {
        mod mistakes {
            use super::*;
            $(#[test]
            fn $claim() {
                let report = parse("lab.toml", $source).expect_err("a mistake").plain();
                insta::assert_snapshot!(stringify!($claim), report);
            })*
        }
    };
}

mistakes! {
    text_that_is_no_toml_is_pointed_at: "name = \"a\nseed = = 3\n"
    what_is_required_and_what_runs_is_checked: "
[requires]
programs = [\"\", \"a b\", \"bin/x\", { name = \"dockerd\", version = \" \" }]

[[host]]
name = \"h0\"
engine = false
volatile = [\"/var/lib\", \"/var/lib\", \"var\", \"/\", \"/run/x\", \"/a/../b\"]
cgroups = true

[[container]]
name = \"C0\"
on = \"h0\"

[[process]]
name = \"C0\"
on = \"h0\"
command = [\"true\"]

[[process]]
name = \"p\"
on = \"h1\"
command = []
ready = { port = 0 }

[[process]]
name = \"q\"
on = \"h0\"
command = [\"true\"]
ready = { file = \"there\" }
within = \"soon\"

[[process]]
name = \"q\"
on = \"h0\"
command = [\"true\"]
ready = { line = \"\" }
"
    a_program_has_a_version_and_a_process_one_fact: "
[requires]
programs = [{ name = \"etcd\" }]

[[host]]
name = \"h0\"
engine = false

[[process]]
name = \"q\"
on = \"h0\"
command = [\"true\"]
ready = { port = 80, line = \"x\" }
"
    an_unknown_key_is_refused_with_the_nearest_one: "
[[host]]
name = \"docker0\"
engin = false

[[containers]]
name = \"C0\"
"
    a_value_of_the_wrong_type_is_refused: "
seed = \"seven\"

[underlay]
mtu = -1

[[host]]
name = 5

[[host]]
ip = \"10.0.0.9\"
"
    one_table_for_a_list_is_refused: "
[host]
name = \"docker0\"
"
    another_schema_is_refused: "schema = 2\n"
    an_unknown_host_is_answered_with_the_known_ones: "
host = [{ name = \"docker0\" }, { name = \"docker1\" }]

[[network]]
name = \"demonet\"
on = \"docker2\"

[[container]]
name = \"C0\"
on = \"warehouse\"
"
    a_name_given_twice_is_shown_twice: "
[[host]]
name = \"docker0\"

[[host]]
name = \"docker0\"

[[network]]
name = \"n\"

[[network]]
name = \"n\"
"
    names_that_cannot_be_are_refused: "
host = [{ name = \"docker_0\" }, { name = \"localhost\" }, { name = \"a\" }]
network = [{ name = \"bridge\" }, { name = \"a b\" }]
container = [{ name = \"C\" }, { name = \"-x\" }]
"
    addresses_of_hosts_lie_in_the_underlay_and_are_their_own: "
[underlay]
subnet = \"10.0.0.0/24\"
gateway = \"10.0.1.1\"

[[host]]
name = \"a\"
ip = \"10.0.0.5\"

[[host]]
name = \"b\"
ip = \"10.0.0.5\"

[[host]]
name = \"c\"
ip = \"10.0.0.255\"

[[host]]
name = \"d\"
ip = \"10.0.0.300\"
"
    an_underlay_with_too_many_hosts_is_refused: "
underlay = { subnet = \"10.0.0.0/30\" }
host = [{ name = \"a\" }, { name = \"b\", engine = false }]
"
    cidrs_are_subnets: "
host = [{ name = \"a\" }]
network = [
    { name = \"n1\", subnet = \"192.168.0.0\" },
    { name = \"n2\", subnet = \"192.168.0.0/33\" },
    { name = \"n3\", subnet = \"192.168.0.1/24\" },
    { name = \"n4\", subnet = \"224.0.0.0/24\" },
    { name = \"n5\", subnet = \"192.168.0.0/31\" },
]
"
    subnets_overlap_nothing: "
underlay = { subnet = \"10.0.0.0/24\", internet = [\"8.8.8.8\"] }
host = [{ name = \"a\" }]
network = [
    { name = \"n1\", subnet = \"192.168.0.0/24\" },
    { name = \"n2\", subnet = \"192.168.0.128/25\" },
    { name = \"n3\", subnet = \"10.0.0.0/16\" },
    { name = \"n4\", subnet = \"172.18.5.0/24\" },
    { name = \"n5\", subnet = \"8.8.0.0/16\" },
]
"
    several_subnets_are_a_list: "
host = [{ name = \"a\" }]
network = [
    { name = \"n1\", subnets = [\"10.70.0.0/24\", { subnet = \"10.71.0.0/24\", gateway = \"10.72.0.1\" }, \"10.70.0.128/25\"] },
    { name = \"n2\", subnet = \"10.80.0.0/24\", subnets = [\"10.81.0.0/24\"] },
    { name = \"n3\", gateway = \"10.82.0.1\", subnets = [\"10.82.0.0/24\"] },
    { name = \"n4\", subnets = [\"10.71.0.0/16\"] },
]
container = [
    { name = \"c1\", networks = [{ name = \"n1\", ip = \"10.70.0.7\" }] },
    { name = \"c2\", networks = [{ name = \"n1\", ip = \"10.99.0.7\" }] },
]
"
    gateways_ranges_and_aux_addresses_lie_in_their_subnet: "
host = [{ name = \"a\" }]

[[network]]
name = \"n1\"
subnet = \"192.168.0.0/24\"
gateway = \"192.168.1.1\"
ip_range = \"192.168.2.0/25\"
aux = { router = \"192.168.0.0\" }

[[network]]
name = \"n2\"
gateway = \"192.168.3.1\"
"
    macs_of_containers_can_be_given: "
host = [{ name = \"a\" }]
network = [{ name = \"n\", subnet = \"192.168.0.0/24\" }, { name = \"m\", subnet = \"192.168.1.0/24\" }]
container = [
    { name = \"C0\", networks = [{ name = \"n\", mac = \"92:d0:c6:0a:29:33\" }, { name = \"m\", mac = \"92:d0:c6:0a:29:33\" }] },
    { name = \"C1\", networks = [{ name = \"n\", mac = \"92:d0:c6:0a:29:33\" }] },
    { name = \"C2\", networks = [{ name = \"n\", mac = \"02:42:c0:a8:00:09\" }] },
    { name = \"C3\", networks = [{ name = \"n\", mac = \"02:42:c0:a8:00:09\", ip = \"192.168.0.9\" }] },
    { name = \"C4\", networks = [{ name = \"n\", mac = \"01:00:5e:00:00:01\" }] },
    { name = \"C5\", networks = [{ name = \"n\", mac = \"92:d0:c6\" }] },
]
"
    addresses_of_containers_can_be_given: "
host = [{ name = \"a\" }]
network = [{ name = \"n\", subnet = \"192.168.0.0/24\", aux = { printer = \"192.168.0.9\" } }, { name = \"free\" }]
container = [
    { name = \"C0\", networks = [{ name = \"n\", ip = \"192.168.0.100\" }] },
    { name = \"C1\", networks = [{ name = \"n\", ip = \"192.168.0.100\" }] },
    { name = \"C2\", networks = [{ name = \"n\", ip = \"192.168.0.0\" }] },
    { name = \"C3\", networks = [{ name = \"n\", ip = \"192.168.0.255\" }] },
    { name = \"C4\", networks = [{ name = \"n\", ip = \"192.168.0.1\" }] },
    { name = \"C5\", networks = [{ name = \"n\", ip = \"192.168.0.9\" }] },
    { name = \"C6\", networks = [{ name = \"n\", ip = \"192.168.7.7\" }] },
    { name = \"C7\", networks = [{ name = \"free\", ip = \"192.168.7.7\" }] },
    { name = \"C8\", networks = [\"n\", \"n\", \"net\"] },
]
"
    a_network_needs_an_engine: "
host = [{ name = \"a\", engine = false }, { name = \"docker0\" }]
network = [{ name = \"n\", on = \"a\" }]
"
    a_lab_without_engines_has_no_networks: "
host = [{ name = \"a\", engine = false }]
network = [{ name = \"n\" }]
"
    the_store_needs_a_host_without_an_engine: "
[kv]
host = \"a\"

[[host]]
name = \"a\"
"
    the_store_does_not_take_an_engine_s_host: "
[[host]]
name = \"consul\"
"
    a_wire_has_known_keys: "
[[host]]
name = \"a\"
wire = { delay = 5, lag = \"5ms\", duplicate = { often = 1 }, mtu = -1 }

[[host]]
name = \"b\"
wire = { loss = { every = 2, exactly = [3] }, corrupt = 7 }
"
    a_filter_means_some_frame: "
host = [{ name = \"a\" }]

[[step]]
fault.drop = { address = \"fd00:1::3\" }

[[step]]
fault.drop = { encapsulated = true, protocol = \"icmp\", address = \"fd00:1::3\" }

[[step]]
fault.drop = { encapsulated = true, protocol = \"icmpv6\", address = \"192.168.0.2\" }

[[step]]
fault.drop = { encapsulated = true, protocol = \"icmpv6\", port = 80 }

[[step]]
fault.drop = { encapsulated = true, address = \"fd00:1::g\" }

[[step]]
fault.drop = { encapsulated = true, protocol = \"tcp\", address = \"fd00:1::3\", port = 80 }
"
    a_wire_says_what_can_be: "
[[host]]
name = \"a\"
wire = { delay = \"5\", loss = \"30\", jitter = { spread = \"2ms\", distribution = \"odd\" }, rate = \"fast\", mtu = 67 }

[[host]]
name = \"b\"
wire = { loss = { every = 0 }, corrupt = { exactly = [1, 0] }, duplicate = \"every=0\" }

[[host]]
name = \"c\"
wire = { host = \"a\", delay = \"1ms\", up = { delay = \"1ms\", down = { hold = true } } }

[[host]]
name = \"d\"
wire = { only = { vni = 16777216, network = \"x\", protocol = \"ipx\" } }

[[host]]
name = \"e\"
wire = { down = { only = { protocol = \"arp\", port = 80 }, rate = { rate = \"1mbit\", queue = \"big\" } } }

[[step]]
fault = { wire = { delay = \"1ms\" } }

[[step]]
fault = { wire = { host = \"f\", up = { delay = \"1ms\" }, down = { delay = \"2ms\" } } }

[[step]]
fault = { wire = { host = \"a\", up = { delay = \"1ms\" }, down = { delay = \"2ms\" } } }
"
    steps_within_steps_are_checked: "
host = [{ name = \"a\", engine = false }]

[[step]]
repeat = { count = 0, step = [] }

[[step]]
parallel = [{ ping = { from = \"a\", to = \"b\" } }, { wait = \"1s\", check = { drift = \"none\" } }]
within = \"5s\"

[[step]]
parallel = [{ repeat = { count = 2, step = [{ nemesis = { for = \"60s\", faults = [\"flood\"], hosts = [\"b\"] } }] } }]
expect = { loss = \"0%\" }
"
    what_is_not_there_yet_is_refused: "
[kv]
url = \"http://10.0.0.5:8500\"

[[host]]
name = \"a\"

[[step]]
throughput = { from = \"C0\", to = \"C1\" }
"
    ipv6_fits_its_network: "
host = [{ name = \"a\" }]
network = [
  { name = \"good\", ipv6 = true, subnets = [\"fd00:1::/64\", \"10.73.0.0/24\"] },
  { name = \"unsaid\", ipv6 = true, subnet = \"fd00:9::/64\" },
  { name = \"off\", subnets = [\"fd00:2::/64\", \"10.74.0.0/24\"] },
  { name = \"lacks\", ipv6 = true, subnet = \"10.75.0.0/24\" },
  { name = \"more\", ipv6 = true, subnets = [\"10.76.0.0/24\", \"fd00:3::/64\", \"fd00:4::/64\"] },
  { name = \"narrow\", ipv6 = true, subnets = [\"10.77.0.0/24\", \"fd00:5::/64\"], options = { \"com.docker.network.driver.mtu\" = \"1300\" } },
  { name = \"odd\", ipv6 = true, subnets = [\"10.78.0.0/24\", \"fe80::/64\"] },
  { name = \"over\", ipv6 = true, subnets = [\"10.79.0.0/24\", \"fd00:1::/48\"] },
  { name = \"two\", ipv6 = true, subnets = [\"10.80.0.0/24\", \"10.81.0.0/24\", \"fd00:6::/64\", { subnet = \"fd00:7::/64\", gateway = \"10.81.0.9\" }] },
  { name = \"plain\", subnet = \"10.82.0.0/24\" },
]
container = [
  { name = \"C0\", networks = [{ name = \"good\", ip6 = \"fd00:1::1\" }] },
  { name = \"C1\", networks = [{ name = \"good\", ip6 = \"10.73.0.2\" }] },
  { name = \"C2\", networks = [{ name = \"good\", ip6 = \"fd00:2::2\" }] },
  { name = \"C3\", networks = [{ name = \"plain\", ip6 = \"fd00:1::2\" }] },
  { name = \"C4\", networks = [{ name = \"two\", ip = \"10.80.0.9\", ip6 = \"fd00:7::9\" }] },
  { name = \"C5\", networks = [{ name = \"good\", ip6 = \"fd00:1::5\" }, \"plain\"] },
  { name = \"C6\", networks = [{ name = \"good\", ip6 = \"fd00:1::5\" }] },
]

[[step]]
ping = { from = \"C0\", to = \"fd00:1::5\" }
[[step]]
ping = { from = \"C0\", to = \"ipv6:C5\" }
[[step]]
ping = { from = \"C0\", to = \"ipv6:C5@plain\" }
[[step]]
ping = { from = \"C0\", to = \"ipv6:a\" }
[[step]]
ping = { from = \"C0\", to = \"ipv6:fd00:1::5\" }
[[step]]
resolve = { from = \"C0\", name = \"C5\", type = \"AAAA\" }
expect = { addresses = [\"fd00:1::5\", \"fd00::x\"] }
"
    ports_are_published_once_a_host: "
host = [{ name = \"a\" }, { name = \"b\" }]
network = [{ name = \"n\" }]
container = [
  { name = \"C0\", on = \"a\", networks = [\"n\"], publish = [\"8080:80\", \"127.0.0.1:53:53/udp\", \"80\", \"80\"] },
  { name = \"C1\", on = \"b\", networks = [\"n\"], publish = [\"8080:80\"] },
  { name = \"C2\", on = \"a\", networks = [\"n\"], publish = [\"8080:80/udp\", \"127.0.0.1:8080:80\"] },
  { name = \"C3\", on = \"a\", networks = [\"n\"], publish = [\"53:53\", \"53:53/udp\", \"9000:80\", \"9000:81\"] },
  { name = \"C4\", on = \"a\", networks = [\"n\"], publish = [\"http:80\", \"[::1]:80:80\", \"80/sctp\", \"80-81:80-82\"] },
]
"
    containers_are_connected_to_what_is_there: "
host = [{ name = \"a\" }]
network = [{ name = \"n\", subnet = \"192.168.0.0/24\" }, { name = \"other\" }]
container = [{ name = \"C0\", networks = [{ name = \"n\", ip = \"192.168.0.9\" }] }, { name = \"C1\", networks = [\"other\"] }]

[[step]]
network.connect = { name = \"n\", container = \"C1\", ip = \"192.168.0.9\" }

[[step]]
network.connect = { name = \"n\", container = \"C1\", ip = \"192.168.0.9\" }
expect.error.contains = \"Address already in use\"

[[step]]
ping = { from = \"C0\", to = \"C1@n\" }

[[step]]
network.connect = { name = \"n\", container = \"C1\" }

[[step]]
ping = { from = \"C0\", to = \"C1@n\" }

[[step]]
network.connect = { name = \"m\", container = \"C2\" }

[[step]]
network.disconnect = { name = \"n\", container = \"C0\" }

[[step]]
network.disconnect = { name = \"n\", container = \"C1\" }
expect.output.contains = \"C1\"

[[step]]
tcp = { from = \"internet\", to = \"a\", listen = { on = \"C2\" } }
"
    names_are_such_as_can_be_asked_for: "
[underlay]
dns = { \"Example.com\" = \"8.8.8.8\", \"example.com\" = \"8.8.4.4\", \"a..b\" = \"8.8.8.8\", other = \"8\" }

[[host]]
name = \"a\"

[[container]]
name = \"C0\"
dns = [\"8.8.8\"]

[[step]]
resolve = { from = \"C0\", name = \"a..b\" }

[[step]]
resolve = { from = \"C0\", name = \"b\", type = \"ANY\" }

[[step]]
resolve = { from = \"C0\", name = \"192.168.0.2\", type = \"PTR\" }
expect = { addresses = [] }

[[step]]
resolve = { from = \"C0\", name = \"b\" }
expect = { addresses = [\"b\"] }

[[step]]
resolve = { from = \"a\", name = \"b\" }
expect = { error = {} }

[[step]]
ping = { from = \"C0\", to = \"dns:\" }

[[step]]
tcp = { from = \"C0\", to = \"a.b\", listen = true }
"
    a_step_has_one_verb: "
host = [{ name = \"a\" }]

[[step]]
name = \"nothing\"

[[step]]
ping = { from = \"a\", to = \"8.8.8.8\" }
exec = { on = \"a\", command = [\"true\"] }
"
    steps_name_what_is_there: "
host = [{ name = \"docker0\" }, { name = \"C1\" }]
network = [{ name = \"n\", subnet = \"192.168.0.0/24\" }, { name = \"other\" }]
container = [{ name = \"C0\", networks = [\"n\"] }, { name = \"C1\" }]

[[step]]
ping = { from = \"C9\", to = \"docker\" }

[[step]]
ping = { from = \"C1\", to = \"C0@other\" }

[[step]]
ping = { from = \"host:C1\", to = \"container:C2\" }

[[step]]
network.rm = { name = \"m\" }

[[step]]
container.rm = { name = \"X\" }

[[step]]
exec = { on = \"docker0\", command = [] }

[[step]]
tcp = { from = \"C0\", to = \"8.8.8.8\", port = 0, listen = true }
"
    a_word_that_is_not_known_is_refused: "
host = [{ name = \"docker0\" }, { name = \"docker1\" }]
network = [{ name = \"n\" }]
container = [{ name = \"C0\", networks = [\"n\"] }, { name = \"C1\" }]
always = [{ drift = \"some\" }]
"
    checks_are_sensible: "
host = [{ name = \"docker0\" }, { name = \"docker1\" }]
network = [{ name = \"n\" }]
container = [{ name = \"C0\", networks = [\"n\"] }, { name = \"C1\" }]

[[step]]
check.peer = { at = \"docker0\", network = \"n\", container = \"C0\" }

[[step]]
check.mtu = { container = \"C1\", network = \"n\", is = 1450 }

[[step]]
check.interface = { on = \"C0\", name = \"an-interface-name\", kind = \"tun\", mac = \"02:42\", address = \"192.168.0.1\" }

[[step]]
check.route = { on = \"C0\" }

[[step]]
check.route = { on = \"C0\", equals = [\"default\"], lacks = [\"192.168.0.1/24\"] }

[[step]]
check.same_network = { network = \"n\", hosts = [\"docker0\"] }

[[step]]
check.sandbox = { on = \"docker0\", network = \"n\", links = [], vni = 16777216 }
"
    two_checks_in_one_are_refused: "
host = [{ name = \"docker0\" }]

[[step]]
check = { drift = \"none\", absent = { on = \"docker0\", interface = \"eth1\" } }
"
    two_conditions_in_one_wait_are_refused: "
host = [{ name = \"docker0\" }]

[[step]]
wait = { drift = \"none\", absent = { on = \"docker0\", interface = \"eth1\" } }
"
    expectations_fit_their_verb: "
host = [{ name = \"a\" }]

[[step]]
ping = { from = \"a\", to = \"8.8.8.8\" }
expect = { loss = \"all\", status = 0 }

[[step]]
exec = { on = \"a\", command = [\"true\"] }
expect = { stdout = {} }

[[step]]
check = { drift = \"none\" }
expect = { loss = \"0%\" }

[[step]]
tcp = { from = \"a\", to = \"8.8.8.8\" }
expect = { reply = { equals = \"hello\" } }
"
    json_has_no_dates: "
host = [{ name = \"a\" }]

[[step]]
network.ls = { on = \"a\" }
expect.output.json = { Created = 2026-11-22, Share = nan }
"
    times_have_units: "
timeout = \"60\"
host = [{ name = \"a\" }]

[kv]
session_ttl_min = \"-1s\"

[[step]]
ping = { from = \"a\", to = \"8.8.8.8\", interval = \"100 ms\", count = 0 }
within = \"5min\"

[[step]]
wait = \"1s\"
within = \"2m\"
for = \"3\"
"
    the_store_is_asked_only_where_one_is: "
[[step]]
kv.get = { key = \"/docker\" }
"
    domains_and_options_are_such_as_a_resolver_takes: "
[[host]]
name = \"docker0\"
[[container]]
name = \"C0\"
dns_search = [\"example.com\", \"a_b\"]
dns_options = [\"ndots\", \"rotate debug\", \"timeout:1\"]
"
    odd_characters_are_shown_on_one_line: "name = \"a\\nb\\u0000\\u202e\"\ndescription = \"日本\"\nseeds = 1 # 日本"
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    const FILES: [&str; 3] = [
        include_str!("../../scenarios/two-host.toml"),
        include_str!("../../scenarios/gwbridge-isolation.toml"),
        include_str!("../../scenarios/internal.toml"),
    ];

    /// Reads, and shows the mistakes if there are any, in both ways.
    fn survives(source: &str) {
        if let Err(report) = parse("lab.toml", source) {
            assert!(!report.mistakes().is_empty(), "no topology and no mistake");
            assert!(!report.plain().is_empty() && !report.coloured().is_empty());
        }
    }

    #[test]
    fn deeply_nested_text_does_not_make_it_panic() {
        for (open, middle, close) in [("[", "", "]"), ("{a=", "1", "}"), ("a.", "a=1", "")] {
            for depth in [50, 1_000, 100_000] {
                let value = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
                survives(&if open == "a." { value.clone() } else { format!("step = {value}") });
                survives(&format!("[[step]]\n{value}\n"));
            }
        }
    }

    #[test]
    fn a_written_topology_is_read_back() {
        let shipped = ["internal.toml", "gwbridge-isolation.toml", "names.toml"].map(shipped);
        let built = [Topology::two_hosts()].into_iter().chain(shipped);
        for topology in built {
            let topology = Topology { steps: vec![], always: vec![], ..topology }.with_digest();
            assert_eq!(good(&topology.to_toml()), topology);
        }
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zA-Z0-9@:./%_=\"' \\[\\]{}#\\n,-]{0,12}",
            Just("\u{0}\u{202e}é".to_owned()),
            any::<String>()
        ]
    }

    fn wire() -> impl Strategy<Value = Option<Impairment>> {
        let pick = || {
            prop_oneof![
                Just(Pick::Never),
                (1..1000u32).prop_map(|share| Pick::Chance(f64::from(share) / 1000.0)),
                (1..9u64).prop_map(Pick::Every),
                proptest::collection::btree_set(1..99u64, 1..4).prop_map(Pick::Exactly),
                Just(Pick::Bursts { begin: 0.01, end: 0.25, bad: 0.9, good: 0.001 }),
            ]
        };
        let only = prop_oneof![
            Just(None),
            (0..1u32 << 24, any::<u16>()).prop_map(|(vni, port)| {
                let inside = Some(Tunnel::Vni(vni));
                Some(Filter { inside, protocol: Some(Protocol::Udp), address: None, port: Some(port) })
            }),
            any::<std::net::Ipv6Addr>().prop_map(|ip| {
                let inside = Some(Tunnel::Network("demonet".parse().unwrap()));
                Some(Filter { inside, address: Some(ip.into()), ..Filter::default() })
            }),
        ];
        let rate = proptest::option::of((1..9999u64, 1..9999u64).prop_map(|(kbit, packets)| Rate {
            bits_per_second: kbit * 1000,
            queue: Queue::Packets(packets),
        }));
        let mtu = proptest::option::of(68..9000u32);
        let (millis, spread) = (0..5000u64, 0..5000u64);
        let made = (millis, spread, pick(), pick(), rate, mtu, any::<bool>(), only);
        let made = made.prop_map(|(delay, spread, loss, corrupt, rate, mtu, hold, only)| {
            let delay = Duration::from_millis(delay);
            let jitter = Jitter { spread: Duration::from_micros(spread), ..Jitter::default() };
            Impairment { delay, jitter, loss, corrupt, rate, mtu, hold, only, ..Impairment::default() }
        });
        proptest::option::of(made)
    }

    proptest! {
        #[test]
        fn a_topology_of_any_words_is_read_back(
            name in "[a-z][a-z0-9-]{0,8}x",
            description in any::<String>(),
            seed in 0..=i64::MAX.unsigned_abs(),
            hosts in 1..20usize,
            subnet in 0..250u8,
            internal: bool,
            words in proptest::collection::vec("[^\0]{1,8}", 1..4),
            labels in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..3),
            wires in [wire(), wire()],
        ) {
            let mut topology = Topology { name, description, seed, ..Topology::two_hosts() };
            let more = topology.hosts[1].clone();
            for index in 0..hosts {
                let mut host = more.clone();
                host.name = format!("h{index}").parse().unwrap();
                host.ip = std::net::Ipv4Addr::new(10, 0, 0, 100 + u8::try_from(index).unwrap());
                let [up, down] = wires.clone();
                host.wire = harness::topology::Wire { up, down };
                topology.hosts.push(host);
            }
            topology.networks[0].subnets[0].subnet =
                ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 168, subnet, 0), 24).into();
            let second = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 99, subnet, 0), 24).into();
            let gateway = internal.then(|| std::net::Ipv4Addr::new(10, 99, subnet, 254).into());
            let aux = [("a".to_owned(), std::net::Ipv4Addr::new(10, 99, subnet, 9).into())].into_iter().collect();
            topology.networks[0].subnets.push(harness::topology::Subnet { subnet: second, gateway, ip_range: None, aux });
            if internal {
                let six = |last| std::net::Ipv6Addr::new(0xfd00, subnet.into(), 0, 0, 0, 0, 0, last);
                topology.networks[0].subnets.push(harness::topology::Subnet {
                    subnet: ipnet::Ipv6Net::new_assert(six(0), 64).into(),
                    gateway: Some(six(254).into()),
                    ip_range: Some(ipnet::Ipv6Net::new_assert(six(256), 120).into()),
                    aux: [("b".to_owned(), six(9).into())].into_iter().collect(),
                });
                topology.networks[0].ipv6 = true;
                topology.containers[0].networks[0].ip6 = Some(six(77));
            }
            topology.networks[0].internal = internal;
            topology.networks[0].labels = labels;
            topology.containers[0].networks[0].ip = Some(std::net::Ipv4Addr::new(192, 168, subnet, 77));
            topology.containers[0].networks[0].mac = internal.then_some(overlay::model::Mac([0x92, 0xd0, 1, 2, 3, subnet]));
            topology.containers[0].networks[0].aliases = words.clone();
            topology.containers[0].command = words;
            topology.containers[0].publish = ["8000-8002:80-82/udp", "127.0.0.1::80", "9000-9999:80"]
                .iter()
                .flat_map(|text| overlay::model::Publish::parse(text).unwrap())
                .collect();
            let topology = topology.with_digest();
            prop_assert_eq!(parse("lab.toml", &topology.to_toml()).map_err(|report| report.plain()), Ok(topology));
        }

        #[test]
        fn no_text_makes_it_panic(source in any::<String>()) {
            survives(&source);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            survives(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_change_of_a_good_file_makes_it_panic(
            file in 0..3usize,
            changes in proptest::collection::vec((any::<u16>(), 0..40usize, word()), 1..4),
        ) {
            let mut source = FILES[file].to_owned();
            for (at, length, word) in changes {
                let mut start = usize::from(at) % (source.len() + 1);
                let mut end = (start + length).min(source.len());
                while !source.is_char_boundary(start) { start -= 1; }
                while !source.is_char_boundary(end) { end += 1; }
                source.replace_range(start..end, &word);
            }
            survives(&source);
        }

        #[test]
        fn no_value_in_a_good_file_makes_it_panic(file in 0..3usize, line in any::<u16>(), value in word()) {
            let lines: Vec<&str> = FILES[file].lines().collect();
            let line = usize::from(line) % lines.len();
            let changed = match lines[line].split_once('=') {
                Some((key, _)) => format!("{key} = {value}"),
                None => value,
            };
            let mut lines = lines;
            lines[line] = &changed;
            survives(&lines.join("\n"));
        }
    }
}

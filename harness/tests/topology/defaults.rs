//! What a file means that leaves things out.

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
    let Some(Kv::Stub { host, session_ttl_min }) = topology.kv else { panic!("no store") };
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

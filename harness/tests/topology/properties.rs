//! A topology survives being written and read; no text makes the reader panic.

use super::*;
use proptest::prelude::*;

const FILES: [&str; 3] = [
    include_str!("../../../scenarios/two-host.toml"),
    include_str!("../../../scenarios/gwbridge-isolation.toml"),
    include_str!("../../../scenarios/internal.toml"),
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
    let rate =
        proptest::option::of((1..9999u64, 1..9999u64).prop_map(|(kbit, packets)| Rate {
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

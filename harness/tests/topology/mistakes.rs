//! What a person sees who made a mistake: a snapshot of the report for each.

use super::parse;

/// One test a mistake: the report of the file is what the snapshot of that name shows.
macro_rules! mistakes {
    ($($claim:ident: $source:literal)*) => {
        $(#[test]
        fn $claim() {
            let report = parse("lab.toml", $source).expect_err("a mistake").plain();
            insta::assert_snapshot!(stringify!($claim), report);
        })*
    };
}

mistakes! {
    text_that_is_no_toml_is_pointed_at: "name = \"a\nseed = = 3\n"
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
"
    traffic_is_asked_for_what_it_can_be: "
host = [{ name = \"a\" }, { name = \"b\" }]

[[step]]
throughput = { from = \"a\", to = \"b\", size = 1400, rate = \"1mbit\" }
expect = { loss = \"0%\" }
[[step]]
throughput = { from = \"a\", to = \"b\", protocol = \"udp\", streams = 2, way = \"both\", size = 8 }
[[step]]
throughput = { from = \"a\", to = \"b\", protocol = \"icmp\" }
[[step]]
throughput = { from = \"a\", to = \"b\", protocol = \"udp\", rate = \"fast\", size = 65508 }
[[step]]
throughput = { from = \"a\", to = \"b\", streams = 0, way = \"up\", for = \"0s\", port = 0 }
[[step]]
throughput = { from = \"a\", to = \"8.8.8.8\" }
[[step]]
throughput = { from = \"a\", to = \"nobody\", for = \"10s\" }
timeout = \"10s\"
[[step]]
throughput = { from = \"a\", to = \"b\" }
expect = { rate = \">100\", rtt = \"<1ms\" }
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
    the_store_is_asked_only_where_one_is: "
[[step]]
kv.get = { key = \"/docker\" }
"
    requests_that_are_looked_for_are_such_as_can_be: "
[[host]]
name = \"docker0\"
[[step]]
kv.trace = { host = \"docker1\", container = \"C0\", method = \"put\", since = \"later\" }
expect = { count = \"some\" }
[[step]]
name = \"later\"
kv.trace = { key = \"docker/*\" }
expect = { keys = [\"docker/*\"] }
"
    a_fault_of_the_store_is_one_thing_and_befalls_one: "
[[host]]
name = \"docker0\"
[[step]]
fault = { kv = { delay = \"300\", host = \"docker0\" } }
[[step]]
fault = { kv = { error = true, stale = true } }
[[step]]
fault = { kv = { host = \"docker1\" } }
[[step]]
fault = { kv = { refuse = true, host = \"docker1\" } }
[[step]]
fault = { kv = { drop_watches = false } }
[[step]]
fault = { kv = { restart = \"disk\", host = \"docker0\" } }
as = \"anew\"
[[step]]
fault = { kv = { restart = \"anew\" } }
"
    a_fault_of_the_store_needs_one: "
[[host]]
name = \"a\"
engine = false
[[step]]
fault = { kv = { error = true } }
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

mod by_hand;

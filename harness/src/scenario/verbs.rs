//! The tables of verbs, checked: whom they name is there, and what they ask for can be asked.

use std::mem;
use std::net::IpAddr;
use std::time::Duration;

use overlay::dns::{Question, Type};

use super::file::{
    ConnectTable, ContainerVerbTable, ExecTable, KvTable, ListenEntry, NetworkVerbTable, PingTable,
    ResolveTable, TcpTable, UdpTable,
};
use super::requests::check_trace;
use super::step::{
    ContainerVerb, DNS, Destination, Exec, GATEWAY_BRIDGE, INTERNET, IPV6, KvVerb, Listen, NetworkVerb, Ping,
    Resolve, Target, Tcp, Udp, Via,
};
use crate::lab::Connect;
use crate::topology::{
    Asked, At, Attachment, Checker, HostName, Mistake, NetworkName, check_command, check_container,
    check_network, check_place, no_such, quote,
};

/// One request, as `lab ping` sends if it is not told otherwise.
const PING_COUNT: u32 = 1;

/// Most requests of one step.
const PING_MOST: u32 = 1_000_000;

/// Time between two requests: ten a second, so that a step is short.
const PING_INTERVAL: Duration = Duration::from_millis(100);

/// Echo (RFC 862).
const ECHO: u16 = 7;

/// What a datagram carries if the step does not say.
const DATAGRAM: &str = "ping";

pub(super) fn check_ping(checker: &mut Checker, table: &PingTable) -> Option<Ping> {
    let from = check_sender(checker, &table.from);
    let to = check_destination(checker, &table.to);
    let interval = checker.duration_or(table.interval.as_ref(), PING_INTERVAL);
    let count = table.count.as_ref().map_or(PING_COUNT, |count| {
        if !(1..=PING_MOST).contains(&count.value) {
            let title = format!("{} requests cannot be sent", count.value);
            checker.mistake(Mistake::new(title, &count.span, format!("1 to {PING_MOST}")));
        }
        count.value
    });
    Some(Ping { from: from?, to: to?, count, interval })
}

pub(super) fn check_exec(checker: &mut Checker, table: &ExecTable) -> Option<Exec> {
    let on = check_target(checker, &table.on);
    let command = check_command(checker, &table.command);
    Some(Exec { on: on?, command, stdin: table.stdin.clone() })
}

pub(super) fn check_tcp(checker: &mut Checker, table: &TcpTable) -> Option<Tcp> {
    let from = check_sender(checker, &table.from);
    let to = check_destination(checker, &table.to);
    let port = check_port(checker, table.port.as_ref());
    let listen = check_listen(checker, table.listen.as_ref(), to.as_ref());
    Some(Tcp { from: from?, to: to?, port, send: table.send.clone(), listen })
}

pub(super) fn check_udp(checker: &mut Checker, table: &UdpTable) -> Option<Udp> {
    let from = check_sender(checker, &table.from);
    let to = check_destination(checker, &table.to);
    let port = check_port(checker, table.port.as_ref());
    let listen = check_listen(checker, table.listen.as_ref(), to.as_ref());
    let send = table.send.clone().unwrap_or_else(|| DATAGRAM.to_owned());
    Some(Udp { from: from?, to: to?, port, send, listen })
}

pub(super) fn check_resolve(checker: &mut Checker, table: &ResolveTable) -> Option<Resolve> {
    let from = check_target(checker, &table.from);
    if let Some(Target::Host(host)) = &from
        && !checker.has_nameserver()
    {
        let mistake = Mistake::new(format!("`{host}` has no name server"), &table.from.span, "asks it");
        checker.mistake(mistake.help("give the outside world names: `[underlay.dns]`"));
    }
    let kind = match &table.kind {
        None => Type::A,
        Some(text) => match text.parse() {
            Ok(kind) => kind,
            Err(why) => {
                let title = format!("{} is no type of records", quote(text));
                checker.mistake(Mistake::new(title, &text.span, "unknown").help(why));
                return None;
            }
        },
    };
    let question = match table.name.parse() {
        Ok(address) if kind == Type::PTR => Question::backwards(address),
        _ => Question { name: table.name.strip_suffix('.').unwrap_or(&table.name).to_owned(), kind },
    };
    if !question.is_sendable() {
        checker.mistake(not_dns(&table.name));
    }
    Some(Resolve { from: from?, question })
}

/// No server can be asked for such a name.
fn not_dns(text: &At<String>) -> Mistake {
    let mistake =
        Mistake::new(format!("{} is not a DNS name", quote(text)), &text.span, "cannot be asked for");
    mistake.help("parts of 1 to 63 characters, with dots between them")
}

pub(super) fn check_port(checker: &mut Checker, port: Option<&At<u16>>) -> u16 {
    if let Some(port) = port
        && port.value == 0
    {
        checker.mistake(Mistake::new("there is no port 0", &port.span, "1 to 65535"));
    }
    port.map_or(ECHO, |port| port.value)
}

pub(super) fn check_listen(
    checker: &mut Checker,
    listen: Option<&At<ListenEntry>>,
    to: Option<&Destination>,
) -> Option<Listen> {
    let listen = listen?;
    match &listen.value {
        ListenEntry::There(false) => None,
        ListenEntry::There(true) => {
            if let Some(to) = to
                && !to.is_ours()
            {
                let title = format!("the lab cannot listen at {to}");
                let mistake = Mistake::new(title, &listen.span, "where is that?");
                checker.mistake(
                    mistake.help("let `to` be a host or a container, or say where: `{ on = \"C0\" }`"),
                );
            }
            Some(Listen::There)
        }
        ListenEntry::At(table) => {
            let on = check_target(checker, &table.on);
            let port = check_port(checker, table.port.as_ref());
            Some(Listen::At { on: on?, port })
        }
    }
}

pub(super) fn check_kv(checker: &mut Checker, table: &At<KvTable>) -> Option<KvVerb> {
    if checker.kv.is_none() {
        let mistake = Mistake::new("there is no store", &table.span, "asks one");
        checker.mistake(mistake.help("add a `[kv]` table, or a host that runs an engine"));
    }
    Some(match &table.value {
        KvTable::Get(get) => KvVerb::Get { key: check_key(checker, &get.key)? },
        KvTable::Put(put) => KvVerb::Put { key: check_key(checker, &put.key)?, value: put.value.clone() },
        KvTable::Rm(rm) => KvVerb::Rm { key: check_key(checker, &rm.key)?, recurse: rm.recurse },
        KvTable::Ls(ls) => KvVerb::Ls { prefix: ls.prefix.clone().unwrap_or_default() },
        KvTable::Trace(trace) => check_trace(checker, trace)?,
    })
}

/// A key: not empty, and without the slash in front that Consul refuses.
fn check_key(checker: &mut Checker, key: &At<String>) -> Option<String> {
    if key.is_empty() || key.starts_with('/') {
        let mistake =
            Mistake::new(format!("{} is not a key", quote(key)), &key.span, "empty, or a slash in front");
        checker.mistake(mistake.help("write it as `docker/network/v1.0/…`"));
        return None;
    }
    Some(key.value.clone())
}

/// `fails`: the step expects a refusal, so what would be refused is not a mistake of the file.
pub(super) fn check_network_verb(
    checker: &mut Checker,
    table: &At<NetworkVerbTable>,
    fails: bool,
) -> Option<NetworkVerb> {
    match &table.value {
        NetworkVerbTable::Create(create) if fails => {
            let (others, underlay) = (mem::take(&mut checker.networks), checker.underlay.take());
            let network = check_network(checker, create);
            (checker.networks, checker.underlay) = (others, underlay);
            network.map(|network| NetworkVerb::Create(network.value))
        }
        NetworkVerbTable::Create(create) => {
            let network = check_network(checker, create)?;
            checker.networks.push(network.clone());
            Some(NetworkVerb::Create(network.value))
        }
        NetworkVerbTable::Rm(named) => {
            let (on, name) = check_named(checker, &named.name, named.on.as_ref(), table)?;
            if !fails {
                checker.remove_network(&name);
            }
            Some(NetworkVerb::Rm { on, name })
        }
        NetworkVerbTable::Rotate(named) => {
            let (on, name) = check_named(checker, &named.name, named.on.as_ref(), table)?;
            Some(NetworkVerb::Rotate { on, name })
        }
        NetworkVerbTable::Connect(connect) => check_connect(checker, connect, fails),
        NetworkVerbTable::Disconnect(disconnect) => {
            let container = checker.container(&disconnect.container);
            let network = checker.network(&disconnect.name);
            Some(NetworkVerb::Disconnect { container: container?.name, name: network?.name })
        }
        NetworkVerbTable::Inspect(named) => {
            let (on, name) = check_named(checker, &named.name, named.on.as_ref(), table)?;
            Some(NetworkVerb::Inspect { on, name, verbose: named.verbose })
        }
        NetworkVerbTable::Ls(ls) => {
            Some(NetworkVerb::Ls { on: checker.engine_or_first(ls.on.as_ref(), &table.span)? })
        }
    }
}

/// `fails` as in [`check_network_verb`].
fn check_connect(checker: &mut Checker, table: &ConnectTable, fails: bool) -> Option<NetworkVerb> {
    let container = checker.container(&table.container);
    let others = if fails { mem::take(&mut checker.containers) } else { Vec::new() };
    let asked = Asked { ip: table.ip.as_ref(), ip6: table.ip6.as_ref(), mac: table.mac.as_ref() };
    let place = check_place(checker, &table.name, asked, &table.aliases);
    if fails {
        checker.containers = others;
    }
    let (container, place) = (container?.name, place?);
    let connect = Connect {
        container: container.to_string(),
        network: place.network.to_string(),
        ip: place.ip,
        mac: place.mac,
        ip6: place.ip6,
        aliases: place.aliases.clone(),
    };
    if !fails {
        checker.attach(&container, place);
    }
    Some(NetworkVerb::Connect(connect))
}

fn check_named(
    checker: &mut Checker,
    name: &At<String>,
    on: Option<&At<String>>,
    table: &At<NetworkVerbTable>,
) -> Option<(HostName, NetworkName)> {
    let on = checker.engine_or_first(on, &table.span);
    let network = checker.network(name);
    Some((on?, network?.name))
}

/// `fails` as in [`check_network_verb`].
pub(super) fn check_container_verb(
    checker: &mut Checker,
    table: &At<ContainerVerbTable>,
    fails: bool,
) -> Option<ContainerVerb> {
    match &table.value {
        ContainerVerbTable::Run(run) if fails => {
            let others = mem::take(&mut checker.containers);
            let container = check_container(checker, run);
            checker.containers = others;
            container.map(|container| ContainerVerb::Run(container.value))
        }
        ContainerVerbTable::Run(run) => {
            let container = check_container(checker, run)?;
            checker.containers.push(container.clone());
            Some(ContainerVerb::Run(container.value))
        }
        ContainerVerbTable::Rm(named) => {
            let name = checker.container(&named.name)?.name;
            if !fails {
                checker.remove_container(&name);
            }
            Some(ContainerVerb::Rm { name })
        }
    }
}

/// Who sends: a host, a container, or the outside world.
pub(super) fn check_sender(checker: &mut Checker, text: &At<String>) -> Option<Target> {
    if *text.value != *INTERNET || checker.has_container(text) {
        return check_target(checker, text);
    }
    if !checker.has_internet() {
        let mistake = Mistake::new("there is no outside world", &text.span, "sends from there");
        checker.mistake(mistake.help("give the underlay an address of it: `internet = [\"8.8.8.8\"]`"));
        return None;
    }
    Some(Target::Internet)
}

/// A host or a container, by its name; `host:X` or `container:X` if both are named so.
pub(super) fn check_target(checker: &mut Checker, text: &At<String>) -> Option<Target> {
    if let Some(name) = text.strip_prefix("host:") {
        return checker.host(&text.with(name.to_owned())).map(|host| Target::Host(host.name));
    }
    if let Some(name) = text.strip_prefix("container:") {
        let name = text.with(name.to_owned());
        return checker.container(&name).map(|container| Target::Container(container.name));
    }
    match (checker.has_host(text), checker.has_container(text)) {
        (true, false) => checker.host(text).map(|host| Target::Host(host.name)),
        (false, true) => checker.container(text).map(|container| Target::Container(container.name)),
        (true, true) => {
            let title = format!("{} is a host and a container", quote(text));
            let mistake = Mistake::new(title, &text.span, "which one?");
            checker.mistake(mistake.help(format!("write `host:{0}` or `container:{0}`", text.value)));
            None
        }
        (false, false) => {
            let names = checker.all_names();
            checker.mistake(no_such("host or container", "hosts and containers", text, &names));
            None
        }
    }
}

/// An address, a host, a container, a container on one of its networks: `C0@demonet`; or a DNS name: one with a dot that is
/// nobody's here, or any behind `dns:`.
pub(super) fn check_destination(checker: &mut Checker, text: &At<String>) -> Option<Destination> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Destination::Address(address));
    }
    if let Some(of) = text.strip_prefix(IPV6) {
        return check_ipv6(checker, &text.with(of.to_owned()));
    }
    if let Some((name, network)) = text.split_once('@') {
        let name = name.strip_prefix("container:").unwrap_or(name);
        let container = checker.container(&text.with(name.to_owned()));
        let network = check_via(checker, &text.with(network.to_owned()));
        let (container, network) = (container?, network?);
        if let Via::Network(network) = &network
            && !container.networks.iter().any(|attachment| attachment.network == *network)
        {
            not_on(checker, &container.name, network, text);
        }
        return Some(Destination::Container { name: container.name, network: Some(network) });
    }
    let is_ours = checker.has_host(text) || checker.has_container(text) || text.contains(':');
    let dns = text.strip_prefix(DNS).or_else(|| (text.contains('.') && !is_ours).then_some(text.as_str()));
    if let Some(name) = dns {
        let question = Question { name: name.to_owned(), kind: Type::A };
        if !question.is_sendable() {
            checker.mistake(not_dns(text));
        }
        return Some(Destination::Name(question.name));
    }
    Some(match check_target(checker, text)? {
        Target::Host(name) => Destination::Host(name),
        Target::Container(name) => Destination::Container { name, network: None },
        Target::Internet => return None,
    })
}

/// A container or a name whose IPv6 address is meant.
fn check_ipv6(checker: &mut Checker, text: &At<String>) -> Option<Destination> {
    let without =
        |what: String| Mistake::new(format!("{what} has no IPv6 address"), &text.span, "is addressed by it");
    let to = check_destination(checker, text)?;
    match &to {
        Destination::Name(_) => {}
        Destination::Container { name, network } => {
            let container = checker.container(&text.with(name.to_string()))?;
            let meant = |attachment: &&Attachment| match network {
                Some(Via::Network(network)) => attachment.network == *network,
                Some(Via::GatewayBridge) => false,
                None => true,
            };
            let on: Vec<Attachment> = container.networks.iter().filter(meant).cloned().collect();
            let has = |on: &Attachment| checker.networks.iter().any(|its| its.name == on.network && its.ipv6);
            if !on.iter().any(has) {
                checker.mistake(without(format!("`{to}`")).help("only networks with `ipv6 = true` give one"));
                return None;
            }
        }
        Destination::Host(_) => {
            checker.mistake(without(format!("`{to}`")).help("the underlay is IPv4"));
            return None;
        }
        Destination::Address(_) | Destination::Ipv6(_) => {
            checker.mistake(
                Mistake::new("`ipv6:` stands before a container or a name", &text.span, "is none")
                    .help("an address is written as it is"),
            );
            return None;
        }
    }
    Some(Destination::Ipv6(Box::new(to)))
}

/// A network that a container has an address on: an overlay, or the gateway bridge.
pub(super) fn check_via(checker: &mut Checker, text: &At<String>) -> Option<Via> {
    if *text.value == *GATEWAY_BRIDGE {
        return Some(Via::GatewayBridge);
    }
    checker.network(text).map(|network| Via::Network(network.name))
}

pub(super) fn not_on(
    checker: &mut Checker,
    container: &crate::topology::ContainerName,
    network: &NetworkName,
    text: &At<String>,
) {
    let title = format!("`{container}` is not on `{network}`");
    let mistake = Mistake::new(title, &text.span, "has no address there");
    checker.mistake(mistake.help(format!("add `{network}` to the container's `networks`")));
}

//! Containers: where they run, and addresses that their networks can give.

use std::net::{IpAddr, Ipv4Addr};

use overlay::dns::Resolv;
use overlay::model::{Mac, Publish};

use super::check::{Checker, taken};
use super::file::At;
use super::file::{AttachmentEntry, ContainerTable};
use super::hosts::misplaced;
use super::model::{Attachment, Container, Network, Subnet};
use super::name::{ContainerName, HostName};
use super::report::{Mistake, list, quote};

/// Checks a container. `None`: it has no valid name, or one that is taken.
pub(crate) fn check_container(checker: &mut Checker, table: &At<ContainerTable>) -> Option<At<Container>> {
    let name: ContainerName = checker.name(&table.name)?;
    if let Some(first) = checker.containers.iter().find(|container| container.name == name) {
        let mistake = taken("containers", &table.name, &first.span.clone());
        checker.mistake(mistake);
        return None;
    }
    let on = check_on(checker, table);
    let mut networks: Vec<Attachment> = Vec::new();
    for entry in &table.networks {
        let Some(attachment) = check_attachment(checker, entry) else { continue };
        if networks.iter().any(|other| other.network == attachment.network) {
            let title = format!("`{name}` is on `{}` twice", attachment.network);
            checker.mistake(Mistake::new(title, &entry.span, "again"));
            continue;
        }
        networks.push(attachment);
    }
    let on = on.or_else(|| checker.hosts.first().map(|host| host.name.clone()))?;
    let container = Container {
        name,
        publish: check_publish(checker, &table.publish, &on),
        on,
        networks,
        command: table.command.as_ref().map(|command| check_command(checker, command)).unwrap_or_default(),
        dns: check_dns(checker, table),
        anonymous: false,
        env: table.env.iter().map(|(key, value)| (key.clone(), check_env(checker, key, value))).collect(),
    };
    Some(table.name.with(container))
}

/// The host: any for a bare sandbox, one with an engine for a container that has networks.
fn check_on(checker: &mut Checker, table: &ContainerTable) -> Option<HostName> {
    match &table.on {
        Some(on) if table.networks.is_empty() => checker.host(on).map(|host| host.name),
        on => checker.engine_or_first(on.as_ref(), &table.name.span),
    }
}

/// How it looks for names: each domain and option by itself, so that the wrong one is shown.
fn check_dns(checker: &mut Checker, table: &ContainerTable) -> Resolv {
    let servers = table.dns.iter().filter_map(|text| checker.address(text)).collect();
    let texts = |all: &[At<String>]| all.iter().map(|text| text.value.clone()).collect();
    let one = |text: &At<String>| vec![text.value.clone()];
    let domains = table.dns_search.iter().map(|its| (its, Resolv { search: one(its), ..Resolv::default() }));
    let options =
        table.dns_options.iter().map(|its| (its, Resolv { options: one(its), ..Resolv::default() }));
    for (text, alone) in domains.chain(options) {
        if let Err(why) = alone.check() {
            // What is wrong, and what to do.
            let said = why.to_string();
            let (title, help) = said.rsplit_once(": ").unwrap_or((&said, "leave it out"));
            checker.mistake(Mistake::new(title, &text.span, "here").help(help));
        }
    }
    Resolv { servers, search: texts(&table.dns_search), options: texts(&table.dns_options) }
}

/// Ports that a host gives away, each once.
fn check_publish(checker: &mut Checker, texts: &[At<String>], on: &HostName) -> Vec<Publish> {
    let mut all: Vec<Publish> = Vec::new();
    for text in texts {
        let published = match Publish::parse(text) {
            Ok(published) => published,
            Err(why) => {
                let title = format!("{} cannot be published", quote(text));
                let mistake = Mistake::new(title, &text.span, why.to_string());
                checker.mistake(mistake.help("write `8080:80`: the host's port, then the container's"));
                continue;
            }
        };
        for publish in published {
            let other = checker.containers.iter().find(|container| {
                container.on == *on && container.publish.iter().any(|other| clash(other, &publish))
            });
            let taken = |by: String| Mistake::new(format!("a port of `{on}` is taken"), &text.span, by);
            if let Some(other) = other {
                let mistake = taken("wanted again".into());
                let mistake = mistake.beside(&other.span, format!("`{}` has it", other.name));
                checker.mistake(mistake);
            } else if all.iter().any(|other| clash(other, &publish)) {
                checker.mistake(taken("by this container itself".into()));
            }
            all.push(publish);
        }
    }
    all
}

/// Whether both want one port of a host and can have no other.
fn clash(one: &Publish, other: &Publish) -> bool {
    let only = |publish: &Publish| {
        let ports = publish.host.as_ref().filter(|ports| ports.start() == ports.end())?;
        Some(publish.at(*ports.start()))
    };
    only(one).zip(only(other)).is_some_and(|(one, other)| one.collides(&other))
}

/// A command to run: a program, and nothing that cannot be passed to one.
pub(crate) fn check_command(checker: &mut Checker, command: &At<Vec<String>>) -> Vec<String> {
    if command.first().is_none_or(String::is_empty) {
        let mistake = Mistake::new("a command needs a program", &command.span, "nothing to run");
        checker.mistake(mistake.help("write the program and its arguments: `[\"sleep\", \"3600\"]`"));
    }
    if command.iter().any(|word| word.contains('\0')) {
        checker.mistake(Mistake::new("a command cannot have a NUL", &command.span, "in here"));
    }
    command.value.clone()
}

pub(super) fn check_env(checker: &mut Checker, key: &str, value: &At<String>) -> String {
    if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
        let title = format!("{} cannot be in an environment", quote(key));
        checker.mistake(Mistake::new(title, &value.span, "this variable"));
    }
    value.value.clone()
}

fn check_attachment(checker: &mut Checker, entry: &At<AttachmentEntry>) -> Option<Attachment> {
    let table = match &entry.value {
        AttachmentEntry::Name(name) => {
            let network = checker.network(&entry.with(name.clone()))?.name;
            return Some(Attachment { network, ip: None, ip6: None, mac: None, aliases: Vec::new() });
        }
        AttachmentEntry::Table(table) => table,
    };
    let asked = Asked { ip: table.ip.as_ref(), ip6: table.ip6.as_ref(), mac: table.mac.as_ref() };
    check_place(checker, &table.name, asked, &table.aliases)
}

/// The addresses and the MAC that are asked for on a network, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) ip: Option<&'a At<String>>,
    pub(crate) ip6: Option<&'a At<String>>,
    pub(crate) mac: Option<&'a At<String>>,
}

/// A place on a network, with addresses and a MAC that the network can give.
pub(crate) fn check_place(
    checker: &mut Checker,
    network: &At<String>,
    asked: Asked<'_>,
    aliases: &[String],
) -> Option<Attachment> {
    let network = checker.network(network)?;
    let mut places = Vec::new();
    let ip = asked.ip.and_then(|text| {
        let ip = checker.address(text)?;
        places.push(check_address(checker, &network, ip.into(), text)?);
        Some(ip)
    });
    let ip6 = asked.ip6.and_then(|text| {
        let ip6 = checker.address6(text)?;
        places.push(check_address(checker, &network, ip6.into(), text)?);
        Some(ip6)
    });
    if let ([one, other], Some(text)) = (&places[..], asked.ip6)
        && one != other
    {
        let mistake = Mistake::new("these addresses are of two subnets", &text.span, "a container is in one");
        checker.mistake(mistake.help("the first IPv6 subnet goes with the first of IPv4, and so on"));
    }
    let mac = asked.mac.and_then(|text| check_mac(checker, &network, text, ip));
    Some(Attachment { network: network.name, ip, ip6, mac, aliases: aliases.to_vec() })
}

/// A MAC that no other container asks for there, nor is made of an address that another may have.
fn check_mac(
    checker: &mut Checker,
    network: &Network,
    text: &At<String>,
    ip: Option<Ipv4Addr>,
) -> Option<Mac> {
    let mac = checker.mac(text)?;
    let taken = Mistake::new(format!("{mac} is taken"), &text.span, "wanted again");
    let other = checker.containers.iter().find(|container| {
        container.networks.iter().any(|other| other.network == network.name && other.mac == Some(mac))
    });
    if let Some(other) = other {
        let mistake = taken.beside(&other.span, format!("`{}` has it", other.name));
        checker.mistake(mistake);
        return None;
    }
    let within = |ip: &Ipv4Addr| network.subnets.iter().any(|pool| pool.subnet.contains(&IpAddr::V4(*ip)));
    if let Some(made_of) = mac.ip().filter(|of| ip != Some(*of) && within(of)) {
        let mistake = Mistake::new(format!("{mac} is that of {made_of}"), &text.span, "of another address");
        let help = format!("choose another one, or ask for that address: `ip = \"{made_of}\"`");
        checker.mistake(mistake.help(help));
        return None;
    }
    Some(mac)
}

/// Whether the network can give an address; the number of its pool among those of the family.
fn check_address(
    checker: &mut Checker,
    network: &Network,
    address: IpAddr,
    text: &At<String>,
) -> Option<usize> {
    let pools: Vec<&Subnet> = network.pools(address.is_ipv6()).collect();
    let its = pools.iter().position(|pool| pool.subnet.contains(&address));
    let number = match (its, &pools[..]) {
        (Some(number), _) => number,
        (None, [_]) => 0,
        (None, []) => {
            let mistake = Mistake::new("an address needs a subnet", &text.span, "of which subnet?");
            let help = if address.is_ipv6() { "an IPv6 subnet, and `ipv6 = true`" } else { "a `subnet`" };
            checker.mistake(mistake.help(format!("give `{}` {help}", network.name)));
            return None;
        }
        (None, several) => {
            let title = format!("{address} is in no subnet of `{}`", network.name);
            let help = format!("they are {}", list(several.iter().map(|pool| pool.subnet.to_string())));
            checker.mistake(Mistake::new(title, &text.span, "outside of them").help(help));
            return None;
        }
    };
    let pool = pools[number];
    let whose = format!("the subnet of `{}`", network.name);
    if let Some(mistake) = misplaced(pool.subnet, address, &text.span, &whose) {
        checker.mistake(mistake);
        return None;
    }
    if let Some(owner) = reserved(pool, address) {
        checker.mistake(Mistake::new(format!("{address} is taken"), &text.span, owner));
        return None;
    }
    let has = |other: &Attachment| {
        let mut its = other.ip.map(IpAddr::V4).into_iter().chain(other.ip6.map(IpAddr::V6));
        other.network == network.name && its.any(|its| its == address)
    };
    let other = checker.containers.iter().find(|container| container.networks.iter().any(has));
    if let Some(other) = other {
        let mistake = Mistake::new(format!("{address} is taken"), &text.span, "wanted again")
            .beside(&other.span, format!("`{}` has it", other.name));
        checker.mistake(mistake);
        return None;
    }
    Some(number)
}

/// What a pool keeps an address for.
fn reserved(pool: &Subnet, address: IpAddr) -> Option<String> {
    if pool.first_gateway() == Some(address) {
        return Some("the gateway's, said or by default".into());
    }
    let (key, _) = pool.aux.iter().find(|(_, aux)| **aux == address)?;
    Some(format!("kept for {}", quote(key)))
}

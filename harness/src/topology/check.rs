//! From the tables of a file to what they mean, or to every mistake in them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use overlay::Resolution;
use overlay::model::Mac;

use super::containers::check_container;
use super::duration::parse_duration;
use super::file::At;
use super::file::nearest;
use super::file::{File, HostTable};
use super::hosts::{check_hosts, check_kv};
use super::impairments::check_wire;
use super::model::{Attachment, Container, Host, Kv, Network, Topology, Underlay};
use super::name::{ContainerName, HostName, NameError, NetworkName};
use super::networks::check_network;
use super::processes::check_processes;
use super::record::check_record;
use super::report::{Mistake, list, quote};
use super::requires::{check_requires, check_root};
use crate::scenario::check_scenario;

/// Version of the format that this program reads.
const SCHEMA: i64 = 1;

/// Time limit of a scenario and of a step, unless the file says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// What a check has learned so far: the mistakes, and what the file has declared.
///
/// Whatever has a valid name is declared, even when the rest of it is wrong, so that one mistake is
/// not reported again wherever the name is used.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub(super) mistakes: Vec<Mistake>,
    pub(crate) underlay: Option<Underlay>,
    pub(crate) hosts: Vec<At<Host>>,
    pub(crate) networks: Vec<At<Network>>,
    pub(crate) containers: Vec<At<Container>>,
    /// What a step has removed: it can be named still, and its name can be given again.
    gone_networks: Vec<At<Network>>,
    gone_containers: Vec<At<Container>>,
    /// The store, if there is one to ask.
    pub(crate) kv: Option<Kv>,
    /// The names that steps have given to faults.
    pub(crate) faults: Vec<At<String>>,
    /// The names of the steps so far.
    pub(crate) steps: BTreeSet<String>,
}

/// Checks the tables of a file; `stem` is its name if it does not say. `None`: there are mistakes.
pub(super) fn check(checker: &mut Checker, file: File, stem: &str, digest: String) -> Option<Topology> {
    if let Some(schema) = &file.schema
        && schema.value != SCHEMA
    {
        let title = format!("schema {} is not known", schema.value);
        checker
            .mistake(Mistake::new(title, &schema.span, "the schema").help("this version reads `schema = 1`"));
    }
    let name = file.name.map_or_else(|| Some(stem.to_owned()), |name| checker.lab_name(&name));
    let timeout = checker.duration_or(file.timeout.as_ref(), TIMEOUT);
    let requires = check_requires(checker, file.requires.as_deref());
    let resolution = file.resolution.map_or(Resolution::Store, Into::into);
    let underlay = check_hosts(checker, file.underlay.as_deref(), &file.host, resolution);
    checker.underlay.clone_from(&underlay);
    let kv = check_kv(checker, file.kv.as_ref());
    for table in &file.network {
        if let Some(network) = check_network(checker, table) {
            checker.networks.push(network);
        }
    }
    for table in &file.container {
        if let Some(container) = check_container(checker, table) {
            checker.containers.push(container);
        }
    }
    check_wires(checker, &file.host);
    check_root(checker, &file.host, &requires);
    let processes = check_processes(checker, &file.process);
    let record = check_record(checker, file.record.as_deref());
    checker.kv.clone_from(&kv);
    // Steps declare more as they go; what is built at first is what the tables say.
    let (networks, containers) = (checker.networks.clone(), checker.containers.clone());
    let (steps, always) = check_scenario(checker, &file.step, &file.always);
    if !checker.mistakes.is_empty() {
        return None;
    }
    Some(Topology {
        name: name?,
        description: file.description.map(|text| text.value).unwrap_or_default(),
        seed: file.seed.map_or(0, |seed| seed.value),
        requires,
        record,
        underlay: underlay?,
        kv,
        hosts: checker.hosts.drain(..).map(|host| host.value).collect(),
        networks: networks.into_iter().map(|network| network.value).collect(),
        containers: containers.into_iter().map(|container| container.value).collect(),
        processes,
        steps,
        always,
        timeout,
        digest,
    })
}

/// Wires come last: they may name networks.
fn check_wires(checker: &mut Checker, hosts: &[At<HostTable>]) {
    for table in hosts {
        let Some(wire) = table.wire.as_ref() else { continue };
        if let Some(host) = &wire.host {
            checker.mistake(Mistake::new("this is the wire of this host", &host.span, "not to be said"));
        }
        let wire = check_wire(checker, wire);
        let host = checker.hosts.iter_mut().find(|host| *host.name.as_str() == **table.name);
        if let (Some(wire), Some(host)) = (wire, host) {
            host.value.wire = wire;
        }
    }
}

impl Checker {
    /// A check that starts with what reading has found.
    pub(super) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes, ..Self::default() }
    }

    /// Notes a mistake.
    pub(crate) fn mistake(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// A lab's name: a word that can be a directory and an argument.
    fn lab_name(&mut self, text: &At<String>) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let good = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(fits)
            && text.len() <= 63;
        if !good {
            let mistake =
                Mistake::new(format!("{} cannot be a lab's name", quote(text)), &text.span, "the name");
            self.mistake(
                mistake.help("letters, digits, `_`, `.` and `-`, a letter or digit first, at most 63"),
            );
        }
        good.then(|| text.value.clone())
    }

    /// A name of a host, a container or a network.
    pub(crate) fn name<N: FromStr<Err = NameError>>(&mut self, text: &At<String>) -> Option<N> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(why) => {
                self.mistake(Mistake::new(
                    format!("{} is not a name", quote(text)),
                    &text.span,
                    why.to_string(),
                ));
                None
            }
        }
    }

    /// An address of either family.
    pub(crate) fn any_address(&mut self, text: &At<String>) -> Option<IpAddr> {
        if text.contains(':') {
            self.address6(text).map(IpAddr::V6)
        } else {
            self.address(text).map(IpAddr::V4)
        }
    }

    /// An IPv6 address.
    pub(crate) fn address6(&mut self, text: &At<String>) -> Option<Ipv6Addr> {
        self.address_of(text, "IPv6", "write it as `fd00:1::2`")
    }

    /// An IPv4 address.
    pub(crate) fn address(&mut self, text: &At<String>) -> Option<Ipv4Addr> {
        self.address_of(text, "IPv4", "write four numbers from 0 to 255, such as `192.168.0.100`")
    }

    fn address_of<T: FromStr>(&mut self, text: &At<String>, family: &str, help: &str) -> Option<T> {
        let address = text.parse().ok();
        if address.is_none() {
            let wrong = format!("{} is not an {family} address", quote(text));
            self.mistake(Mistake::new(wrong, &text.span, "not an address").help(help));
        }
        address
    }

    /// A MAC that an interface can have.
    pub(crate) fn mac(&mut self, text: &At<String>) -> Option<Mac> {
        let wrong = match text.parse::<Mac>() {
            Ok(mac) if mac.is_unicast() => return Some(mac),
            Ok(_) => "a group's, or nobody's",
            Err(_) => "not a MAC",
        };
        let mistake = Mistake::new(format!("{} is not an interface's MAC", quote(text)), &text.span, wrong);
        self.mistake(mistake.help("write six pairs of hex digits, such as `02:42:c0:a8:00:64`"));
        None
    }

    /// An IPv4 subnet.
    pub(crate) fn net(&mut self, text: &At<String>) -> Option<Ipv4Net> {
        match self.any_net(text)? {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => {
                let title = format!("{} is not an IPv4 subnet", quote(text));
                self.mistake(Mistake::new(title, &text.span, "this is IPv4 only"));
                None
            }
        }
    }

    /// A subnet of either family: an address without host bits, and the length of its prefix.
    pub(crate) fn any_net(&mut self, text: &At<String>) -> Option<IpNet> {
        let Ok(net) = text.parse::<IpNet>() else {
            let mistake =
                Mistake::new(format!("{} is not a subnet", quote(text)), &text.span, "not a subnet");
            self.mistake(mistake.help("write an address and a prefix length, such as `192.168.0.0/24`"));
            return None;
        };
        if net != net.trunc() {
            let mistake = Mistake::new(
                format!("{} is an address in a subnet", quote(text)),
                &text.span,
                "has host bits",
            );
            self.mistake(mistake.help(format!("did you mean `{}`?", net.trunc())));
            return None;
        }
        Some(net)
    }

    /// A time.
    pub(crate) fn duration(&mut self, text: &At<String>) -> Option<Duration> {
        match parse_duration(text) {
            Ok(time) => Some(time),
            Err(why) => {
                self.mistake(
                    Mistake::new(format!("{} is not a time", quote(text)), &text.span, "a time").help(why),
                );
                None
            }
        }
    }

    /// A time, or what it is unless said.
    pub(crate) fn duration_or(&mut self, text: Option<&At<String>>, default: Duration) -> Duration {
        text.and_then(|text| self.duration(text)).unwrap_or(default)
    }

    /// The declared host of that name.
    pub(crate) fn host(&mut self, text: &At<String>) -> Option<Host> {
        let found = self.hosts.iter().find(|host| host.name == *text.as_str());
        if let Some(host) = found {
            return Some(host.value.clone());
        }
        let names: Vec<String> = self.hosts.iter().map(|host| host.name.to_string()).collect();
        self.mistake(no_such("host", "hosts", text, &names));
        None
    }

    /// The declared host of that name, which has to run an engine.
    pub(crate) fn engine(&mut self, text: &At<String>) -> Option<HostName> {
        let host = self.host(text)?;
        if !host.engine {
            let names: Vec<&str> = self.engines().map(HostName::as_str).collect();
            let help = match names[..] {
                [] => "no host runs one; leave out `engine = false` where one should run".to_owned(),
                [one] => format!("`{one}` runs one"),
                _ => format!("{} run one", list(&names)),
            };
            let title = format!("no engine runs on {}", quote(text));
            self.mistake(Mistake::new(title, &text.span, "`engine = false` there").help(help));
            return None;
        }
        Some(host.name)
    }

    /// The host named, or else the first one that runs an engine; `place` is shown if there is none.
    pub(crate) fn engine_or_first(
        &mut self,
        on: Option<&At<String>>,
        place: &Range<usize>,
    ) -> Option<HostName> {
        if let Some(on) = on {
            return self.engine(on);
        }
        let first = self.engines().next().cloned();
        if first.is_none() {
            let mistake = Mistake::new("no host runs an engine", place, "needs one");
            self.mistake(mistake.help("add a `[[host]]`; without `engine = false` it runs one"));
        }
        first
    }

    /// The hosts that run an engine, in order.
    pub(crate) fn engines(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.iter().filter(|host| host.engine).map(|host| &host.name)
    }

    /// The declared network of that name.
    pub(crate) fn network(&mut self, text: &At<String>) -> Option<Network> {
        let mut all = self.networks.iter().chain(&self.gone_networks);
        let found = all.find(|network| network.name == *text.as_str());
        if let Some(network) = found {
            return Some(network.value.clone());
        }
        let names: Vec<String> = self.networks.iter().map(|network| network.name.to_string()).collect();
        self.mistake(no_such("network", "networks", text, &names));
        None
    }

    /// The declared container of that name.
    pub(crate) fn container(&mut self, text: &At<String>) -> Option<Container> {
        let mut all = self.containers.iter().chain(&self.gone_containers);
        let found = all.find(|container| container.name == *text.as_str());
        if let Some(container) = found {
            return Some(container.value.clone());
        }
        let names: Vec<String> = self.containers.iter().map(|container| container.name.to_string()).collect();
        self.mistake(no_such("container", "containers", text, &names));
        None
    }

    /// A step removes the network; others may have its name and its subnet from then on.
    pub(crate) fn remove_network(&mut self, name: &NetworkName) {
        self.gone_networks.extend(self.networks.extract_if(.., |network| network.name == *name));
    }

    /// A step removes the container.
    pub(crate) fn remove_container(&mut self, name: &ContainerName) {
        self.gone_containers.extend(self.containers.extract_if(.., |container| container.name == *name));
    }

    /// A step puts the container on a network.
    pub(crate) fn attach(&mut self, name: &ContainerName, attachment: Attachment) {
        let container = self.containers.iter_mut().find(|container| container.name == *name);
        let Some(container) = container else { return };
        let networks = &mut container.value.networks;
        networks.retain(|other| other.network != attachment.network);
        networks.push(attachment);
    }

    /// Whether the lab has an outside world.
    pub(crate) fn has_internet(&self) -> bool {
        self.underlay.as_ref().is_none_or(|underlay| !underlay.internet.is_empty())
    }

    /// Whether hosts have a name server.
    pub(crate) fn has_nameserver(&self) -> bool {
        self.underlay.as_ref().is_none_or(|underlay| underlay.nameserver().is_some())
    }

    /// Whether a host has that name.
    pub(crate) fn has_host(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.name == *name)
    }

    /// Whether a container has that name, or had it.
    pub(crate) fn has_container(&self, name: &str) -> bool {
        self.containers.iter().chain(&self.gone_containers).any(|container| container.name == *name)
    }

    /// The names of all hosts and containers.
    pub(crate) fn all_names(&self) -> Vec<String> {
        let hosts = self.hosts.iter().map(|host| host.name.to_string());
        hosts.chain(self.containers.iter().map(|container| container.name.to_string())).collect()
    }
}

/// Nothing has that name; here is what has one.
pub(crate) fn no_such(what: &str, plural: &str, text: &At<String>, names: &[String]) -> Mistake {
    let mistake = Mistake::new(format!("no {what} is named {}", quote(text)), &text.span, "used here");
    match (nearest(text, names.iter().map(String::as_str)), names) {
        (Some(near), _) => mistake.help(format!("did you mean `{near}`?")),
        (None, []) => mistake.help(format!("the file has no {plural}")),
        (None, [one]) => mistake.help(format!("the only {what} is `{one}`")),
        (None, _) => mistake.help(format!("the {plural} are {}", list(names))),
    }
}

/// The name is taken; there is the first one.
pub(crate) fn taken(what: &str, text: &At<String>, first: &Range<usize>) -> Mistake {
    Mistake::new(format!("two {what} are named {}", quote(text)), &text.span, "again")
        .beside(first, "the first one")
}

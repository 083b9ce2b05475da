//! A topology written as a file: all that is built, without the steps.

use std::collections::BTreeMap;
use std::fmt::Display;

use overlay::Resolution;

use super::duration::show_duration;
use super::load::digest;
use super::model::{
    Attachment, Container, Host, Kv, Needed, Network, Process, Record, Requires, Subnet, Topology, Underlay,
    Wire,
};
use super::record::ALL;
use crate::capture::Interfaces;
use crate::fault::{Filter, Impairment, Tunnel};
use crate::handle::Ready;

impl Topology {
    /// The hosts, networks and containers as a file that [`parse`](super::parse) reads back.
    /// Steps and `always` are not written.
    pub fn to_toml(&self) -> String {
        let mut page = Page::default();
        page.key("schema", 1);
        page.text("name", &self.name);
        page.text("description", &self.description);
        page.key("seed", self.seed);
        page.text("timeout", &show_duration(self.timeout));
        page.requires(&self.requires);
        page.record(&self.record);
        page.underlay(&self.underlay);
        if let Some(Kv::Stub { host, session_ttl_min, persist }) = &self.kv {
            page.table("[kv]");
            page.text("host", host.as_str());
            page.text("session_ttl_min", &show_duration(*session_ttl_min));
            if *persist {
                page.key("persist", true);
            }
        }
        self.hosts.iter().for_each(|host| page.host(host));
        self.networks.iter().for_each(|network| page.network(network));
        self.containers.iter().for_each(|container| page.container(container));
        self.processes.iter().for_each(|process| page.process(process));
        page.0
    }

    /// The same with the digest of its own text, for a topology that was written in Rust.
    #[must_use]
    pub fn with_digest(mut self) -> Self {
        self.digest = digest(&self.to_toml());
        self
    }
}

/// The text of a file, as it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Page(pub(super) String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(super) fn table(&mut self, header: &str) {
        self.line("");
        self.line(header);
    }

    pub(super) fn key(&mut self, key: &str, value: impl Display) {
        self.line(&format!("{key} = {value}"));
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key, quoted(value));
    }

    pub(super) fn map<V: Display>(&mut self, key: &str, map: &BTreeMap<String, V>) {
        if !map.is_empty() {
            self.key(key, inline(pairs(map)));
        }
    }

    fn requires(&mut self, requires: &Requires) {
        if *requires == Requires::default() {
            return;
        }
        self.table("[requires]");
        self.key("root", requires.root);
        if !requires.programs.is_empty() {
            let programs: Vec<String> = requires.programs.iter().map(needed).collect();
            self.key("programs", format!("[{}]", programs.join(", ")));
        }
        if !requires.kernel.is_empty() {
            self.key("kernel", texts(&requires.kernel));
        }
    }

    fn record(&mut self, Record { netlink, packets }: &Record) {
        if !netlink && packets.is_none() {
            return;
        }
        self.table("[record]");
        self.key("netlink", netlink);
        if let Some(request) = packets {
            let words = if request.filter.is_all() { ALL.to_owned() } else { request.filter.to_string() };
            self.text("packets", &words);
            if let Interfaces::Of(targets) = &request.on {
                self.key("on", texts(targets));
            }
            if let Some(bytes) = request.snapshot {
                self.key("snapshot", bytes);
            }
        }
    }

    fn process(&mut self, process: &Process) {
        self.table("[[process]]");
        self.text("name", process.name.as_str());
        self.text("on", process.on.as_str());
        self.key("command", texts(&process.command));
        self.map("env", &process.env);
        if let Some(ready) = &process.ready {
            self.key("ready", inline([fact(ready)].into_iter()));
        }
        self.text("within", &show_duration(process.within));
    }

    fn underlay(&mut self, underlay: &Underlay) {
        self.table("[underlay]");
        self.text("subnet", &underlay.subnet.to_string());
        self.key("mtu", underlay.mtu);
        self.text("gateway", &underlay.gateway.to_string());
        self.key("internet", texts(&underlay.internet));
        self.map("dns", &underlay.dns);
    }

    fn host(&mut self, host: &Host) {
        self.table("[[host]]");
        self.text("name", host.name.as_str());
        self.text("ip", &host.ip.to_string());
        self.key("engine", host.engine);
        if host.resolution != Resolution::default() {
            self.text("resolution", resolution_word(host.resolution));
        }
        if !host.volatile.is_empty() {
            self.key("volatile", texts(&host.volatile));
        }
        if host.cgroups {
            self.key("cgroups", true);
        }
        let wire = wire(&host.wire);
        if !wire.is_empty() {
            self.key("wire", wire);
        }
    }

    fn network(&mut self, network: &Network) {
        self.table("[[network]]");
        self.text("name", network.name.as_str());
        self.text("on", network.on.as_str());
        if !network.subnets.is_empty() {
            let subnets: Vec<String> = network.subnets.iter().map(subnet).collect();
            self.key("subnets", format!("[{}]", subnets.join(", ")));
        }
        if network.ipv6 {
            self.key("ipv6", true);
        }
        self.key("internal", network.internal);
        self.key("attachable", network.attachable);
        self.map("options", &network.options);
        self.map("labels", &network.labels);
    }

    fn container(&mut self, container: &Container) {
        self.table("[[container]]");
        self.text("name", container.name.as_str());
        self.text("on", container.on.as_str());
        let networks: Vec<String> = container.networks.iter().map(attachment).collect();
        self.key("networks", format!("[{}]", networks.join(", ")));
        if !container.publish.is_empty() {
            self.key("publish", texts(&container.publish));
        }
        if !container.command.is_empty() {
            self.key("command", texts(&container.command));
        }
        self.map("env", &container.env);
        let dns = &container.dns;
        if !dns.servers.is_empty() {
            self.key("dns", texts(&dns.servers));
        }
        for (key, all) in [("dns_search", &dns.search), ("dns_options", &dns.options)] {
            if !all.is_empty() {
                self.key(key, texts(all));
            }
        }
    }
}

pub(super) fn resolution_word(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Store => "store",
        Resolution::OnMiss => "on-miss",
    }
}

/// A program that has to be there, as a word or a table.
fn needed(program: &Needed) -> String {
    let name = quoted(&program.name);
    match &program.version {
        None => name,
        Some(version) => {
            inline([format!("name = {name}"), format!("version = {}", quoted(version))].into_iter())
        }
    }
}

/// The fact that a process is ready by, as a key.
fn fact(ready: &Ready) -> String {
    match ready {
        Ready::Port(port) => format!("port = {port}"),
        Ready::File(path) => format!("file = {}", quoted(&path.display().to_string())),
        Ready::Line(text) => format!("line = {}", quoted(text)),
        Ready::Notify => "notify = true".to_owned(),
    }
}

/// A subnet of a network, as a table.
fn subnet(subnet: &Subnet) -> String {
    let mut keys = vec![format!("subnet = {}", quoted(&subnet.subnet.to_string()))];
    keys.extend(subnet.gateway.map(|gateway| format!("gateway = {}", quoted(&gateway.to_string()))));
    keys.extend(subnet.ip_range.map(|range| format!("ip_range = {}", quoted(&range.to_string()))));
    if !subnet.aux.is_empty() {
        keys.push(format!("aux = {}", inline(pairs(&subnet.aux))));
    }
    inline(keys.into_iter())
}

/// The keys of a table, with their values as text.
fn pairs<V: Display>(map: &BTreeMap<String, V>) -> impl Iterator<Item = String> {
    map.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(&value.to_string())))
}

/// Both directions alike are said once; bare is nothing.
fn wire(wire: &Wire) -> String {
    let side = |name: &str, side: &Impairment| format!("{name} = {}", impairment(side));
    match (&wire.up, &wire.down) {
        (None, None) => String::new(),
        (Some(up), Some(down)) if up == down => impairment(up),
        (up, down) => {
            let sides = [up.as_ref().map(|up| side("up", up)), down.as_ref().map(|down| side("down", down))];
            inline(sides.into_iter().flatten())
        }
    }
}

pub(super) fn impairment(impairment: &Impairment) -> String {
    let words = impairment.words().map(|(key, words)| match key {
        "mtu" => format!("{key} = {words}"),
        _ => format!("{key} = {}", quoted(&words)),
    });
    let hold = impairment.hold.then(|| "hold = true".to_owned());
    let only = impairment.only.as_ref().map(|only| format!("only = {}", filter(only)));
    inline(words.chain(hold).chain(only))
}

fn filter(filter: &Filter) -> String {
    let tunnel = filter.inside.as_ref().map(|inside| match inside {
        Tunnel::Any => "encapsulated = true".to_owned(),
        Tunnel::Network(name) => format!("network = {}", quoted(name.as_str())),
        Tunnel::Vni(vni) => format!("vni = {vni}"),
    });
    let protocol = filter.protocol.map(|protocol| format!("protocol = {}", quoted(&protocol.to_string())));
    let address = filter.address.map(|address| format!("address = {}", quoted(&address.to_string())));
    let port = filter.port.map(|port| format!("port = {port}"));
    inline([tunnel, protocol, address, port].into_iter().flatten())
}

fn inline(pairs: impl Iterator<Item = String>) -> String {
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}

fn attachment(attachment: &Attachment) -> String {
    let mut keys = vec![format!("name = {}", quoted(attachment.network.as_str()))];
    if let Some(ip) = attachment.ip {
        keys.push(format!("ip = {}", quoted(&ip.to_string())));
    }
    if let Some(ip6) = attachment.ip6 {
        keys.push(format!("ip6 = {}", quoted(&ip6.to_string())));
    }
    if let Some(mac) = attachment.mac {
        keys.push(format!("mac = {}", quoted(&mac.to_string())));
    }
    if !attachment.aliases.is_empty() {
        keys.push(format!("aliases = {}", texts(&attachment.aliases)));
    }
    inline(keys.into_iter())
}

pub(super) fn texts<T: Display>(values: &[T]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(&value.to_string())).collect();
    format!("[{}]", quoted.join(", "))
}

/// A basic string of TOML (<https://toml.io/en/v1.0.0#string>).
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

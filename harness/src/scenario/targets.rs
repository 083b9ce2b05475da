//! Targets and destinations as written, checked: they are there, and can be sent to.

use std::net::IpAddr;

use overlay::dns::{Question, Type};

use super::target::{DNS, Destination, GATEWAY_BRIDGE, INTERNET, Target, Via};
use crate::topology::{At, Checker, Mistake, NetworkName, no_such, quote};

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
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => {
            let mistake = Mistake::new("IPv6 is not there yet", &text.span, "this version cannot do it");
            checker.mistake(mistake);
            return None;
        }
        Ok(address) => return Some(Destination::Address(address)),
        Err(_) => {}
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

/// No server can be asked for such a name.
pub(super) fn not_dns(text: &At<String>) -> Mistake {
    let mistake =
        Mistake::new(format!("{} is not a DNS name", quote(text)), &text.span, "cannot be asked for");
    mistake.help("parts of 1 to 63 characters, with dots between them")
}

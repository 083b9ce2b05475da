//! `lab inspect`: what the kernel holds, in the words of `ip` and `bridge`.

use std::fmt::{self, Display, Write};
use std::process::ExitCode;

use harness::control::Request;
use harness::lab::{Held, Inspection};
use kernel::Snapshot;
use kernel::rtnl::Link;

use crate::choose::Scope;
use crate::{args, print};

pub(crate) fn main(scope: &Scope, args: &args::Inspect) -> anyhow::Result<ExitCode> {
    let inspection: Inspection = scope.client()?.get(&Request::Inspect { target: args.target.clone() })?;
    if scope.json {
        print::json(&inspection)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (number, held) in inspection.namespaces.iter().enumerate() {
        print::text(if number > 0 { "\n" } else { "" })?;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = show(&mut text, held);
        print::text(text)?;
    }
    for wire in &inspection.wires {
        print::text(format_args!("\n{wire}\n"))?;
    }
    for misses in &inspection.misses {
        print::text(format_args!("\n{misses}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A namespace, a line an object.
fn show(out: &mut String, Held { name, holds, settings, rules, encryption, .. }: &Held) -> fmt::Result {
    let dev = |index: u32| holds.by_index(index).map_or_else(|| index.to_string(), |link| link.name.clone());
    writeln!(out, "{name}")?;
    for link in &holds.links {
        show_link(out, link, holds)?;
    }
    for address in &holds.addresses {
        writeln!(out, "  address {} dev {}", address.net, dev(address.dev))?;
    }
    for route in &holds.routes {
        let to = route.to.map_or_else(|| "default".to_owned(), |to| to.to_string());
        write!(out, "  route {to}{}", option(" via ", route.gateway))?;
        writeln!(out, "{}{}", option(" dev ", route.dev.map(dev)), option(" src ", route.source))?;
    }
    for neighbour in &holds.neighbours {
        let mac = neighbour.mac.map_or_else(|| "unknown".to_owned(), |mac| mac.to_string());
        writeln!(
            out,
            "  neighbour {} at {mac} dev {}{}",
            neighbour.ip,
            dev(neighbour.dev),
            flag(neighbour.permanent, " permanent")
        )?;
    }
    // Multicast entries are the kernel's own bookkeeping: the group bit is set.
    for entry in holds.fdb.iter().filter(|entry| entry.mac.0[0] & 1 == 0) {
        let table = if entry.own { "self" } else { "master" };
        write!(out, "  fdb {} dev {}{}", entry.mac, dev(entry.dev), option(" behind ", entry.vtep))?;
        writeln!(out, " {table}{}", flag(entry.permanent, " permanent"))?;
    }
    for (key, value) in settings {
        writeln!(out, "  setting {key} {value}")?;
    }
    for rule in rules {
        writeln!(out, "  rule {rule}")?;
    }
    for line in encryption {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn show_link(out: &mut String, link: &Link, holds: &Snapshot) -> fmt::Result {
    write!(out, "  link {}: {}{} mtu {}", link.index, link.name, option(" ", link.kind.as_ref()), link.mtu)?;
    let master = link.master.and_then(|index| holds.by_index(index)).map(|master| &master.name);
    let peer = link.peer.filter(|_| link.kind.as_deref() == Some("veth"));
    let lower = link.peer.filter(|_| link.kind.as_deref() == Some("macvlan"));
    write!(out, "{}{}{}", option(" address ", link.mac), option(" master ", master), option(" peer ", peer))?;
    write!(out, "{}", option(" of ", lower))?;
    if let Some(vxlan) = &link.vxlan {
        write!(out, " id {} dstport {} ageing {}", vxlan.vni, vxlan.port, vxlan.ageing)?;
        let flags = [
            (vxlan.proxy, " proxy"),
            (vxlan.learning, " learning"),
            (vxlan.l2miss, " l2miss"),
            (vxlan.l3miss, " l3miss"),
        ];
        flags.into_iter().try_for_each(|(on, name)| out.write_str(flag(on, name)))?;
    }
    out.write_str(flag(link.isolated, " isolated"))?;
    out.write_str(flag(link.port.as_ref().is_some_and(|port| port.hairpin), " hairpin"))?;
    out.write_str(match (link.up, link.carrier) {
        (true, true) => " up\n",
        (true, false) => " up, no carrier\n",
        (false, _) => " down\n",
    })
}

fn option(before: &str, value: Option<impl Display>) -> String {
    value.map(|value| format!("{before}{value}")).unwrap_or_default()
}

fn flag(on: bool, name: &str) -> &str {
    if on { name } else { "" }
}

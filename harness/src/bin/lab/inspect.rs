//! `lab inspect`: what the kernel holds.

use std::process::ExitCode;

use harness::control::Request;
use serde_json::Value;

use crate::choose::Scope;
use crate::{args, print};

pub(crate) fn main(scope: &Scope, args: &args::Inspect) -> anyhow::Result<ExitCode> {
    let answer = scope.client()?.ask(&Request::Inspect { target: args.target.clone() })?;
    if scope.json {
        print::json(&answer.value)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (number, held) in list(&answer.value["namespaces"]).iter().enumerate() {
        if number > 0 {
            print::line("")?;
        }
        show(held)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A namespace, a line an object, in the words of `ip`.
fn show(held: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let name = |index: &Value| {
        let link = list(&held["links"]).iter().find(|link| &link["index"] == index);
        link.map_or_else(|| index.to_string(), |link| text(&link["name"]))
    };
    print::line(text(&held["name"]))?;
    for link in list(&held["links"]) {
        let mut line = format!("  link {}: {} mtu {}", link["index"], text(&link["name"]), link["mtu"]);
        for (key, word) in [("kind", ""), ("mac", "address ")] {
            if !link[key].is_null() {
                line += &format!(" {word}{}", text(&link[key]));
            }
        }
        if !link["master"].is_null() {
            line += &format!(" master {}", name(&link["master"]));
        }
        if !link["peer"].is_null() && link["kind"] == "veth" {
            line += &format!(" peer {}", link["peer"]);
        }
        if let Some(vxlan) = link["vxlan"].as_object() {
            line += &format!(" id {} dstport {} ageing {}", vxlan["vni"], vxlan["port"], vxlan["ageing"]);
            for flag in ["proxy", "learning", "l2miss", "l3miss"] {
                if vxlan[flag] == true {
                    line += &format!(" {flag}");
                }
            }
        }
        line += match (link["up"] == true, link["carrier"] == true) {
            (true, true) => " up",
            (true, false) => " up, no carrier",
            (false, _) => " down",
        };
        print::line(line)?;
    }
    for address in list(&held["addresses"]) {
        print::line(format_args!("  address {} dev {}", text(&address["net"]), name(&address["dev"])))?;
    }
    for route in list(&held["routes"]) {
        let to = route["to"].as_str().unwrap_or("default");
        let via = route["gateway"].as_str().map(|via| format!(" via {via}")).unwrap_or_default();
        let source = route["source"].as_str().map(|source| format!(" src {source}")).unwrap_or_default();
        print::line(format_args!("  route {to}{via} dev {}{source}", name(&route["dev"])))?;
    }
    for neighbour in list(&held["neighbours"]) {
        let permanent = if neighbour["permanent"] == true { " permanent" } else { "" };
        let mac = neighbour["mac"].as_str().unwrap_or("unknown");
        print::line(format_args!(
            "  neighbour {} at {mac} dev {}{permanent}",
            text(&neighbour["ip"]),
            name(&neighbour["dev"])
        ))?;
    }
    for entry in list(&held["fdb"]) {
        // Multicast entries are the kernel's own bookkeeping.
        if text(&entry["mac"]).starts_with("33:33") || text(&entry["mac"]).starts_with("01:00:5e") {
            continue;
        }
        let vtep = entry["vtep"].as_str().map(|vtep| format!(" behind {vtep}")).unwrap_or_default();
        let table = if entry["own"] == true { "self" } else { "master" };
        let permanent = if entry["permanent"] == true { " permanent" } else { "" };
        print::line(format_args!(
            "  fdb {} dev {}{vtep} {table}{permanent}",
            text(&entry["mac"]),
            name(&entry["dev"])
        ))?;
    }
    for rule in list(&held["rules"]) {
        print::line(format_args!("  rule {}", text(rule)))?;
    }
    Ok(())
}

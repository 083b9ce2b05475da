//! `lab network`: Docker's verbs, with Docker's output.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use harness::control::{Client, Request};
use harness::lab::{Connect, NetworkLine, Report};
use harness::{Error, Kind};
use overlay::CreateNetwork;
use overlay::ipam::PoolFlags;
use serde_json::{Value, json};

use crate::args::{Network, NetworkCreate, On, Where};
use crate::choose::Scope;
use crate::table::table;
use crate::{VERSION, code_of, is_broken_pipe, print};

pub(crate) fn main(scope: &Scope, verb: Network) -> anyhow::Result<ExitCode> {
    let mut client = scope.client()?;
    match verb {
        Network::Ls(on) => {
            let on = engine(&mut client, &on)?;
            let lines: Vec<NetworkLine> = client.get(&Request::Networks { on })?;
            if scope.json {
                print::json(&json!({ "version": VERSION, "networks": lines }))?;
            } else {
                let row = |line: &NetworkLine| {
                    [
                        line.id.chars().take(12).collect(),
                        line.name.clone(),
                        line.driver.clone(),
                        line.scope.clone(),
                    ]
                };
                let rows: Vec<_> = lines.iter().map(row).collect();
                print::text(table(["NETWORK ID", "NAME", "DRIVER", "SCOPE"], &rows))?;
            }
        }
        Network::Create(create) => {
            let on = engine(&mut client, &create.on)?;
            let id: String = client.get(&Request::CreateNetwork { on, request: request(*create)? })?;
            print::line(id)?;
        }
        Network::Inspect { on, verbose, networks } => {
            let on = engine(&mut client, &on)?;
            let mut all: Vec<Value> = Vec::new();
            let code = each(networks, |name| {
                let request = Request::InspectNetwork { on: on.clone(), name: name.to_owned(), verbose };
                all.extend(client.get::<Vec<Value>>(&request)?);
                Ok(())
            });
            print::json(&all)?;
            return code;
        }
        Network::Rm { on, networks } => {
            let on = engine(&mut client, &on)?;
            return each(networks, |name| {
                client.ask(&Request::RemoveNetwork { on: on.clone(), name: name.to_owned() })?;
                Ok(print::line(name)?)
            });
        }
        Network::Rotate { on, networks } => {
            let on = engine(&mut client, &on)?;
            return each(networks, |name| {
                let request = Request::RotateKeys { on: on.clone(), name: name.to_owned() };
                let key: u32 = client.get(&request)?;
                Ok(print::line(format_args!("{name}: key {key}"))?)
            });
        }
        Network::Connect { network, container, ip, ip6, alias, on } => {
            runs_on(&mut client, &container, &on)?;
            let connect = Connect { container, network, ip, ip6, mac: None, aliases: alias };
            client.ask(&Request::Connect(connect))?;
        }
        Network::Disconnect { network, container, on } => {
            runs_on(&mut client, &container, &on)?;
            client.ask(&Request::Disconnect { container, network })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does `f` with every name, as Docker does: one that fails does not keep the others from it.
pub(crate) fn each(
    names: Vec<String>,
    mut f: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for name in names {
        match f(&name) {
            Err(error) if is_broken_pipe(&error) => return Err(error),
            Err(error) => {
                print::error(&error);
                code = ExitCode::from(code_of(&error));
            }
            Ok(()) => {}
        }
    }
    Ok(code)
}

/// The host whose engine is asked: the one named, else the first that has one.
pub(crate) fn engine(client: &mut Client, on: &On) -> anyhow::Result<String> {
    if let Some(on) = &on.on {
        return Ok(on.clone());
    }
    let report: Report = client.get(&Request::Report)?;
    let first = report.hosts.into_iter().find(|host| host.role == "engine" && host.state == "up");
    match first {
        Some(host) => Ok(host.name),
        None => bail!(Error::new(Kind::NoSuch, "no engine runs in this lab")),
    }
}

/// That the container runs on the host that was named, if one was.
pub(crate) fn runs_on(client: &mut Client, container: &str, on: &Where) -> anyhow::Result<()> {
    let Some(on) = &on.on else { return Ok(()) };
    let report: Report = client.get(&Request::Report)?;
    match report.containers.iter().find(|known| known.name == container) {
        Some(known) if known.host != *on => {
            bail!(Error::new(
                Kind::NoSuch,
                format_args!("container {container} runs on {}, not on {on}", known.host)
            ))
        }
        _ => Ok(()),
    }
}

fn request(create: NetworkCreate) -> anyhow::Result<CreateNetwork> {
    if create.driver != "overlay" {
        // Docker's words for a driver that it does not have.
        bail!(Error::new(Kind::Refused, format_args!("plugin \"{}\" not found", create.driver)));
    }
    let map = |pairs: Vec<(String, String)>| pairs.into_iter().collect::<BTreeMap<_, _>>();
    let flags = PoolFlags {
        subnets: create.subnet,
        gateways: create.gateway,
        ranges: create.ip_range,
        aux: map(create.aux_address),
    };
    Ok(CreateNetwork {
        name: create.name,
        pools: flags.requests().map_err(|why| Error::new(Kind::Refused, why))?,
        ipv6: create.ipv6,
        internal: create.internal,
        attachable: create.attachable,
        options: map(create.opt),
        labels: map(create.label),
    })
}

//! `lab network`: Docker's verbs, with Docker's output.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use harness::control::{Client, Request};
use harness::lab::{Connect, NetworkLine, Report};
use harness::{Error, Kind};
use overlay::CreateNetwork;
use overlay::ipam::PoolFlags;
use serde_json::{Value, json};

use crate::args::pair;
use crate::choose::Scope;
use crate::table::table;
use crate::{VERSION, code_of, is_broken_pipe, print};

/// The host whose engine is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct On {
    /// The host whose engine is asked (default: the first that has one).
    #[arg(long, value_name = "HOST")]
    pub(crate) on: Option<String>,
}

/// The host that a container is on.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The host that it has to run on (default: any).
    #[arg(long, value_name = "HOST")]
    pub(crate) on: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// List networks.
    Ls(On),
    /// Create an overlay network; prints its id.
    Create(Box<NetworkCreate>),
    /// Show networks, as JSON.
    Inspect {
        #[command(flatten)]
        on: On,
        /// Names or ids.
        #[arg(required = true)]
        networks: Vec<String>,
    },
    /// Remove networks.
    Rm {
        #[command(flatten)]
        on: On,
        /// Names or ids.
        #[arg(required = true)]
        networks: Vec<String>,
    },
    /// Put a container on a network.
    Connect {
        /// The network.
        network: String,
        /// The container.
        container: String,
        /// Its address there.
        #[arg(long)]
        ip: Option<Ipv4Addr>,
        /// A further name there.
        #[arg(long)]
        alias: Vec<String>,
        #[command(flatten)]
        on: Where,
    },
    /// Take a container off a network.
    Disconnect {
        /// The network.
        network: String,
        /// The container.
        container: String,
        #[command(flatten)]
        on: Where,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkCreate {
    #[command(flatten)]
    pub(crate) on: On,
    /// What it is called.
    pub(crate) name: String,
    /// The driver; `overlay` is the only one.
    #[arg(long, short, default_value = "overlay")]
    pub(crate) driver: String,
    /// A subnet, in CIDR notation; as often as there are to be subnets.
    #[arg(long)]
    pub(crate) subnet: Vec<String>,
    /// The gateway of a subnet.
    #[arg(long)]
    pub(crate) gateway: Vec<String>,
    /// Give out addresses from this part of a subnet only.
    #[arg(long)]
    pub(crate) ip_range: Vec<String>,
    /// Addresses never given out: `name=address`.
    #[arg(long, value_name = "NAME=IP", value_parser = pair)]
    pub(crate) aux_address: Vec<(String, String)>,
    /// No way out of the network.
    #[arg(long)]
    pub(crate) internal: bool,
    /// Docker's flag of that name: stored and shown.
    #[arg(long)]
    pub(crate) attachable: bool,
    /// A driver option: `key=value`.
    #[arg(long, short, value_name = "K=V", value_parser = pair)]
    pub(crate) opt: Vec<(String, String)>,
    /// A label: `key=value`.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    pub(crate) label: Vec<(String, String)>,
}

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
        Network::Inspect { on, networks } => {
            let on = engine(&mut client, &on)?;
            let mut all: Vec<Value> = Vec::new();
            let code = each(networks, |name| {
                let request = Request::InspectNetwork { on: on.clone(), name: name.to_owned() };
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
        Network::Connect { network, container, ip, alias, on } => {
            runs_on(&mut client, &container, &on)?;
            client.ask(&Request::Connect(Connect { container, network, ip, aliases: alias }))?;
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
        internal: create.internal,
        attachable: create.attachable,
        options: map(create.opt),
        labels: map(create.label),
    })
}

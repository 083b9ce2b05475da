//! `lab container`: Docker's verbs, with Docker's output.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use harness::Error;
use harness::control::Request;
use harness::lab::{ContainerReport, Report, Run};
use overlay::dns::Resolv;
use overlay::model::Publish;
use serde_json::{Value, json};

use crate::args::pair;
use crate::choose::Scope;
use crate::network::{On, Where, each, engine, runs_on};
use crate::table::table;
use crate::{VERSION, print};

#[derive(Debug, Subcommand)]
pub(crate) enum Container {
    /// List containers.
    Ls {
        /// Only those on this host (default: all).
        #[arg(long, value_name = "HOST")]
        on: Option<String>,
    },
    /// Run a container; prints its id.
    Run(Box<ContainerRun>),
    /// Show containers, as JSON.
    Inspect {
        #[command(flatten)]
        on: Where,
        /// Names.
        #[arg(required = true)]
        containers: Vec<String>,
    },
    /// Call a container otherwise: it goes on, and others find it by its new name.
    Rename {
        #[command(flatten)]
        on: Where,
        /// Its name.
        container: String,
        /// What it is to be called.
        name: String,
    },
    /// Stop and remove containers.
    Rm {
        #[command(flatten)]
        on: Where,
        /// Names.
        #[arg(required = true)]
        containers: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ContainerRun {
    #[command(flatten)]
    pub(crate) on: On,
    /// What it is called (default: drawn).
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The networks it is put on, in that order.
    #[arg(long = "net", alias = "network", value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Its address on the first of them.
    #[arg(long)]
    pub(crate) ip: Option<Ipv4Addr>,
    /// A further name on the first of them.
    #[arg(long)]
    pub(crate) network_alias: Vec<String>,
    /// A port that its host gives away: `8080:80`, `127.0.0.1:8080:80/udp`, `80` for one that is drawn.
    #[arg(long, short, value_name = "PORT", value_parser = Publish::parse)]
    pub(crate) publish: Vec<Vec<Publish>>,
    /// A name server that is asked for names that no container has (default: the host's).
    #[arg(long)]
    pub(crate) dns: Vec<Ipv4Addr>,
    /// A domain in which names are looked for that are not found as they stand; `.` for none.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// An option of the C library's resolver: `ndots:1`.
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    pub(crate) dns_option: Vec<String>,
    /// A variable of its environment: `key=value`.
    #[arg(long, short, value_name = "K=V", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// What runs in it (default: nothing, a bare sandbox).
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

pub(crate) fn main(scope: &Scope, verb: Container) -> anyhow::Result<ExitCode> {
    let mut client = scope.client()?;
    match verb {
        Container::Ls { on } => {
            let report: Report = client.get(&Request::Report)?;
            if let Some(on) = &on {
                let known = report.hosts.iter().map(|host| host.name.as_str());
                if !known.clone().any(|host| host == on) {
                    bail!(Error::no_such("host", on, known));
                }
            }
            let there = |container: &&ContainerReport| on.as_ref().is_none_or(|on| container.host == *on);
            let containers: Vec<&ContainerReport> = report.containers.iter().filter(there).collect();
            if scope.json {
                print::json(&json!({ "version": VERSION, "containers": containers }))?;
            } else {
                let row = |container: &&ContainerReport| {
                    [
                        container.id.chars().take(12).collect(),
                        container.host.clone(),
                        container.command.join(" "),
                        container.state.clone(),
                        container.shown_ports(),
                        container.name.clone(),
                    ]
                };
                let rows: Vec<_> = containers.iter().map(row).collect();
                print::text(table(["CONTAINER ID", "HOST", "COMMAND", "STATUS", "PORTS", "NAMES"], &rows))?;
            }
        }
        Container::Run(run) => {
            let on = engine(&mut client, &run.on)?;
            let id: String = client.get(&Request::RunContainer(request(*run, on)))?;
            print::line(id)?;
        }
        Container::Inspect { on, containers } => {
            let mut all: Vec<Value> = Vec::new();
            let code = each(containers, |name| {
                runs_on(&mut client, name, &on)?;
                all.extend(client.get::<Vec<Value>>(&Request::InspectContainer { name: name.to_owned() })?);
                Ok(())
            });
            print::json(&all)?;
            return code;
        }
        Container::Rename { on, container, name } => {
            runs_on(&mut client, &container, &on)?;
            client.ask(&Request::RenameContainer { name: container, to: name })?;
        }
        Container::Rm { on, containers } => {
            return each(containers, |name| {
                runs_on(&mut client, name, &on)?;
                client.ask(&Request::RemoveContainer { name: name.to_owned() })?;
                Ok(print::line(name)?)
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn request(run: ContainerRun, on: String) -> Run {
    Run {
        name: run.name,
        on,
        networks: run.networks,
        ip: run.ip,
        aliases: run.network_alias,
        publish: run.publish.into_iter().flatten().collect(),
        dns: Resolv { servers: run.dns, search: run.dns_search, options: run.dns_option },
        command: run.command,
        env: run.env.into_iter().collect(),
    }
}

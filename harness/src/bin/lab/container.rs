//! `lab container`: Docker's verbs, with Docker's output.

use std::process::ExitCode;

use anyhow::bail;
use harness::Error;
use harness::control::Request;
use harness::lab::{ContainerReport, Report, Run};
use overlay::dns::Resolv;
use serde_json::{Value, json};

use crate::args::{Container, ContainerRun};
use crate::choose::Scope;
use crate::network::{each, engine, runs_on};
use crate::table::table;
use crate::{VERSION, print};

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
        mac: run.mac_address,
        ip6: run.ip6,
        aliases: run.network_alias,
        publish: run.publish.into_iter().flatten().collect(),
        dns: Resolv { servers: run.dns, search: run.dns_search, options: run.dns_option },
        command: run.command,
        env: run.env.into_iter().collect(),
    }
}

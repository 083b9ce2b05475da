//! `lab ls`, `lab ps`, and `lab` alone: what exists.

use std::process::ExitCode;

use harness::control::Request;
use harness::lab::{HostReport, Report};
use harness::state::{Found, Root};
use serde_json::json;

use crate::choose::Scope;
use crate::table::table;
use crate::{VERSION, print};

pub(crate) fn ls(scope: &Scope) -> anyhow::Result<ExitCode> {
    let labs = Root::open()?.labs()?;
    if scope.json {
        let labs: Vec<_> = labs
            .iter()
            .map(|(home, found)| match found {
                Found::Alive(state) => json!({
                    "name": home.name(), "state": if state.ready { "up" } else { "coming up" },
                    "file": state.file, "since": state.since, "pid": state.pid, "rootless": state.rootless,
                }),
                Found::Dead => json!({ "name": home.name(), "state": "gone" }),
            })
            .collect();
        print::json(&json!({ "version": VERSION, "labs": labs }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<[String; 5]> = labs
        .iter()
        .map(|(home, found)| match found {
            Found::Alive(state) => [
                home.name().to_owned(),
                if state.ready { "up" } else { "coming up" }.to_owned(),
                age(state.age()),
                state.pid.to_string(),
                state.file.display().to_string(),
            ],
            Found::Dead => [
                home.name().to_owned(),
                "gone".to_owned(),
                String::new(),
                String::new(),
                "`lab gc` removes it".to_owned(),
            ],
        })
        .collect();
    print::text(table(["LAB", "STATE", "AGE", "PID", "FILE"], &rows))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn ps(scope: &Scope) -> anyhow::Result<ExitCode> {
    let report: Report = scope.client()?.get(&Request::Report)?;
    if scope.json {
        print::json(&report)?;
    } else {
        show(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `lab` alone: what exists, and what to type next.
pub(crate) fn welcome(scope: &Scope) -> anyhow::Result<ExitCode> {
    let up = Root::open()?.labs()?.iter().filter(|(_, found)| matches!(found, Found::Alive(_))).count();
    if up == 0 {
        print::line(
            "no lab is up\n\n\
             \x20 lab up scenarios/two-host.toml   builds one\n\
             \x20 lab doctor                       says what this machine can do\n\
             \x20 lab --help                       lists the commands",
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    ls(scope)?;
    print::line(
        "\n\
         \x20 lab ps                 shows what a lab consists of\n\
         \x20 lab exec TARGET CMD…   runs a command on a host or in a container\n\
         \x20 lab down               takes it down",
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What runs on a host: `engine`, `dockerd0`, `etcd (exited (1))`.
fn runs(host: &HostReport) -> String {
    let processes = host.processes.iter().map(|process| match process.state.as_str() {
        "running" => process.name.clone(),
        state => format!("{} ({state})", process.name),
    });
    let role = Some(host.role.clone()).filter(|role| !role.is_empty());
    role.into_iter().chain(processes).collect::<Vec<_>>().join(", ")
}

/// A lab, as people want to see it.
pub(crate) fn show(report: &Report) -> anyhow::Result<()> {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let hosts: Vec<[String; 4]> = report
        .hosts
        .iter()
        .map(|host| [host.name.clone(), host.ip.clone(), host.state.clone(), or_dash(runs(host))])
        .collect();
    print::text(table(["HOST", "ADDRESS", "STATE", "RUNS"], &hosts))?;
    if !report.networks.is_empty() {
        let networks: Vec<[String; 4]> = report
            .networks
            .iter()
            .map(|network| {
                let internal = if network.internal { " (internal)" } else { "" };
                let id = network.id.chars().take(12).collect();
                [network.name.clone(), id, format!("{}{internal}", network.driver), network.shown_subnets()]
            })
            .collect();
        print::text(format_args!("\n{}", table(["NETWORK", "ID", "DRIVER", "SUBNET"], &networks)))?;
    }
    if let Some(why) = &report.networks_unknown {
        print::text(format_args!("\nnetworks are not known: {why}\n"))?;
    }
    if !report.containers.is_empty() {
        let containers: Vec<[String; 5]> = report
            .containers
            .iter()
            .map(|container| {
                let networks: Vec<String> = container
                    .networks
                    .iter()
                    .map(|on| format!("{} on {}", on.shown_addresses(), on.network))
                    .collect();
                [
                    container.name.clone(),
                    container.host.clone(),
                    container.state.clone(),
                    or_dash(networks.join(", ")),
                    or_dash(container.command.join(" ")),
                ]
            })
            .collect();
        print::text(format_args!(
            "\n{}",
            table(["CONTAINER", "HOST", "STATE", "ADDRESSES", "COMMAND"], &containers)
        ))?;
    }
    let publishing = report.containers.iter().filter(|container| !container.ports.is_empty());
    let ports: Vec<[String; 3]> = publishing
        .map(|container| [container.name.clone(), container.host.clone(), container.shown_ports()])
        .collect();
    if !ports.is_empty() {
        print::text(format_args!("\n{}", table(["CONTAINER", "HOST", "PORTS"], &ports)))?;
    }
    Ok(())
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

//! `lab fault nemesis`: faults that come and go by a seed.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use harness::control::Request;
use harness::fault::{self, Menace, Schedule};
use harness::topology::HostName;
use serde_json::Value;

use crate::args::duration;
use crate::choose::Scope;
use crate::print;

/// `lab fault nemesis …`.
#[derive(Debug, Args)]
pub(crate) struct Nemesis {
    /// For how long, in all. By then everything is healed.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    lasts: Duration,
    /// What may come: partition, wire, crash, pause, engine, kill, kv (default: all of it).
    #[arg(long, value_name = "FAULT,FAULT", value_delimiter = ',')]
    faults: Vec<Menace>,
    /// To whom (default: to all hosts but the store's).
    #[arg(long, value_name = "HOST,HOST", value_delimiter = ',')]
    hosts: Vec<HostName>,
    /// How long a fault is there, on average.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    strike: Duration,
    /// How long nothing is wrong between two, on average.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "500ms")]
    pause: Duration,
    /// Where the draw starts from (default: the lab's own seed).
    #[arg(long)]
    seed: Option<u64>,
    /// Only says what would come.
    #[arg(long)]
    dry_run: bool,
}

/// Says what will come, and returns when it is over; until then an interrupt ends it, and heals.
pub(crate) fn main(scope: &Scope, verb: Nemesis) -> anyhow::Result<ExitCode> {
    let Nemesis { lasts, faults, hosts, strike, pause, seed, dry_run } = verb;
    let nemesis = fault::Nemesis { lasts, faults, hosts, strike, pause };
    let mut client = scope.client()?;
    let schedule: Schedule = client.get(&Request::Schedule { nemesis, seed })?;
    if scope.json {
        print::json(&schedule)?;
    } else {
        print::line(&schedule)?;
    }
    if !dry_run {
        let _: Value = client.get(&Request::Endure { schedule })?;
    }
    Ok(ExitCode::SUCCESS)
}

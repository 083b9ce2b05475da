//! `lab fault` and `lab heal`: what goes wrong in a lab that is up, and its end.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use harness::control::Request;
use harness::fault::{Active, Fault as Wrong, FaultId, Partition, Process, parse_offset, parse_signal};
use harness::lab::{Taken, WireReport};
use harness::topology::{ContainerName, HostName};
use harness::{Error, Kind};
use serde_json::json;

use crate::ailment::Kv;
use crate::choose::Scope;
use crate::nemesis::{self, Nemesis};
use crate::table::table;
use crate::wire::{Only, Wire};
use crate::{VERSION, print};

/// `lab fault …`.
#[derive(Debug, Args)]
pub(crate) struct Fault {
    /// Give it a name to be healed by.
    #[arg(long = "as", value_name = "NAME", global = true)]
    name: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Cut hosts off from each other.
    #[command(subcommand)]
    Partition(Sides),
    /// Make a host's wire slow, lossy, narrow.
    Wire(Box<Wire>),
    /// Lose what matches in the switch, all of it.
    Drop(Drop),
    /// Take a host away as a power failure does; healed, it comes back with its containers.
    Crash {
        /// Which host.
        host: HostName,
    },
    /// Stop all that runs on a host.
    Pause {
        /// Which host.
        host: HostName,
    },
    /// Kill a host's engine.
    Engine {
        /// Which host.
        host: HostName,
    },
    /// Send a container's command a signal; healed, it is started again.
    Kill {
        /// Which container.
        container: ContainerName,
        /// The signal's name or number.
        #[arg(long, short, default_value = "KILL", value_parser = parse_signal)]
        signal: i32,
    },
    /// Set the monotonic and boot clocks of a host's new processes off.
    Clock {
        /// Which host.
        host: HostName,
        /// By how much: `5s`, `-1h`.
        #[arg(value_parser = parse_offset, allow_hyphen_values = true)]
        offset: i64,
    },
    /// Make the store slow, deaf, forgetful, while its host is well.
    Kv(Kv),
    /// Faults that come and go by a seed; returns when it is over.
    Nemesis(Nemesis),
    /// Bring a host back that is down.
    Restart {
        /// Which host.
        host: HostName,
    },
    /// Let a paused host go on.
    Resume {
        /// Which host.
        host: HostName,
    },
    /// List the faults that are there, and what they have taken.
    Ls,
}

#[derive(Debug, Subcommand)]
enum Sides {
    /// Into two halves.
    Halves,
    /// Into sides: `a,b c` is a and b, c, and all others.
    Groups {
        /// A side each, hosts with commas.
        #[arg(required = true, value_name = "HOST,HOST")]
        sides: Vec<String>,
    },
    /// One host from all others.
    Isolate {
        /// Which host.
        host: HostName,
    },
    /// So that each host hears only its neighbours in a ring.
    Ring,
    /// Into two halves that both hear one host.
    Bridge {
        /// Which host.
        host: HostName,
    },
    /// Two hosts from each other.
    Cut {
        /// One.
        one: HostName,
        /// The other.
        other: HostName,
    },
    /// One host from hearing another.
    OneWay {
        /// Who is not heard.
        from: HostName,
        /// Who does not hear.
        to: HostName,
    },
    /// Into two sides that are drawn.
    Random {
        /// Where the draw starts from.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

#[derive(Debug, Args)]
struct Drop {
    #[command(flatten)]
    only: Only,
    /// Only from this host.
    #[arg(long, value_name = "HOST")]
    from: Option<HostName>,
    /// Only to this host.
    #[arg(long, value_name = "HOST")]
    to: Option<HostName>,
    /// The other way round, too.
    #[arg(long)]
    both: bool,
}

/// `lab heal …`.
#[derive(Debug, Args)]
pub(crate) struct Heal {
    /// Numbers or names of faults (default: the only one there is).
    faults: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "faults")]
    all: bool,
}

/// The fault that words after `lab fault` mean, and the name that it is to have: for who types them elsewhere.
pub(crate) fn read(words: &str) -> Result<(Option<String>, Wrong), String> {
    let words = std::iter::once("lab fault").chain(words.split_whitespace());
    let Typed { verb } = Typed::try_parse_from(words).map_err(|why| why.render().to_string())?;
    let fault = value(verb.what).map_err(|why| why.to_string())?;
    Ok((verb.name, fault.ok_or("this is no fault: it lists, or heals, or takes its time")?))
}

/// A fault that is typed without a terminal.
#[derive(Debug, Parser)]
#[command(name = "lab fault", disable_help_flag = true)]
struct Typed {
    #[command(flatten)]
    verb: Fault,
}

/// What goes wrong, if it is a fault and nothing else.
fn value(what: What) -> anyhow::Result<Option<Wrong>> {
    Ok(Some(match what {
        What::Ls | What::Nemesis(_) | What::Restart { .. } | What::Resume { .. } => return Ok(None),
        What::Partition(sides) => Wrong::Partition(partition(sides)?),
        What::Wire(wire) => wire.fault(),
        What::Drop(drop) => lose(drop),
        What::Crash { host } => Wrong::Crash(host),
        What::Pause { host } => Wrong::Pause(host),
        What::Engine { host } => Wrong::Engine(host),
        What::Kill { container, signal } => Wrong::Kill(Process { container, signal }),
        What::Clock { host, offset } => Wrong::Clock { host, offset },
        What::Kv(kv) => Wrong::Kv(kv.fault()?),
    }))
}

pub(crate) fn fault(scope: &Scope, verb: Fault) -> anyhow::Result<ExitCode> {
    let fault = match verb.what {
        What::Ls => return ls(scope),
        What::Nemesis(nemesis) => return nemesis::main(scope, nemesis),
        What::Restart { host } => {
            return undo(scope, &host, |fault, host| *fault == Wrong::Crash(host.clone()));
        }
        What::Resume { host } => {
            return undo(scope, &host, |fault, host| *fault == Wrong::Pause(host.clone()));
        }
        what => match value(what)? {
            Some(fault) => fault,
            None => return Err(anyhow!("this is no fault")),
        },
    };
    let (said, is_event) = (fault.to_string(), fault.is_event());
    let id: FaultId = scope.client()?.get(&Request::Inject { name: verb.name.clone(), fault })?;
    if is_event {
        print::line(format_args!("fault {id}: {said}; there is nothing to heal"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = verb.name.unwrap_or_else(|| id.to_string());
    print::line(format_args!("fault {id}: {said}; heal it with: lab heal {name}"))?;
    Ok(ExitCode::SUCCESS)
}

fn partition(sides: Sides) -> anyhow::Result<Partition> {
    Ok(match sides {
        Sides::Halves => Partition::Halves,
        Sides::Ring => Partition::Ring,
        Sides::Isolate { host } => Partition::Isolate(host),
        Sides::Bridge { host } => Partition::Bridge(host),
        Sides::Cut { one, other } => Partition::Cut(one, other),
        Sides::OneWay { from, to } => Partition::OneWay { from, to },
        Sides::Random { seed } => Partition::Random { seed },
        Sides::Groups { sides } => {
            let side = |side: &String| side.split(',').map(str::parse).collect::<Result<Vec<HostName>, _>>();
            let sides: Result<Vec<_>, _> = sides.iter().map(side).collect();
            Partition::Groups(sides.map_err(|why| anyhow!(Error::new(Kind::Input, why)))?)
        }
    })
}

fn lose(drop: Drop) -> Wrong {
    Wrong::Drop { only: drop.only.filter(), from: drop.from, to: drop.to, both: drop.both }
}

/// What is listed: faults, what the switch has lost by them, and the wires that are not bare.
#[derive(serde::Deserialize)]
pub(crate) struct Listed {
    faults: Vec<Active>,
    taken: BTreeMap<FaultId, Taken>,
    wires: Vec<WireReport>,
}

fn ls(scope: &Scope) -> anyhow::Result<ExitCode> {
    let Listed { faults, taken, wires } = scope.client()?.get(&Request::Faults)?;
    if scope.json {
        print::json(&json!({ "version": VERSION, "faults": faults, "taken": taken, "wires": wires }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |active: &Active| {
        let taken = taken.get(&active.id).map(|taken| taken.frames.to_string());
        [
            active.id.to_string(),
            active.name.clone().unwrap_or_else(|| "-".to_owned()),
            taken.unwrap_or_else(|| "-".to_owned()),
            active.fault.to_string(),
        ]
    };
    let rows: Vec<_> = faults.iter().map(row).collect();
    print::text(table(["FAULT", "NAME", "FRAMES", "WHAT"], &rows))?;
    for (number, wire) in wires.iter().enumerate() {
        print::text(if number > 0 { "" } else { "\n" })?;
        print::line(wire)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Heals what was done to a host; without such a fault, a host that went down by itself is brought back.
fn undo(scope: &Scope, host: &HostName, is: impl Fn(&Wrong, &HostName) -> bool) -> anyhow::Result<ExitCode> {
    let mut client = scope.client()?;
    let Listed { faults, .. } = client.get(&Request::Faults)?;
    match faults.iter().find(|active| is(&active.fault, host)) {
        Some(active) => client.ask(&Request::Heal { fault: active.id.to_string() })?,
        None => client.ask(&Request::Restart { host: host.to_string() })?,
    };
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn heal(scope: &Scope, verb: &Heal) -> anyhow::Result<ExitCode> {
    let mut client = scope.client()?;
    if verb.all {
        let healed: usize = client.get(&Request::HealAll)?;
        print::line(format_args!("{healed} healed"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut chosen = verb.faults.clone();
    if chosen.is_empty() {
        let Listed { faults, .. } = client.get(&Request::Faults)?;
        match &faults[..] {
            [] => {
                print::line("nothing is wrong")?;
                return Ok(ExitCode::SUCCESS);
            }
            [one] => chosen.push(one.id.to_string()),
            _ => {
                let many = "there are several faults; name them, or say --all (`lab fault ls` lists them)";
                return Err(Error::new(Kind::Input, many).into());
            }
        }
    }
    for fault in chosen {
        client.ask(&Request::Heal { fault: fault.clone() })?;
        print::line(format_args!("fault {fault} is healed"))?;
    }
    Ok(ExitCode::SUCCESS)
}

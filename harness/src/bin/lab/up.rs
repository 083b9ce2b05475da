//! `lab up`: checks the file, starts the supervisor, waits until the lab is ready.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use harness::control::{Client, Ready, Request, Start};
use harness::lab::{Report, Timings};
use harness::state::{Claim, Home, Root, State};
use harness::topology::{self, Topology};
use harness::{Error, Kind};
use kernel::entry::{Inner, Life};
use nix::sys::signal::{SigSet, Signal};

use crate::choose::Scope;
use crate::{EXIT_FAULT, args, down, is_broken_pipe, ls, print, supervise};

pub(crate) fn main(scope: &Scope, args: &args::Up) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    if scope.lab.is_some() {
        bail!("--lab picks a lab that is up; --name says how a new one is called");
    }
    let Some((text, topology)) = read(&args.file)? else { return Ok(ExitCode::from(EXIT_FAULT)) };
    let name = args.name.clone().unwrap_or_else(|| topology.name.clone());
    let home = Root::open()?.lab(&name)?;
    if args.replace {
        down::end(&home, false)?;
    }
    let path = fs::canonicalize(&args.file).unwrap_or_else(|_| args.file.clone());
    let mut claim = match home.claim()? {
        Ok(claim) => claim,
        Err(state) => return already(scope, &home, &state, &topology, &path),
    };
    let start = Start { name, path, text, detach: !args.foreground };
    match build(&mut claim, &start, &topology.digest) {
        Ok((inner, report, timings)) => {
            if args.foreground {
                // From here on a signal asks for the end, see `wait_or_signal`; before, it is one.
                SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]).thread_block()?;
            }
            let shown = show(scope, &start.name, &report, args.timings.then_some((&timings, begun)));
            let code = if args.foreground { stay(claim, inner, &start.name, shown) } else { shown };
            code.map(|()| ExitCode::SUCCESS)
        }
        Err(error) => {
            // What its shepherd, if there was one, has left.
            claim.remove()?;
            Err(error)
        }
    }
}

/// The file's text and meaning; mistakes are shown.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<(String, Topology)>> {
    let text = fs::read_to_string(path).map_err(|e| {
        Error::new(Kind::Input, format_args!("cannot read {}: {}", path.display(), print::why(&e)))
    })?;
    match topology::parse(&path.display().to_string(), &text) {
        Ok(topology) => Ok(Some((text, topology))),
        Err(report) => {
            let coloured = std::io::stderr().is_terminal();
            print::note(if coloured { report.coloured() } else { report.plain() });
            Ok(None)
        }
    }
}

/// A lab of that name is up.
fn already(
    scope: &Scope,
    home: &Home,
    state: &State,
    topology: &Topology,
    path: &Path,
) -> anyhow::Result<ExitCode> {
    let name = home.name();
    if !state.ready {
        return Err(Error::new(Kind::Refused, format_args!("lab {name} is coming up already")).into());
    }
    if state.digest == topology.digest {
        if scope.json {
            print::json(&Client::connect(home)?.get::<Report>(&Request::Report)?)?;
        } else {
            print::line(format_args!("lab {name} is up already; nothing to do"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let from = if state.file == path {
        format!("another version of {}", path.display())
    } else {
        state.file.display().to_string()
    };
    let differs = difference(home, topology).unwrap_or_else(|_| "the file differs".to_owned());
    let what = format_args!(
        "lab {name} is up, built from {from}: {differs}; `lab down {name}` first, or `lab up --replace`"
    );
    Err(Error::new(Kind::Refused, what).into())
}

/// What is in the file and not in the lab, and the other way round, in a few words.
fn difference(home: &Home, topology: &Topology) -> anyhow::Result<String> {
    let report: Report = Client::connect(home)?.get(&Request::Report)?;
    let mut said = Vec::new();
    let mut compare = |what: &str, have: Vec<String>, want: Vec<String>| {
        said.extend(
            want.iter().filter(|item| !have.contains(item)).map(|item| format!("{what} {item} is new")),
        );
        said.extend(
            have.iter().filter(|item| !want.contains(item)).map(|item| format!("{what} {item} is not in it")),
        );
    };
    let host = |name: &str, ip: &str| format!("{name} ({ip})");
    compare(
        "host",
        report.hosts.iter().map(|h| host(&h.name, &h.ip)).collect(),
        topology.hosts.iter().map(|h| host(h.name.as_str(), &h.ip.to_string())).collect(),
    );
    compare(
        "network",
        report.networks.iter().map(|n| n.name.clone()).collect(),
        topology.networks.iter().map(|n| n.name.to_string()).collect(),
    );
    let container = |name: &str, on: &str| format!("{name} on {on}");
    compare(
        "container",
        report.containers.iter().map(|c| container(&c.name, &c.host)).collect(),
        topology.containers.iter().map(|c| container(c.name.as_str(), c.on.as_str())).collect(),
    );
    Ok(if said.is_empty() { "settings or steps differ".to_owned() } else { said.join(", ") })
}

/// Starts the supervisor; returns when the lab is ready.
fn build(claim: &mut Claim, start: &Start, digest: &str) -> anyhow::Result<(Inner, Box<Report>, Timings)> {
    let home = claim.home().clone();
    let mut state = State::new(&start.name, &start.path, digest);
    claim.write(&state)?;
    let listener = home.listen()?;
    let log = File::create(home.log()).with_context(|| format!("cannot write {}", home.log().display()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(supervise::WORD).stdout(Stdio::null()).stderr(log).current_dir("/");
    // In the foreground it is not detached, and ends with us; in a session of its own it does not hear ^C, which is for us.
    let inner = Inner::spawn(command, Life::Detachable, Some(&home.remains()))?;
    state.pid = inner.pid();
    claim.write(&state)?;
    let told = inner.send(&serde_json::to_string(start)?, &[listener.as_fd(), claim.file().as_fd()]);
    drop(listener);

    let mut recorded = Ok(());
    let (inner, ready) = ready(inner, start.detach, |rootless| {
        // Before the lab is let go, so that none is up that says it is still coming up.
        (state.ready, state.rootless) = (true, rootless);
        recorded = claim.write(&state);
    });
    recorded?;
    let why = match (ready, inner) {
        (Some(Ok(Ready::Up { report, timings, .. })), Ok(inner)) => return Ok((inner, report, timings)),
        (Some(Ok(Ready::Failed(error))), inner) => {
            // In the foreground it waits to be ended.
            let _ = inner.and_then(Inner::end);
            return Err(error.into());
        }
        (Some(Err(complaint)), _) => {
            let advice = format_args!("{complaint}; `lab doctor` says what to change");
            return Err(Error::new(Kind::Machine, advice).into());
        }
        // One that could not be entered is not there to be told, and has said why.
        (_, ended) => {
            told?;
            ended.map_or_else(|e| e.to_string(), |_| "it said nothing".to_owned())
        }
    };
    let log = fs::read_to_string(home.log()).unwrap_or_default();
    Err(anyhow!("lab {} did not come up: {why}\n{}", start.name, log.trim()))
}

/// Waits until the lab is up, and can do without us if it is to; what it said, or why it could not be entered. `up` is
/// told first, and whether the lab is rootless.
fn ready(
    inner: Inner,
    detach: bool,
    mut up: impl FnMut(bool),
) -> (io::Result<Inner>, Option<Result<Ready, String>>) {
    let mut said = None;
    let mut hear = |line: &str| {
        said = match line.strip_prefix("error ") {
            Some(complaint) => Some(Err(complaint.to_owned())),
            None => serde_json::from_str(line).ok().map(Ok),
        };
        if let Some(Ok(Ready::Up { rootless, .. })) = &said {
            up(*rootless);
        }
    };
    let inner = if detach {
        inner.wait_detached(hear)
    } else {
        let mut line = String::new();
        let read = BufReader::new(inner.line()).read_line(&mut line);
        hear(line.trim_end());
        read.map(|_| inner)
    };
    (inner, said)
}

/// What was built.
fn show(
    scope: &Scope,
    name: &str,
    report: &Report,
    timings: Option<(&Timings, Instant)>,
) -> anyhow::Result<()> {
    if scope.json {
        print::json(report)?;
    } else {
        ls::show(report)?;
        print::line(format_args!("\nlab {name} is up"))?;
    }
    if let Some((timings, begun)) = timings {
        let table = table(timings, begun);
        if scope.json { print::note(table) } else { print::line(table)? }
    }
    Ok(())
}

/// Keeps the lab until a signal asks for its end, or it ends by itself.
fn stay(claim: Claim, mut inner: Inner, name: &str, shown: anyhow::Result<()>) -> anyhow::Result<()> {
    match shown {
        // Whoever read our output has seen enough; the lab is wanted nevertheless.
        Err(error) if !is_broken_pipe(&error) => return Err(error),
        _ => {}
    }
    print::note(format_args!("lab {name} is up; ^C takes it down"));
    inner.wait_or_signal()?;
    inner.end()?;
    claim.remove()?;
    print::note(format_args!("lab {name} is down"));
    Ok(())
}

fn table(timings: &Timings, begun: Instant) -> String {
    let line = |part: &str, took: Duration, of: &str| {
        format!("{part:>12} {:8.2} ms{of}\n", took.as_secs_f64() * 1000.0)
    };
    let parts: String = timings.0.iter().map(|(part, took)| line(part, *took, "")).collect();
    parts + line("all", begun.elapsed(), ", command to prompt").trim_end()
}

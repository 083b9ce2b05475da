//! `lab up`: checks the file, starts the supervisor, waits until the lab is ready.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, anyhow};
use harness::control::{Client, Ready, Request, Start};
use harness::lab::{Report, Timings};
use harness::state::{Claim, Home, Root, State};
use harness::topology::{self, Topology};
use harness::{Error, Kind};
use kernel::entry::{Inner, Life};

use crate::{EXIT_FAULT, args, down, ls, print};

pub(crate) fn main(args: &args::Up) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let Some((text, topology)) = read(&args.file)? else { return Ok(ExitCode::from(EXIT_FAULT)) };
    let name = args.name.clone().unwrap_or_else(|| topology.name.clone());
    // A lab's name becomes a directory's.
    let _: topology::NetworkName = name.parse().map_err(|e| anyhow!("a lab cannot be called that: {e}"))?;
    let home = Root::open()?.lab(&name);
    if args.replace {
        down::end(&home, false)?;
    }
    let claim = match home.claim()? {
        Ok(claim) => claim,
        Err(state) => return already(&home, &state, &topology, args),
    };
    let path = fs::canonicalize(&args.file).unwrap_or_else(|_| args.file.clone());
    start(claim, &Start { name, path, text }, &topology.digest, args, begun)
}

/// The file's text and meaning; mistakes are shown.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<(String, Topology)>> {
    let text = fs::read_to_string(path)
        .map_err(|e| Error::new(Kind::Input, format_args!("cannot read {}: {e}", path.display())))?;
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
fn already(home: &Home, state: &State, topology: &Topology, args: &args::Up) -> anyhow::Result<ExitCode> {
    let name = home.name();
    if !state.ready {
        return Err(Error::new(Kind::Refused, format_args!("lab {name} is coming up already")).into());
    }
    if state.digest == topology.digest {
        print::line(format_args!("lab {name} is up already; nothing to do"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let differs = difference(home, topology).unwrap_or_else(|_| "the file differs".to_owned());
    let file = args.file.display();
    let what = format_args!(
        "lab {name} is up, built from another version of {file}: {differs}; \
         `lab down {name}` first, or `lab up --replace {file}`"
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

fn start(
    mut claim: Claim,
    start: &Start,
    digest: &str,
    args: &args::Up,
    begun: Instant,
) -> anyhow::Result<ExitCode> {
    let home = claim.home().clone();
    let mut state = State::new(&start.name, &start.path, digest);
    claim.write(&state)?;
    let listener = UnixListener::bind(home.socket())
        .with_context(|| format!("cannot listen on {}", home.socket().display()))?;
    let log = File::create(home.log()).with_context(|| format!("cannot write {}", home.log().display()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("__supervise").stdout(Stdio::null()).stderr(log).current_dir("/");
    let life = if args.foreground { Life::Attached } else { Life::Detachable };
    let inner = Inner::spawn(command, life, Some(&home.state()))?;
    state.pid = inner.pid();
    claim.write(&state)?;
    inner.send(&serde_json::to_string(start)?, &[listener.as_fd(), claim.file().as_fd()])?;
    drop(listener);

    let mut ready = None;
    let mut complaint = None;
    let mut recorded = Ok(());
    let outcome = inner.wait_detached(|line| {
        if let Some(error) = line.strip_prefix("error ") {
            complaint = Some(error.to_owned());
            return;
        }
        ready = serde_json::from_str::<Ready>(line).ok();
        if let Some(Ready::Up { rootless, .. }) = &ready {
            // Before the lab is let go, so that none is up that says it is still coming up.
            (state.ready, state.rootless) = (true, *rootless);
            recorded = claim.write(&state);
        }
    });
    recorded?;
    let (report, timings) = match (ready, complaint) {
        (Some(Ready::Up { report, timings, .. }), _) => (report, timings),
        (Some(Ready::Failed(error)), _) => return Err(error.into()),
        (None, Some(complaint)) => return Err(Error::new(Kind::Machine, complaint).into()),
        (None, None) => {
            let log = fs::read_to_string(home.log()).unwrap_or_default();
            let why = outcome.map_or_else(|e| e.to_string(), |_| "it said nothing".to_owned());
            return Err(anyhow!("lab {} did not come up: {why}\n{}", start.name, log.trim()));
        }
    };
    let inner = outcome?;
    ls::show(&report)?;
    if args.timings {
        print::text(show(&timings, begun))?;
    }
    if args.foreground {
        print::note(format_args!("lab {} is up; ^C takes it down", start.name));
        wait_for_end(inner)?;
        print::note(format_args!("lab {} is down", start.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// Until a signal asks for the end, or the lab ends by itself.
fn wait_for_end(mut inner: Inner) -> anyhow::Result<()> {
    inner.wait_or_signal()?;
    inner.end()?;
    Ok(())
}

fn show(timings: &Timings, begun: Instant) -> String {
    let mut text = String::new();
    for (part, took) in &timings.0 {
        let _ = writeln!(text, "{part:>12} {:8.2} ms", took.as_secs_f64() * 1000.0);
    }
    let all = begun.elapsed().as_secs_f64() * 1000.0;
    let _ = writeln!(text, "{:>12} {all:8.2} ms, command to prompt", "all");
    text
}

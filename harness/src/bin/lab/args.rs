//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// What the codes mean, for people; `main` has the numbers.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    it did not hold, nobody answered, or it was refused
  2    the file, the command line or the machine is at fault
  125  lab exec: the command could not be started there (no such target, its host is down)
  126  lab exec: the command is not executable
  127  lab exec: there is no such command
  Any other code of lab exec is the command's own; 128 and a signal's number if that ended it.";

/// Complete multi-host container networks on one Linux machine: hosts, overlays, a store, up in milliseconds.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    after_help = EXIT_CODES
)]
pub(crate) struct Args {
    /// Which lab (default: the only one that is up).
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) lab: Option<String>,
    /// Print JSON where something is listed.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build a lab, wait until its containers can reach each other, and leave it running.
    Up(Up),
    /// Play scenarios, each in a lab of its own.
    Run(crate::run::Run),
    /// Play a scenario, or run a test, many times from different seeds, and say which seeds fail.
    Repeat(crate::repeat::Repeat),
    /// Check scenario files without building anything.
    Validate(crate::validate::Validate),
    /// Print the JSON schema of scenario files.
    Schema,
    /// Take labs down.
    Down(Down),
    /// List labs.
    Ls,
    /// List the hosts, networks, containers and processes of a lab.
    Ps,
    /// Run a command on a host or in a container.
    Exec(Exec),
    /// Start an interactive shell on a host or in a container.
    Shell(Shell),
    /// Send echo requests between hosts, containers and addresses.
    Ping(Ping),
    /// Show what the kernel holds: links, addresses, routes, neighbours, fdb, rules.
    Inspect(Inspect),
    /// Say where store and kernels do not agree, and what that does harm to.
    Check(crate::check::Check),
    /// Docker's network commands, on a host of the lab.
    #[command(subcommand)]
    Network(crate::network::Network),
    /// Docker's container commands, on a host of the lab.
    #[command(subcommand)]
    Container(crate::container::Container),
    /// Make something go wrong: partitions, lost packets, crashes, pauses.
    Fault(crate::fault::Fault),
    /// Put right what went wrong.
    Heal(crate::fault::Heal),
    /// Look into the store, and change it.
    #[command(subcommand)]
    Kv(crate::kv::Kv),
    /// Show what the processes in containers have printed.
    Logs(Logs),
    /// Show what happened in a lab.
    Events(Events),
    /// Say what this machine can do, and what to change.
    Doctor,
    /// Remove what is left of labs that were killed.
    Gc,
    /// Print a script that completes `lab` in a shell.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man {
        /// Write it and a page a command into this directory.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// The scenario file; its steps are not played (see `lab run`).
    pub(crate) file: PathBuf,
    /// Call the lab so, and not as the file says.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Stay, and take the lab down on ^C.
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Take a lab of that name down first.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Say where the time went.
    #[arg(long)]
    pub(crate) timings: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Down {
    /// Which labs (default: the only one that is up).
    pub(crate) names: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Return when the kernel has freed them, too.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The command is one of this machine, run there with the caller's terminal, environment and files. \
                  Its exit code is lab's.\n\nExamples:\n  \
                  lab exec docker0 ip netns ls\n  \
                  lab exec C0 -- sh -c 'ip route; ip neigh'"
)]
pub(crate) struct Exec {
    /// For Docker's habits; the command has the caller's standard input anyway.
    #[arg(short, long, hide = true)]
    pub(crate) interactive: bool,
    /// The command has the terminal to itself, as a shell wants it; so it is anyway if it is typed alone.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// A host or container: `docker0`, `C0`; `host:X` or `container:X` where both exist.
    pub(crate) target: String,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Shell {
    /// A host or container.
    pub(crate) target: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ping {
    /// A host or container.
    pub(crate) from: String,
    /// An address, a host, a container, a container on a network: `C0@demonet`; or a DNS name: `example.com`, `dns:C0`.
    pub(crate) to: String,
    /// How many requests.
    #[arg(long, short = 'c', default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// The time between two requests: `1s`, `50ms`.
    #[arg(long, short = 'i', default_value = "200ms", value_parser = duration)]
    pub(crate) interval: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// A host or container (default: everything).
    pub(crate) target: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// A container (default: all).
    pub(crate) target: Option<String>,
    /// Go on with what comes.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Go on with what comes.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    harness::topology::parse_duration(text)
}

/// `key=value`; a key alone has an empty value, as for Docker.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((key.to_owned(), value.to_owned()))
}

//! What can be typed.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use overlay::model::{Mac, Publish};

/// What the codes mean, for people; `main` has the numbers.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    it did not hold, nobody answered, or it was refused; lab diff: something differs
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
    /// Measure what the layers of a lab cost: a table, a chart, JSON.
    Bench(crate::bench::Bench),
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
    /// Capture packets at any interfaces of a lab: into a file for Wireshark, or a line each.
    Capture(crate::capture::Capture),
    /// Send one packet, and show where it goes; if no answer comes, where and why it was lost.
    Trace(crate::trace::Trace),
    /// Show what the kernel holds: links, addresses, routes, neighbours, fdb, settings, rules.
    Inspect(Inspect),
    /// Compare what kernels held with what they hold: what was added, what is gone, what is otherwise.
    Diff(crate::diff::Diff),
    /// Draw the lab: its hosts, namespaces, interfaces, and what joins them.
    Graph(crate::graph::Show),
    /// Say where store and kernels do not agree, and what that does harm to.
    Check(crate::check::Check),
    /// Docker's network commands, on a host of the lab.
    #[command(subcommand)]
    Network(Network),
    /// Docker's container commands, on a host of the lab.
    #[command(subcommand)]
    Container(Container),
    /// Make something go wrong: partitions, lost packets, crashes, pauses.
    Fault(crate::fault::Fault),
    /// Put right what went wrong.
    Heal(crate::fault::Heal),
    /// Look into the store, and change it.
    #[command(subcommand)]
    Kv(Kv),
    /// Open the lab's page at this machine's loopback, until ^C or the lab's end; prints its address.
    Ui(crate::ui::Ui),
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
    /// An address, a host, a container, a container on a network: `C0@demonet`; or a DNS name: `example.com`, `dns:C0`; `ipv6:C0` for its IPv6 address.
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
#[command(
    after_help = "Of networks (create, connect, disconnect, destroy) and containers (create, start, die, destroy) it is in the \
                  words of `docker events`; with --json each such line has Docker's Type, Action and Actor, too. Of what kernels tell, \
                  it is in the words of `lab diff`. One clock stamps all of it."
)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Events {
    /// Go on with what comes.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// And what the store was asked.
    #[arg(long)]
    pub(crate) kv: bool,
    /// And what engines did of their own accord.
    #[arg(long)]
    pub(crate) engine: bool,
    /// And what kernels told, of all namespaces: links, addresses, routes, neighbours, fdb, misses. With -f they are listened to meanwhile; else
    /// what they told is known if the lab records it: `record = { netlink = true }`.
    #[arg(long)]
    pub(crate) net: bool,
    /// All of these.
    #[arg(long)]
    pub(crate) all: bool,
}

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
        /// With their peers: the other hosts that have containers on them, as this one sees them, and what they have there.
        #[arg(long, short)]
        verbose: bool,
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
    /// Give encrypted networks a new key each, without a packet lost; returns when the old ones are gone.
    Rotate {
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
        /// Its IPv6 address there.
        #[arg(long)]
        ip6: Option<Ipv6Addr>,
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
    /// A subnet of IPv4 or IPv6, in CIDR notation; as often as there are to be subnets.
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
    /// Give out IPv6 addresses, too; of an IPv6 subnet, since there is none by default.
    #[arg(long)]
    pub(crate) ipv6: bool,
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
    /// For Docker's habits; a container runs by itself anyway.
    #[arg(short, long, hide = true)]
    pub(crate) detach: bool,
    /// What it is called (default: drawn).
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The networks it is put on, in that order.
    #[arg(long = "net", alias = "network", value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Its address on the first of them.
    #[arg(long)]
    pub(crate) ip: Option<Ipv4Addr>,
    /// Its MAC on the first of them (default: the one that is made of its address).
    #[arg(long, value_name = "MAC", value_parser = mac)]
    pub(crate) mac_address: Option<Mac>,
    /// Its IPv6 address on the first of them.
    #[arg(long)]
    pub(crate) ip6: Option<Ipv6Addr>,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Kv {
    /// Print the value of a key.
    Get {
        /// The key.
        key: String,
    },
    /// List the keys that begin so.
    Ls {
        /// Their beginning (default: all).
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Write a key.
    Put {
        /// The key.
        key: String,
        /// Its value.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a key.
    Rm {
        /// The key.
        key: String,
        /// And all that begin so.
        #[arg(long, short)]
        recurse: bool,
    },
    /// Print every change of the keys that begin so, until ^C.
    Watch {
        /// Their beginning (default: all).
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Show what the store was asked, by whom, and what it answered; the latest three thousand requests or so.
    Trace(crate::kv::trace::Trace),
    /// Show the keys as a tree.
    Tree {
        /// Their beginning (default: all).
        #[arg(default_value = "")]
        prefix: String,
    },
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    harness::topology::parse_duration(text)
}

/// In Docker's words, if it is none.
fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|_| format!("{text} is not a valid mac address"))
}

/// `key=value`; a key alone has an empty value, as for Docker.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((key.to_owned(), value.to_owned()))
}

//! `lab`: complete multi-host networks on one machine, from the command line.
//!
//! A command is a short-lived client; a lab that is up is a supervisor in namespaces of its own, spoken to over a
//! socket. `args` says what can be typed; each verb has a file; `choose` finds the lab that is meant.

mod ailment;
mod args;
mod bench;
mod capture;
mod check;
mod choose;
mod container;
mod diff;
mod doctor;
mod down;
mod exec;
mod fault;
mod gc;
mod graph;
mod inspect;
mod keep;
mod kv;
mod logs;
mod ls;
mod manual;
mod nemesis;
mod network;
mod ping;
mod print;
mod repeat;
mod run;
mod schema;
mod shard;
mod supervise;
mod table;
mod trace;
mod ui;
mod up;
mod validate;
mod wire;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use harness::Kind;

use args::{Args, Verb};

/// It did not hold: an expectation failed, nobody answered, the engine or the store refused.
const EXIT_FAILED: u8 = 1;
/// The file, the command line or the machine is at fault. What clap uses too.
const EXIT_FAULT: u8 = 2;

/// `lab exec` itself failed: Docker's code for its own failures, as all others may be the command's.
const EXIT_EXEC: u8 = 125;
/// The version of what `--json` prints.
const VERSION: u32 = 1;

fn main() -> ExitCode {
    if let Some(part) = inner() {
        return part().unwrap_or_else(|error| {
            print::error(&error);
            ExitCode::from(EXIT_FAULT)
        });
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and the version come this way, too; where they cannot be printed there is nobody to tell.
            let _ = error.print();
            let code = u8::try_from(error.exit_code()).unwrap_or(EXIT_FAULT);
            return ExitCode::from(if code != 0 && was_exec() { EXIT_EXEC } else { code });
        }
    };
    let exec = matches!(args.verb, Some(Verb::Exec(_) | Verb::Shell(_)));
    match run(args) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&error);
            ExitCode::from(if exec { EXIT_EXEC } else { code_of(&error) })
        }
    }
}

/// What this process is for, if `lab` itself has started it inside a lab's namespaces. Nothing that can be typed.
fn inner() -> Option<fn() -> anyhow::Result<ExitCode>> {
    if !kernel::entry::inside() {
        return None;
    }
    match std::env::args().nth(1)?.as_str() {
        supervise::WORD => Some(supervise::main),
        doctor::WORD => Some(doctor::probe),
        run::WORD => Some(run::inside),
        bench::WORD => Some(bench::inside),
        _ => None,
    }
}

/// Whether a command line that made no sense was one of `lab exec` or `lab shell`.
fn was_exec() -> bool {
    let matches = Args::command().ignore_errors(true).try_get_matches();
    matches.is_ok_and(|matches| matches!(matches.subcommand_name(), Some("exec" | "shell")))
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { lab, json, verb } = args;
    let scope = choose::Scope { lab, json };
    let Some(verb) = verb else { return ls::welcome(&scope) };
    match verb {
        Verb::Up(verb) => up::main(&scope, &verb),
        Verb::Run(verb) => run::main(scope.json, &verb),
        Verb::Bench(verb) => bench::main(scope.json, &verb),
        Verb::Repeat(verb) => repeat::main(scope.json, &verb),
        Verb::Validate(verb) => validate::main(scope.json, &verb),
        Verb::Schema => schema::main(),
        Verb::Down(verb) => down::main(&scope, &verb),
        Verb::Ls => ls::ls(&scope),
        Verb::Ps => ls::ps(&scope),
        Verb::Exec(verb) => exec::exec(&scope, &verb),
        Verb::Shell(verb) => exec::shell(&scope, &verb),
        Verb::Ping(verb) => ping::main(&scope, &verb),
        Verb::Capture(verb) => capture::main(&scope, verb),
        Verb::Trace(verb) => trace::main(&scope, verb),
        Verb::Inspect(verb) => inspect::main(&scope, &verb),
        Verb::Diff(verb) => diff::main(&scope, &verb),
        Verb::Graph(verb) => graph::main(&scope, &verb),
        Verb::Check(verb) => check::main(&scope, &verb),
        Verb::Network(verb) => network::main(&scope, verb),
        Verb::Container(verb) => container::main(&scope, verb),
        Verb::Fault(verb) => fault::fault(&scope, verb),
        Verb::Heal(verb) => fault::heal(&scope, &verb),
        Verb::Kv(verb) => kv::main(&scope, verb),
        Verb::Ui(verb) => ui::main(&scope, &verb),
        Verb::Logs(verb) => logs::logs(&scope, &verb),
        Verb::Events(verb) => logs::events(&scope, &verb),
        Verb::Doctor => doctor::main(&scope),
        Verb::Gc => gc::main(),
        Verb::Completions { shell } => manual::completions(shell),
        Verb::Man { to } => manual::main(to.as_deref()),
    }
}

/// The table of exit codes is in the README.
fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<harness::Error>().map(harness::Error::kind) {
        Some(Kind::Refused | Kind::Down | Kind::Gone | Kind::Unmet) => EXIT_FAILED,
        _ => EXIT_FAULT,
    }
}

/// Whoever read our output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

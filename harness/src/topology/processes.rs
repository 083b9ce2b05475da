//! Long-running processes: where they run, and the facts that they are ready by.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Checker, taken};
use super::containers::{check_command, check_env};
use super::file::{At, ProcessTable, ReadyTable};
use super::model::Process;
use super::name::ProcessName;
use super::report::{Mistake, quote};
use crate::handle::Ready;

/// How long a process may take to be ready, unless said: as in [`Command`](crate::Command).
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the processes of a file. Their names are not those of containers: what either prints is asked for by name.
pub(super) fn check_processes(checker: &mut Checker, tables: &[At<ProcessTable>]) -> Vec<Process> {
    let mut all: Vec<At<Process>> = Vec::new();
    for table in tables {
        let process = check_process(checker, table);
        let Some(process) = process else { continue };
        let container = checker.containers.iter().find(|container| container.name == *process.name.as_str());
        if let Some(first) = all.iter().find(|other| other.name == process.name) {
            checker.mistake(taken("processes", &table.name, &first.span));
        } else if let Some(container) = container {
            let title = format!("{} is a container already", quote(&table.name));
            let mistake = Mistake::new(title, &table.name.span, "the name of a process");
            checker.mistake(mistake.beside(&container.span.clone(), "the container"));
        } else {
            all.push(table.name.with(process));
        }
    }
    all.into_iter().map(|process| process.value).collect()
}

fn check_process(checker: &mut Checker, table: &ProcessTable) -> Option<Process> {
    let name: Option<ProcessName> = checker.name(&table.name);
    let on = checker.host(&table.on);
    let command = check_command(checker, &table.command);
    let env = table.env.iter().map(|(key, value)| (key.clone(), check_env(checker, key, value))).collect();
    let ready = table.ready.as_ref().and_then(|ready| check_ready(checker, ready));
    let within = checker.duration_or(table.within.as_ref(), PATIENCE);
    Some(Process { name: name?, on: on?.name, command, env, ready, within })
}

fn check_ready(checker: &mut Checker, ready: &At<ReadyTable>) -> Option<Ready> {
    let why = match &ready.value {
        ReadyTable::Port(0) => "nobody listens on port 0",
        ReadyTable::Port(port) => return Some(Ready::Port(*port)),
        ReadyTable::File(path) if !path.starts_with('/') => "not an absolute path",
        ReadyTable::File(path) => return Some(Ready::File(PathBuf::from(path))),
        ReadyTable::Line(text) if text.is_empty() => "every line has that in it",
        ReadyTable::Line(text) => return Some(Ready::Line(text.clone())),
        ReadyTable::Notify(false) => "leave it out if nothing is waited for",
        ReadyTable::Notify(true) => return Some(Ready::Notify),
    };
    checker.mistake(Mistake::new("this is no fact to be ready by", &ready.span, why));
    None
}

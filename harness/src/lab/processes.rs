//! What runs on hosts for as long as they are up, as the topology has it.

use std::sync::{Arc, PoisonError};

use super::Lab;
use crate::error::{Error, Kind, Result};
use crate::process::{Process, State};
use crate::topology;

/// A process of the topology that was started.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) spec: topology::Process,
    pub(super) process: Arc<Process>,
}

impl Lab {
    /// Starts the processes of a host, or of all, one after the other: each when the one before is ready. What was started of
    /// them in an earlier life of the host is over.
    pub(super) async fn start_processes(&self, on: Option<&str>) -> Result<()> {
        for spec in self.topology().processes.iter().filter(|spec| on.is_none_or(|on| spec.on == *on)) {
            let process = self.start_process(spec).await?;
            let mut started = self.started();
            started.retain(|other| other.spec.name != spec.name);
            started.push(Started { spec: spec.clone(), process });
        }
        Ok(())
    }

    async fn start_process(&self, spec: &topology::Process) -> Result<Arc<Process>> {
        let [program, arguments @ ..] = &spec.command[..] else {
            return Err(Error::new(Kind::Input, format_args!("process {} needs a program", spec.name)));
        };
        let mut command = self.host(spec.on.as_str())?.command(program).args(arguments).within(spec.within);
        for (name, value) in &spec.env {
            command = command.env(name, value);
        }
        if let Some(ready) = &spec.ready {
            command = command.ready(ready.clone());
        }
        let process = command.spawn().await?.into_started();
        let (events, host) = (self.events().clone(), Arc::clone(self.known_host(spec.on.as_str())?));
        let place = format!("{} on {}", spec.name, spec.on);
        events.say("process", format_args!("{place} is ready"));
        let (life, ended) = (host.alive()?, process.ended());
        let life = Arc::downgrade(&life);
        tokio::spawn(async move {
            let status = ended.await;
            // What ends with its host, or with the lab, is nothing to speak of.
            if life.upgrade().is_some_and(|life| host.lives(&life)) {
                events.say("process", format_args!("{place} has ended with status {status}"));
            }
        });
        Ok(process)
    }

    /// Those that were started, in that order.
    pub(super) fn started(&self) -> std::sync::MutexGuard<'_, Vec<Started>> {
        self.0.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Started {
    /// `running` or `exited (1)`.
    pub(super) fn state(&self) -> String {
        match self.process.state() {
            State::Running => "running".to_owned(),
            State::Exited(code) => format!("exited ({code})"),
        }
    }
}

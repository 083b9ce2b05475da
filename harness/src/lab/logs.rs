//! What was printed in a lab, by whom.

use super::Lab;
use crate::error::{Error, Result};
use crate::process::Log;

impl Lab {
    /// What the commands of containers and the processes of hosts print, each with its name.
    pub(crate) async fn logs(&self) -> Vec<(String, Log)> {
        let mut all = Vec::new();
        for container in self.containers() {
            if let Some(process) = container.process().await {
                all.push((container.name().to_owned(), process.log.clone()));
            }
        }
        all.extend(
            self.started().iter().map(|started| (started.spec.name.to_string(), started.process.log.clone())),
        );
        all
    }

    /// What the command of a container prints, or a process of a host. A container without a command prints nothing.
    pub(crate) async fn logs_of(&self, name: &str) -> Result<Vec<(String, Log)>> {
        let name = name.strip_prefix("container:").unwrap_or(name);
        let mut all = self.logs().await;
        all.retain(|(other, _)| other == name);
        if all.is_empty() && self.known_container(name).is_err() {
            // Its host may be down, which is said as it is.
            if self.lost(name).is_some() {
                self.known_container(name)?;
            }
            let containers: Vec<String> = self.containers().iter().map(|c| c.name().to_owned()).collect();
            let processes: Vec<String> =
                self.started().iter().map(|started| started.spec.name.to_string()).collect();
            let known = containers.iter().chain(&processes).map(String::as_str);
            let what = if processes.is_empty() { "container" } else { "container or process" };
            return Err(Error::no_such(what, name, known));
        }
        Ok(all)
    }
}

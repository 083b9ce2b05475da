//! A lab in a few lines, for whoever has just seen a test fail.

use std::fmt::Write;
use std::time::Duration;

use tokio::time::timeout;

use crate::lab::Lab;

/// How long a lab may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// Events and lines of a process that are shown.
const EVENTS: usize = 5;
const LINES: usize = 5;

/// How a lab is: hosts, containers, faults, the last events, the last lines of each process.
pub async fn in_short(lab: &Lab) -> String {
    let mut text = String::new();
    let mut say = |label: &str, what: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:<11} {what}");
    };
    match timeout(PATIENCE, lab.report()).await {
        Ok(Ok(report)) => {
            let hosts = report.hosts.iter().map(|host| format!("{} {} ({})", host.name, host.ip, host.state));
            say("hosts", hosts.collect::<Vec<_>>().join(", "));
            let containers =
                report.containers.iter().map(|c| format!("{} on {} ({})", c.name, c.host, c.state));
            say("containers", containers.collect::<Vec<_>>().join(", "));
            if let Some(why) = report.networks_unknown {
                say("networks", format!("not known: {why}"));
            }
        }
        Ok(Err(why)) => say("lab", why.to_string()),
        Err(_) => say("lab", format!("it did not say within {} s how it is", PATIENCE.as_secs())),
    }
    for active in lab.faults() {
        say("fault", format!("{}: {}", active.id, active.fault));
    }
    let (events, _) = lab.events().since(0);
    for event in events.iter().skip(events.len().saturating_sub(EVENTS)) {
        say("event", format!("{} {}", event.at, event.text));
    }
    for (name, log) in lab.logs().await {
        let (lines, _) = log.since(0);
        for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
            say(&name, line.text.clone());
        }
    }
    text
}

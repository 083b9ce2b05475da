//! Answers what a page asks of a lab.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use super::ask::{Ask, Reply, SVG};
use super::feed::Feed;
use super::{capture, files};
use crate::control::{Client, Request};
use crate::error::{Error, Kind, Result};
use crate::fault::{Fault, FaultId};
use crate::graph::{Format, Graph, STYLE};
use crate::lab::{Inspection, Passed};
use crate::state::Home;
use crate::trace::{Journey, Probe, Protocol};

/// What the words after `lab fault` mean: the name that it is to have, and the fault.
pub type Wrong = fn(&str) -> Result<(Option<String>, Fault), String>;

/// Answers for a lab that is up.
#[derive(Debug)]
pub struct Desk {
    home: Home,
    feed: Arc<Feed>,
    wrong: Wrong,
}

impl Desk {
    /// A desk for the lab of that directory. That it is not up is an error.
    pub fn open(home: &Home, wrong: Wrong) -> Result<Desk> {
        Ok(Desk { home: home.clone(), feed: Feed::follow(home)?, wrong })
    }

    /// Whether a path is the desk's; all others are the store's.
    pub fn is_its(path: &str) -> bool {
        path == "/" || path == "/lab" || path.starts_with("/lab/")
    }

    /// The answer. `root` is the path that the browser finds all this below: it begins and ends in a slash.
    pub async fn answer(&self, root: &str, ask: Ask) -> Reply {
        let Some(name) = ask.path.strip_prefix("/lab/") else { return files::page(root) };
        let done = match (ask.method.as_str(), name) {
            ("GET", "look") => self.look().await,
            ("GET", "graph.svg") => self.picture(ask.has("bare")).await,
            ("GET", "room") => self.room(&ask).await,
            ("GET", "events") => self.events(&ask).await,
            ("GET", "capture.pcapng") => self.capture(&ask).await,
            ("POST", "trace.svg") => self.trace(&ask).await,
            ("POST", "fault") => self.fault(ask.body).await,
            ("POST", "heal") => self.heal(ask.body).await,
            ("GET", file) => {
                Ok(files::file(file).unwrap_or_else(|| Reply::error(404, "there is no such file")))
            }
            _ => Ok(Reply::error(405, "this is not asked so")),
        };
        done.unwrap_or_else(|why| if matches!(name, "graph.svg" | "trace.svg") { why.in_xml() } else { why })
    }

    /// Asks the lab, where waiting holds up nobody else.
    async fn lab<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Client) -> Result<T> + Send + 'static,
    ) -> Result<T, Reply> {
        let home = self.home.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&mut Client::connect(&home)?)).await;
        let asked = asked.unwrap_or_else(|why| Err(Error::new(Kind::Machine, why)));
        asked.map_err(|why| {
            let status = match why.kind() {
                Kind::NoSuch => 404,
                Kind::Input => 400,
                Kind::Gone => 503,
                Kind::Machine => 500,
                Kind::Down | Kind::Refused | Kind::Unmet => 409,
            };
            Reply::error(status, why.to_string())
        })
    }

    async fn graph(&self) -> Result<Graph, Reply> {
        self.lab(|lab| lab.get(&Request::Graph)).await
    }

    async fn picture(&self, bare: bool) -> Result<Reply, Reply> {
        let svg = self.graph().await?.show(Format::Svg);
        Ok(Reply::of(SVG, if bare { without_style(&svg) } else { svg }))
    }

    async fn look(&self) -> Result<Reply, Reply> {
        let asked = self.lab(|lab| {
            let graph: Graph = lab.get(&Request::Graph)?;
            let passed: Vec<Passed> = lab.get(&Request::Passed { target: None })?;
            // Here, where it holds up nobody: a large lab is drawn for a while.
            let mut digest = DefaultHasher::new();
            graph.show(Format::Svg).hash(&mut digest);
            Ok((graph, passed, digest))
        });
        let (graph, passed, digest) = asked.await?;
        let counters: serde_json::Map<String, Value> = passed
            .iter()
            .flat_map(|room| room.links.iter().map(|link| (format!("{}/{}", room.name, link.link), link)))
            .map(|(id, link)| (id, json!([link.received_bytes, link.sent_bytes, link.received, link.sent])))
            .collect();
        let hosts: Vec<Value> =
            graph.hosts.iter().map(|host| json!({ "name": host.name, "up": host.up })).collect();
        let places: Vec<&str> = graph
            .hosts
            .iter()
            .flat_map(|host| &host.rooms)
            .filter(|room| room.kind == crate::graph::RoomKind::Container)
            .map(|room| room.title.as_str())
            .collect();
        Ok(Reply::json(&json!({
            "name": graph.name, "graph": format!("{:016x}", digest.finish()), "counters": counters, "hosts": hosts,
            "containers": places, "faults": graph.faults, "store": graph.hosts.iter().any(|host| host.role == "store"),
        })))
    }

    async fn room(&self, ask: &Ask) -> Result<Reply, Reply> {
        let name = ask.parameter("name").ok_or_else(|| Reply::error(400, "`name` is missing"))?;
        let asked = self.lab(move |lab| {
            let mut look = |target: Option<String>| -> Result<(Inspection, Vec<Passed>)> {
                let inspection = lab.get(&Request::Inspect { target: target.clone() })?;
                Ok((inspection, lab.get(&Request::Passed { target })?))
            };
            // A host that has a container's name is none that can be named.
            let (inspection, passed) = look(target_of(&name)).or_else(|_| look(None))?;
            let plain = name.strip_prefix("container:").or(name.strip_prefix("host:")).unwrap_or(&name);
            let last = name.starts_with("container:");
            let mut its = inspection.namespaces.into_iter().filter(|held| held.name == plain);
            let held = if last { its.next_back() } else { its.next() };
            let none = || Error::new(Kind::NoSuch, format_args!("there is no namespace {name} now"));
            let held = held.ok_or_else(none)?;
            let mut its = passed.into_iter().filter(|passed| passed.name == held.name);
            let passed = if last { its.next_back() } else { its.next() };
            Ok((held, passed.map(|passed| passed.links).unwrap_or_default()))
        });
        let (held, counters) = asked.await?;
        Ok(Reply::json(&json!({ "held": held, "counters": counters })))
    }

    async fn events(&self, ask: &Ask) -> Result<Reply, Reply> {
        let (events, next) = self.feed.since(ask.number("from")?.unwrap_or(0)).await;
        Ok(Reply::json(&json!({ "events": events, "next": next })))
    }

    async fn capture(&self, ask: &Ask) -> Result<Reply, Reply> {
        let request = capture::request(ask)?;
        let file = self.lab(move |lab| capture::record(lab, request)).await?;
        Ok(Reply::of("application/x-pcapng", file).attached("lab.pcapng"))
    }

    async fn trace(&self, ask: &Ask) -> Result<Reply, Reply> {
        let said =
            |name| ask.parameter(name).ok_or_else(|| Reply::error(400, format!("`{name}` is missing")));
        let (from, to) = (said("from")?, said("to")?);
        let protocol = match (ask.number::<u16>("tcp")?, ask.number::<u16>("udp")?) {
            (Some(port), _) => Protocol::Tcp(port),
            (None, Some(port)) => Protocol::Udp(port),
            (None, None) => Protocol::Icmp,
        };
        let asked = self.lab(move |lab| {
            let probe = Probe { protocol, size: None };
            let journey: Journey = lab.get(&Request::Probe { from, to, probe })?;
            Ok(lab.get::<Graph>(&Request::Graph)?.show_journey(&journey))
        });
        Ok(Reply::of(SVG, without_style(&asked.await?)))
    }

    async fn fault(&self, words: String) -> Result<Reply, Reply> {
        let (name, fault) = (self.wrong)(&words).map_err(|why| Reply::error(400, why))?;
        let said = fault.to_string();
        let id: FaultId = self.lab(move |lab| lab.get(&Request::Inject { name, fault })).await?;
        Ok(Reply::json(&json!({ "said": format!("fault {id}: {said}") })))
    }

    async fn heal(&self, fault: String) -> Result<Reply, Reply> {
        let said =
            if fault.is_empty() { "all is healed".to_owned() } else { format!("fault {fault} is healed") };
        let request = if fault.is_empty() { Request::HealAll } else { Request::Heal { fault } };
        self.lab(move |lab| lab.ask(&request).map(drop)).await?;
        Ok(Reply::json(&json!({ "said": said })))
    }
}

/// Whose namespaces are asked for to see that one: all, for those of the switch and of what is outside, which are nobody's.
fn target_of(room: &str) -> Option<String> {
    match room.split_once('/') {
        Some((host, _)) => Some(format!("host:{host}")),
        None => (room != "switch" && room != "internet").then(|| room.to_owned()),
    }
}

/// A picture for a page that has its style already, and lets none stand in itself.
fn without_style(svg: &str) -> String {
    svg.replacen(&format!("<style>\n{STYLE}</style>\n"), "", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_see_a_namespace_only_those_of_its_host_or_container_are_asked_for() {
        for (room, target) in [
            ("docker0", Some("docker0")),
            ("docker0/1-620dd59483", Some("host:docker0")),
            ("container:C0", Some("container:C0")),
            ("switch", None),
            ("internet", None),
        ] {
            assert_eq!(target_of(room).as_deref(), target, "{room}");
        }
    }
}

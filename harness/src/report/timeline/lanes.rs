//! Events as they are drawn: a lane for the steps, one for the switch, one for each host; bars for what takes its time, ticks for what
//! happens. Pure.

use std::collections::BTreeMap;

use crate::events::{Edge, Event, Span};

/// What is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Story {
    /// What the lab is called.
    pub(super) name: String,
    /// How long it is, in milliseconds.
    pub(super) length: i64,
    /// From above.
    pub(super) lanes: Vec<Lane>,
    /// The steps that were played: their numbers, their names, how they ended.
    pub(super) steps: Vec<(u64, String, Fate)>,
    /// What was wrong meanwhile, in the order in which it came.
    pub(super) faults: Vec<String>,
}

/// A row of the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
    pub(super) ticks: Vec<Tick>,
}

/// Something that takes its time; in milliseconds since the first event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Written into it, if it has room.
    pub(super) label: String,
    /// Said of it where somebody points at it.
    pub(super) text: String,
    pub(super) fate: Fate,
}

/// What a bar is of, and what has come of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// A step that held.
    Held,
    /// One that did not.
    Failed,
    /// One that was not played.
    Skipped,
    /// One that had not ended.
    #[default]
    Open,
    /// A fault.
    Fault,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) at: i64,
    pub(super) source: Source,
    pub(super) text: String,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The lab: networks, containers, hosts.
    Lab,
    /// An engine, of its own accord.
    Engine,
    /// A kernel.
    Kernel,
    /// The store, of what it was asked.
    Store,
}

impl Source {
    pub(super) const ALL: [Source; 4] = [Source::Lab, Source::Engine, Source::Kernel, Source::Store];

    fn of(event: &Event) -> Source {
        match event.what.as_str() {
            "engine" => Source::Engine,
            "netlink" => Source::Kernel,
            "store" => Source::Store,
            _ => Source::Lab,
        }
    }
}

/// The first lane, the one of what is no host's, and where those of hosts begin.
const STEPS: usize = 0;
const SWITCH: usize = 1;
const HOSTS: usize = 2;

impl Story {
    /// Of these events, the earliest first. Containers are drawn in their hosts' lanes: `on` says which those are.
    pub(super) fn of(
        name: &str,
        hosts: &[String],
        on: &BTreeMap<String, String>,
        steps: &[String],
        said: &[Event],
    ) -> Story {
        let stamps: Vec<i64> = said.iter().map(stamp).collect();
        let (begin, end) = (stamps.iter().min().copied(), stamps.iter().max().copied());
        let (begin, end) = (begin.unwrap_or_default(), end.unwrap_or_default());
        let names = ["steps", "switch"].into_iter().chain(hosts.iter().map(String::as_str));
        let mut story = Story {
            name: name.to_owned(),
            length: (end - begin).max(1),
            lanes: names.map(|name| Lane { name: name.to_owned(), ..Lane::default() }).collect(),
            steps: Vec::new(),
            faults: Vec::new(),
        };
        let mut open: Vec<(&Edge, i64, &str)> = Vec::new();
        for (event, stamp) in said.iter().zip(stamps) {
            let at = stamp - begin;
            if let Some(Edge { of: Span::Fault(_), begins: true, .. }) = event.edge.as_deref() {
                story.faults.push(event.text.clone());
            }
            match event.edge.as_deref() {
                Some(edge) if edge.begins => open.push((edge, at, &event.text)),
                Some(edge) => {
                    let Some(place) = open.iter().position(|(begun, ..)| begun.of == edge.of) else {
                        continue;
                    };
                    let (begun, from, text) = open.remove(place);
                    // How it ended is said in the end.
                    let text = if matches!(edge.of, Span::Step(_)) { &event.text } else { text };
                    story.bar(begun, from, at, fate(edge), text, steps);
                }
                None => {
                    let text = event.text.lines().next().unwrap_or_default().to_owned();
                    let tick = Tick { at, source: Source::of(event), text };
                    let lane = match place(event, hosts, on) {
                        Whose::Steps => STEPS,
                        Whose::Switch => SWITCH,
                        Whose::Host(host) => story.lane_of(host),
                    };
                    story.lanes[lane].ticks.push(tick);
                }
            }
        }
        for (begun, from, text) in open {
            let fate = if let Span::Fault(_) = begun.of { Fate::Fault } else { Fate::Open };
            story.bar(begun, from, story.length, fate, text, steps);
        }
        for lane in &mut story.lanes {
            lane.bars.sort_by_key(|bar| bar.from);
        }
        story.steps.sort_by_key(|(number, ..)| *number);
        story
    }

    fn bar(&mut self, edge: &Edge, from: i64, to: i64, fate: Fate, text: &str, steps: &[String]) {
        let (label, lanes): (String, Vec<usize>) = match edge.of {
            Span::Step(number) => {
                let place = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
                let name = steps.get(place).cloned().unwrap_or_default();
                self.steps.push((number, name, fate));
                (number.to_string(), vec![STEPS])
            }
            Span::Fault(number) if edge.hosts.is_empty() => (format!("fault {number}"), vec![SWITCH]),
            Span::Fault(number) => {
                (format!("fault {number}"), edge.hosts.iter().map(|host| self.lane_of(host)).collect())
            }
        };
        for lane in lanes {
            let bar = Bar { from, to, label: label.clone(), text: text.to_owned(), fate };
            self.lanes[lane].bars.push(bar);
        }
    }

    /// The lane of a host, which may be called as the first ones are; what nobody has a lane for is the steps'.
    fn lane_of(&self, host: &str) -> usize {
        let hosts = self.lanes.iter().skip(HOSTS);
        hosts.zip(HOSTS..).find(|(lane, _)| lane.name == host).map_or(STEPS, |(_, place)| place)
    }
}

/// When, in milliseconds since 1970.
fn stamp(event: &Event) -> i64 {
    event.at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

fn fate(end: &Edge) -> Fate {
    match (end.of, end.end.as_deref()) {
        (Span::Fault(_), _) => Fate::Fault,
        (Span::Step(_), Some("failed")) => Fate::Failed,
        (Span::Step(_), Some("skipped")) => Fate::Skipped,
        (Span::Step(_), _) => Fate::Held,
    }
}

/// Whose lane it is.
enum Whose<'a> {
    Steps,
    Switch,
    Host(&'a str),
}

/// In whose lane an event is drawn.
fn place<'a>(event: &'a Event, hosts: &'a [String], on: &'a BTreeMap<String, String>) -> Whose<'a> {
    if let Some(host) = event.docker.as_ref().and_then(|docker| docker.actor.attributes.get("host")) {
        return Whose::Host(host);
    }
    if let Some(request) = &event.request {
        return request.host.as_ref().map_or(Whose::Steps, |host| Whose::Host(host.as_str()));
    }
    if let Some(change) = &event.change {
        // `docker0/1-620dd59483` is on a host; of what has no slash, a host's name goes before a container's.
        let (name, below) = change
            .object
            .namespace
            .split_once('/')
            .map_or_else(|| (change.object.namespace.as_str(), false), |(host, _)| (host, true));
        if below || hosts.iter().any(|host| host == name) {
            return Whose::Host(name);
        }
        return on.get(name).map_or(Whose::Switch, |host| Whose::Host(host));
    }
    // Engines and the lab say in their sentences whom they speak of.
    let is_named = |host: &&String| {
        event.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == **host)
    };
    hosts.iter().find(is_named).map_or(Whose::Steps, |host| Whose::Host(host))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::diff::{Change, Kind, Object, What};

    fn event(at: u32, what: &str, text: &str) -> Event {
        let at = format!("2026-01-01T00:00:00.{at:03}Z");
        Event { at, what: what.to_owned(), text: text.to_owned(), ..Event::default() }
    }

    fn edge(at: u32, of: Span, begins: bool, end: Option<&str>, hosts: &[&str], text: &str) -> Event {
        let hosts = hosts.iter().map(ToString::to_string).collect();
        let edge = Edge { of, begins, end: end.map(str::to_owned), hosts };
        Event { edge: Some(Box::new(edge)), ..event(at, "x", text) }
    }

    fn told(said: &[Event]) -> Story {
        let hosts = ["docker0".to_owned(), "docker1".to_owned()];
        let on = BTreeMap::from([("C1".to_owned(), "docker1".to_owned())]);
        Story::of("lab", &hosts, &on, &["one holds".to_owned(), "two".to_owned()], said)
    }

    #[test]
    fn steps_and_faults_are_bars_from_their_beginning_to_their_end() {
        let story = told(&[
            edge(100, Span::Step(1), true, None, &[], "step 1 begins: one holds"),
            edge(120, Span::Fault(1), true, None, &["docker0", "docker1"], "fault 1: cut"),
            edge(150, Span::Step(1), false, Some("held"), &[], "step 1 has held"),
            edge(150, Span::Step(2), true, None, &[], "step 2 begins: two"),
            edge(190, Span::Fault(1), false, None, &[], "fault 1 healed: cut"),
            edge(200, Span::Step(2), false, Some("failed"), &[], "step 2 has failed"),
        ]);
        let bars = |name: &str| {
            let lane = story.lanes.iter().find(|lane| lane.name == name).unwrap();
            lane.bars.iter().map(|bar| (bar.from, bar.to, bar.label.as_str(), bar.fate)).collect::<Vec<_>>()
        };
        assert_eq!(story.length, 100);
        assert_eq!(bars("steps"), [(0, 50, "1", Fate::Held), (50, 100, "2", Fate::Failed)]);
        assert_eq!(bars("docker0"), [(20, 90, "fault 1", Fate::Fault)]);
        assert_eq!(bars("docker1"), bars("docker0"));
        assert_eq!(bars("switch"), []);
        let steps = [(1, "one holds".to_owned(), Fate::Held), (2, "two".to_owned(), Fate::Failed)];
        assert_eq!(story.steps, steps);
        assert_eq!(story.faults, ["fault 1: cut"]);
    }

    #[test]
    fn what_has_not_ended_goes_on_to_the_end() {
        let story = told(&[
            edge(0, Span::Fault(3), true, None, &[], "fault 3: the switch loses TCP"),
            edge(10, Span::Step(1), true, None, &[], "step 1 begins"),
            event(40, "up", "something else"),
        ]);
        assert_eq!(story.lanes[1].bars[0].to, 40);
        assert_eq!((story.lanes[0].bars[0].to, story.lanes[0].bars[0].fate), (40, Fate::Open));
    }

    #[test]
    fn what_happens_is_a_tick_in_the_lane_of_its_host() {
        let object =
            Object { namespace: "docker0/1-620dd59483".to_owned(), kind: Kind::Link, name: "br0".to_owned() };
        let change = Change { object, what: What::Added, fields: Vec::new() };
        let mut of_container = change.clone();
        of_container.object.namespace = "C1".to_owned();
        let kernel =
            |change: Change| Event { change: Some(Box::new(change)), ..event(3, "netlink", "a link") };
        let story = told(&[
            event(0, "up", "lab x is up"),
            event(1, "crash", "host docker1 is down"),
            event(2, "engine", "docker0: makes a peer known"),
            kernel(change),
            kernel(of_container),
        ]);
        let ticks = |place: usize| {
            story.lanes[place].ticks.iter().map(|tick| (tick.at, tick.source)).collect::<Vec<_>>()
        };
        assert_eq!(ticks(0), [(0, Source::Lab)]);
        assert_eq!(ticks(2), [(2, Source::Engine), (3, Source::Kernel)]);
        assert_eq!(ticks(3), [(1, Source::Lab), (3, Source::Kernel)]);
    }

    #[test]
    fn of_nothing_there_is_a_story_too() {
        assert_eq!(told(&[]).length, 1);
    }
}

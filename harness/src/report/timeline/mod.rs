//! Everything that was said in a lab, by whomever, in the order in which it was: as lines, and as a picture.
//!
//! - `lanes`: events as bars and ticks, host by host; pure.
//! - `svg`: those drawn; pure.

mod lanes;
mod svg;

use std::collections::BTreeMap;

use lanes::Story;

use crate::events::Event;
use crate::lab::Lab;
use crate::process::Stream;

/// Events of the lab, of the engines and of the store, what kernels told if somebody has listened, and what processes printed: a
/// line each, the earliest first. Above them, how many are forgotten.
pub(super) async fn timeline(lab: &Lab, said: &[Event], forgotten: u64) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    for event in said {
        let mut lines = event.text.lines();
        all.push((event.at.clone(), format!("{:<9} {}", event.what, lines.next().unwrap_or_default())));
        all.extend(lines.map(|more| (event.at.clone(), format!("{:<9} {more}", ""))));
    }
    for (name, log) in lab.logs().await {
        for line in log.since(0).0 {
            let stream = if line.stream == Stream::Stdout { "out" } else { "err" };
            all.push((line.at, format!("{stream:<9} {name}: {}", line.text)));
        }
    }
    // Stable: what came in one millisecond from one source stays in order.
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let lines = all.into_iter().flat_map(|(at, text)| [at, " ".to_owned(), text, "\n".to_owned()]);
    let head = (forgotten > 0).then(|| {
        format!("{forgotten} more were said, and are forgotten: of each source the last mebibyte is kept\n")
    });
    head.into_iter().chain(lines).collect()
}

/// The same as a picture, but for what processes printed: SVG.
pub(super) fn picture(lab: &Lab, said: &[Event]) -> String {
    let topology = lab.topology();
    let hosts: Vec<String> = topology.hosts.iter().map(|host| host.name.to_string()).collect();
    let steps: Vec<String> = topology.steps.iter().map(|step| step.name.clone()).collect();
    let mut on: BTreeMap<String, String> = topology
        .containers
        .iter()
        .map(|container| (container.name.to_string(), container.on.to_string()))
        .collect();
    on.extend(lab.containers().iter().map(|c| (c.name().to_owned(), c.host.name().to_owned())));
    svg::draw(&Story::of(&topology.name, &hosts, &on, &steps, said))
}

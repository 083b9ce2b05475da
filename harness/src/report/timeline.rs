//! Everything that was said in a lab, by whomever, in the order in which it was.

use crate::events::Event;
use crate::lab::Lab;
use crate::process::Stream;

/// Events of the lab, of the engines and of the store, and what processes printed: a line each, the earliest first.
pub(super) async fn timeline(lab: &Lab) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    let asked = lab.trace().since(0).0.into_iter().map(Event::from);
    for event in lab.events().since(0).0.into_iter().chain(lab.journal().since(0).0).chain(asked) {
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
    all.into_iter().flat_map(|(at, text)| [at, " ".to_owned(), text, "\n".to_owned()]).collect()
}

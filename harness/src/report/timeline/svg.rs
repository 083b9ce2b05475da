//! A story drawn: plain SVG, of the same bytes for the same events. Pure.

use std::collections::BTreeMap;

use super::lanes::{Bar, Fate, Lane, Source, Story, Tick};
use crate::xml::{escaped, picture, put, shortened, text};

/// All lengths are in CSS pixels.
const WIDTH: f64 = 1200.0;
/// Where time begins, beside the lanes' names, and ends.
const LEFT: f64 = 120.0;
const RIGHT: f64 = 1176.0;
const MARGIN: f64 = 24.0;
/// Where lanes begin, below title and legend.
const TOP: f64 = 112.0;
/// A row of bars, a row of ticks, and what is between lanes.
const BAR: f64 = 20.0;
const TICK: f64 = 11.0;
const GAP: f64 = 8.0;
/// A line of the list of steps.
const LINE: f64 = 19.0;
/// What a letter takes, about.
const LETTER: f64 = 7.0;
/// Longest name of a step in the list, in letters; a lane's; a text where somebody points at something.
const LONGEST: usize = 140;
const LONGEST_LANE: usize = 13;
const LONGEST_TEXT: usize = 400;
/// Most lines of a tick that stands for several.
const MOST: usize = 8;

/// Colours that those tell apart who do not see all of them (Okabe and Ito), but for red.
fn colour(source: Source) -> &'static str {
    match source {
        Source::Lab => "#000000",
        Source::Engine => "#009e73",
        Source::Kernel => "#e69f00",
        Source::Store => "#56b4e9",
    }
}

fn said(source: Source) -> &'static str {
    match source {
        Source::Lab => "the lab",
        Source::Engine => "engines",
        Source::Kernel => "kernels",
        Source::Store => "the store is asked",
    }
}

/// Of a bar: what it is filled with, and what is written into it.
fn colours(fate: Fate) -> (&'static str, &'static str) {
    match fate {
        Fate::Held => ("#0072b2", "#fff"),
        Fate::Failed => ("#222", "#fff"),
        Fate::Skipped => ("#ccc", "#222"),
        Fate::Open => ("#8ab6d6", "#222"),
        Fate::Fault => ("#d62728", "#fff"),
    }
}

/// The picture.
pub(super) fn draw(story: &Story) -> String {
    let sources: Vec<Source> = Source::ALL
        .into_iter()
        .filter(|source| story.lanes.iter().flat_map(|lane| &lane.ticks).any(|tick| tick.source == *source))
        .collect();
    let rows: Vec<Vec<usize>> = story.lanes.iter().map(|lane| stacked(&lane.bars)).collect();
    let height = |rows: &[usize]| {
        number(rows.iter().max().map_or(1, |most| most + 1)) * BAR + number(sources.len()) * TICK + GAP
    };
    let lanes_end = TOP + rows.iter().map(|rows| height(rows)).sum::<f64>();
    let whole = lanes_end + 64.0 + number(story.steps.len() + story.faults.len()) * LINE + MARGIN;
    let mut svg = picture(WIDTH, whole, &story.name);
    let subtitle = format!("{} steps in {}", story.steps.len(), shown(story.length));
    text(&mut svg, MARGIN, 56.0, "start", " fill=\"#666\"", &subtitle);
    legend(&mut svg, &sources);
    axis(&mut svg, story.length, lanes_end);
    let mut y = TOP;
    for (lane, rows) in story.lanes.iter().zip(&rows) {
        lane_of(&mut svg, lane, rows, &sources, (y, height(rows)), story.length);
        y += height(rows);
    }
    list(&mut svg, story, lanes_end + 56.0);
    svg.push_str("</svg>\n");
    svg
}

/// In which row each bar is drawn, so that none is above another.
fn stacked(bars: &[Bar]) -> Vec<usize> {
    let mut ends: Vec<i64> = Vec::new();
    let row = |bar: &Bar| {
        let free = ends.iter().position(|end| *end <= bar.from).unwrap_or(ends.len());
        ends.resize(ends.len().max(free + 1), 0);
        ends[free] = bar.to;
        free
    };
    bars.iter().map(row).collect()
}

fn across(at: i64, length: i64) -> f64 {
    LEFT + float(at) / float(length) * (RIGHT - LEFT)
}

fn lane_of(
    svg: &mut String,
    lane: &Lane,
    rows: &[usize],
    sources: &[Source],
    (top, height): (f64, f64),
    length: i64,
) {
    let name = shortened(&lane.name, LONGEST_LANE);
    text(svg, LEFT - 12.0, top + BAR / 2.0 + 4.5, "end", " font-weight=\"600\"", &name);
    for (bar, row) in lane.bars.iter().zip(rows) {
        let (from, to) = (across(bar.from, length), across(bar.to, length));
        let (y, width) = (top + number(*row) * BAR + 1.0, (to - from).max(2.0));
        let (fill, ink) = colours(bar.fate);
        put(
            svg,
            format_args!(
                "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{fill}\" stroke=\"#fff\" stroke-width=\"0.5\"><title>{}</title></rect>\n",
                BAR - 2.0,
                escaped(&shortened(&bar.text, LONGEST_TEXT))
            ),
        );
        if width > number(bar.label.len()) * LETTER + 6.0 {
            let style = format!(" fill=\"{ink}\" font-size=\"12\" pointer-events=\"none\"");
            text(svg, from + width / 2.0, y + BAR / 2.0 + 3.5, "middle", &style, &bar.label);
        }
    }
    let ticks_at = top + height - GAP - number(sources.len()) * TICK;
    for (row, source) in sources.iter().enumerate() {
        let y = ticks_at + number(row) * TICK;
        ticks(svg, &lane.ticks, *source, y, length);
    }
    let bottom = top + height - GAP / 2.0;
    put(
        svg,
        format_args!(
            "<line x1=\"{MARGIN}\" x2=\"{RIGHT}\" y1=\"{bottom:.1}\" y2=\"{bottom:.1}\" stroke=\"#ddd\"/>\n"
        ),
    );
}

/// Those that would be drawn one above another are one.
fn ticks(svg: &mut String, all: &[Tick], source: Source, y: f64, length: i64) {
    let mut places: BTreeMap<i64, Vec<&Tick>> = BTreeMap::new();
    for tick in all.iter().filter(|tick| tick.source == source) {
        #[expect(clippy::cast_possible_truncation, reason = "a place on the page")]
        places.entry((across(tick.at, length) * 2.0) as i64).or_default().push(tick);
    }
    for (place, ticks) in places {
        let mut lines: Vec<String> = ticks
            .iter()
            .take(MOST)
            .map(|tick| format!("{}  {}", shown(tick.at), shortened(&tick.text, LONGEST_TEXT)))
            .collect();
        if ticks.len() > MOST {
            lines.push(format!("and {} more", ticks.len() - MOST));
        }
        put(
            svg,
            format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"1.5\" height=\"{:.1}\" fill=\"{}\"><title>{}</title></rect>\n",
                float(place) / 2.0 - 0.75,
                y + 1.0,
                TICK - 2.0,
                colour(source),
                escaped(&lines.join("\n"))
            ),
        );
    }
}

fn legend(svg: &mut String, sources: &[Source]) {
    let bars = [
        ("a step that held", Fate::Held),
        ("that failed", Fate::Failed),
        ("that had not ended", Fate::Open),
        ("a fault", Fate::Fault),
    ];
    let mut x = MARGIN;
    for (words, fate) in bars {
        let fill = colours(fate).0;
        put(svg, format_args!("<rect x=\"{x:.1}\" y=\"70\" width=\"18\" height=\"12\" fill=\"{fill}\"/>\n"));
        text(svg, x + 24.0, 80.5, "start", " fill=\"#444\"", words);
        x += 24.0 + number(words.len()) * LETTER + 22.0;
    }
    for source in sources {
        let fill = colour(*source);
        put(
            svg,
            format_args!("<rect x=\"{:.1}\" y=\"70\" width=\"2\" height=\"12\" fill=\"{fill}\"/>\n", x + 6.0),
        );
        text(svg, x + 16.0, 80.5, "start", " fill=\"#444\"", said(*source));
        x += 16.0 + number(said(*source).len()) * LETTER + 22.0;
    }
}

/// Lines at times that people count in, ten or so.
fn axis(svg: &mut String, length: i64, bottom: f64) {
    let steps = (0..).map(|power| 10_i64.pow(power)).flat_map(|decade| [1, 2, 5].map(|step| step * decade));
    let step = steps.take(48).find(|step| length / step <= 12).unwrap_or(length);
    let mut at = 0;
    while at <= length {
        let x = across(at, length);
        put(
            svg,
            format_args!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#eee\"/>\n",
                TOP - 6.0
            ),
        );
        text(svg, x, bottom + 16.0, "middle", " fill=\"#666\" font-size=\"12\"", &shown(at));
        at += step;
    }
}

/// The names of the steps by their numbers, and what was wrong meanwhile.
fn list(svg: &mut String, story: &Story, top: f64) {
    let mut y = top;
    for (number, name, fate) in &story.steps {
        let (fill, ink) = colours(*fate);
        put(
            svg,
            format_args!(
                "<rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"30\" height=\"15\" fill=\"{fill}\"/>\n",
                y - 11.5
            ),
        );
        let style = format!(" fill=\"{ink}\" font-size=\"12\"");
        text(svg, MARGIN + 15.0, y, "middle", &style, &number.to_string());
        let words = match fate {
            Fate::Failed => format!("FAILED  {name}"),
            Fate::Skipped => format!("skipped  {name}"),
            _ => name.clone(),
        };
        let weight = if *fate == Fate::Failed { " font-weight=\"600\"" } else { "" };
        text(svg, MARGIN + 42.0, y, "start", weight, &shortened(&words, LONGEST));
        y += LINE;
    }
    for fault in &story.faults {
        let fill = colours(Fate::Fault).0;
        put(
            svg,
            format_args!(
                "<rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"30\" height=\"15\" fill=\"{fill}\"/>\n",
                y - 11.5
            ),
        );
        text(svg, MARGIN + 42.0, y, "start", "", &shortened(fault, LONGEST));
        y += LINE;
    }
}

/// `850 ms`, `2.5 s`.
fn shown(millis: i64) -> String {
    if millis < 1000 {
        return format!("{millis} ms");
    }
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a picture's precision")]
fn float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(from: i64, to: i64, label: &str, fate: Fate) -> Bar {
        Bar { from, to, label: label.to_owned(), text: format!("{label} <text>"), fate }
    }

    fn story() -> Story {
        let tick = |at, source, text: &str| Tick { at, source, text: text.to_owned() };
        let lane = |name: &str, bars, ticks| Lane { name: name.to_owned(), bars, ticks };
        Story {
            name: "a & b".to_owned(),
            length: 4000,
            lanes: vec![
                lane(
                    "steps",
                    vec![bar(0, 1000, "1", Fate::Held), bar(1000, 4000, "2", Fate::Failed)],
                    vec![],
                ),
                lane(
                    "docker0",
                    vec![bar(500, 3000, "fault 1", Fate::Fault), bar(600, 700, "fault 2", Fate::Fault)],
                    vec![
                        tick(10, Source::Kernel, "one"),
                        tick(10, Source::Kernel, "two"),
                        tick(20, Source::Lab, "\x1b"),
                    ],
                ),
            ],
            steps: vec![(1, "it holds".to_owned(), Fate::Held), (2, "it does not".to_owned(), Fate::Failed)],
            faults: vec!["fault 1: docker0 & docker1".to_owned()],
        }
    }

    #[test]
    fn bars_are_drawn_and_what_is_said_of_them_is_escaped() {
        let svg = draw(&story());
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("&lt;text&gt;").count(), 4, "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("FAILED  it does not"), "{svg}");
        assert!(svg.contains(">fault 1: docker0 &amp; docker1</text>"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains('\x1b'), "{svg}");
        // Two at one place are one tick that says both.
        assert!(svg.contains("<title>10 ms  one&#10;10 ms  two</title>"), "{svg}");
    }

    #[test]
    fn faults_that_overlap_are_below_each_other() {
        let bars = [(0, 10), (5, 20), (10, 30), (12, 13)].map(|(from, to)| bar(from, to, "x", Fate::Fault));
        assert_eq!(stacked(&bars), [0, 1, 0, 2]);
    }

    #[test]
    fn nothing_is_no_panic() {
        let empty = Story { length: 1, ..Story::default() };
        let svg = draw(&empty);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let long = Story { length: i64::MAX / 4, ..story() };
        assert!(!draw(&long).contains("NaN"));
    }

    #[test]
    fn times_are_shown_as_people_say_them() {
        assert_eq!([0, 850, 1000, 2500, 61_250].map(shown), ["0 ms", "850 ms", "1 s", "2.5 s", "61.25 s"]);
    }
}

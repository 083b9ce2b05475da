//! The chart: bars for what streams carry, layer by layer, and lines for how round trips are distributed. Plain SVG, of the same
//! bytes for the same figures.

use harness::xml::{picture, put, text};
use std::time::Duration;

use super::Bill;

/// All lengths are in CSS pixels.
const WIDTH: f64 = 960.0;
/// Where bars and axes begin, beside their labels, and end.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 900.0;
/// A bar, and the gap to the next.
const BAR: f64 = 20.0;
const GAP: f64 = 10.0;
/// The field of the lines.
const FIELD: f64 = 320.0;
/// Colours that those tell apart who do not see all of them (Okabe and Ito), darkest last.
const COLOURS: [&str; 8] =
    ["#999999", "#000000", "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#cc79a7"];
/// Most points of a line.
const POINTS: usize = 240;

/// A layer's part of the chart.
struct Part {
    name: String,
    colour: &'static str,
    bits_per_second: f64,
    ratio: f64,
    /// Shares that did not exceed a time in microseconds.
    curve: Vec<(f64, f64)>,
    median: Duration,
}

/// The chart of a bill.
pub(super) fn draw(bill: &Bill) -> String {
    let base = bill.base();
    let parts = bill.layers.iter().zip(COLOURS.iter().cycle()).map(|((layer, _, series), colour)| {
        let latency = series.latency();
        let curve: Vec<_> =
            latency.curve().into_iter().map(|(share, time)| (share, time.as_secs_f64() * 1e6)).collect();
        Part {
            name: layer.to_string(),
            colour,
            bits_per_second: series.bits_per_second(),
            ratio: series.ratio(base),
            curve: thinned(&curve),
            median: series.trip(0.5),
        }
    });
    let title = format!("What layers cost: {}, underlay of MTU {}", bill.lab, bill.mtu);
    page(&title, &bill.machine.to_string(), &parts.collect::<Vec<_>>())
}

/// As many points of a line as can be seen, its ends among them.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate().filter(|(place, _)| place.is_multiple_of(step) || *place == last);
    kept.map(|(_, point)| *point).collect()
}

fn page(title: &str, subtitle: &str, parts: &[Part]) -> String {
    let bars_at = 110.0;
    let rows = f64::from(u32::try_from(parts.len()).unwrap_or_default());
    let lines_at = bars_at + rows * (BAR + GAP) + 90.0;
    let height = lines_at + FIELD + 70.0;
    let mut svg = picture(WIDTH, height, title);
    text(&mut svg, 24.0, 56.0, "start", " fill=\"#666\"", subtitle);
    bars(&mut svg, bars_at, parts);
    lines(&mut svg, lines_at, parts);
    svg.push_str("</svg>\n");
    svg
}

fn bars(svg: &mut String, top: f64, parts: &[Part]) {
    text(svg, 24.0, top - 18.0, "start", " font-weight=\"600\"", "One TCP stream, Gbit/s (bare veth = 1.00)");
    let most = parts.iter().map(|part| part.bits_per_second).fold(1.0, f64::max);
    // Room for the figures behind the longest bar.
    let scale = (RIGHT - LEFT - 100.0) / most;
    let mut y = top;
    for part in parts {
        let middle = y + BAR / 2.0 + 4.5;
        text(svg, LEFT - 12.0, middle, "end", "", &part.name);
        let length = (part.bits_per_second * scale).max(1.0);
        put(
            svg,
            format_args!(
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{}\"/>\n",
                part.colour
            ),
        );
        let figures = format!("{:.2}  ({:.2})", part.bits_per_second / 1e9, part.ratio);
        text(svg, LEFT + length + 8.0, middle, "start", "", &figures);
        y += BAR + GAP;
    }
}

fn lines(svg: &mut String, top: f64, parts: &[Part]) {
    let heading = "Round trips of 64 bytes by UDP on one CPU: share that took no longer than so many µs (a logarithmic scale)";
    text(svg, 24.0, top - 24.0, "start", " font-weight=\"600\"", heading);
    let times = || {
        parts
            .iter()
            .flat_map(|part| part.curve.iter().filter(|(share, _)| *share <= 0.999).map(|(_, time)| *time))
    };
    let (least, most) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
    if least >= most {
        text(svg, LEFT, top + FIELD / 2.0, "start", " fill=\"#666\"", "no round trip was measured");
        return;
    }
    let (low, high) = (least.ln(), most.ln());
    let across = |time: f64| LEFT + (time.ln() - low) / (high - low) * (RIGHT - LEFT);
    let down = |share: f64| top + FIELD * (1.0 - share);
    for percent in [0, 25, 50, 75, 90, 99] {
        let y = down(f64::from(percent) / 100.0);
        put(
            svg,
            format_args!(
                "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e4e4e4\"/>\n"
            ),
        );
        // The lines of 99 and 100 would be one.
        text(svg, LEFT - 12.0, y + 4.5, "end", " fill=\"#666\"", &format!("{percent}%"));
    }
    let decades = (-1..6).map(|power| 10_f64.powi(power));
    for tick in decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * decade)) {
        if !(least..=most).contains(&tick) {
            continue;
        }
        let (x, bottom) = (across(tick), top + FIELD);
        put(
            svg,
            format_args!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\" stroke=\"#e4e4e4\"/>\n"
            ),
        );
        text(svg, x, bottom + 20.0, "middle", " fill=\"#666\"", &format!("{tick}"));
    }
    for part in parts {
        let seen = part.curve.iter().filter(|(share, time)| *share <= 0.999 && *time <= most);
        let points: Vec<String> =
            seen.map(|(share, time)| format!("{:.1},{:.1}", across(*time), down(*share))).collect();
        put(
            svg,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n",
                points.join(" "),
                part.colour
            ),
        );
    }
    legend(svg, top, parts);
}

/// Whose line is whose, fastest first, in the empty corner of distributions: below on the right.
fn legend(svg: &mut String, top: f64, parts: &[Part]) {
    let mut sorted: Vec<&Part> = parts.iter().filter(|part| !part.curve.is_empty()).collect();
    sorted.sort_by_key(|part| part.median);
    let mut y = top + FIELD - 20.0 * f64::from(u32::try_from(sorted.len()).unwrap_or_default()) - 6.0;
    let x = RIGHT - 230.0;
    put(
        svg,
        format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"238\" height=\"{:.1}\" fill=\"#fff\" fill-opacity=\"0.85\"/>\n",
            x - 8.0,
            y - 4.0,
            top + FIELD - y
        ),
    );
    for part in sorted {
        let middle = y + 10.0;
        put(
            svg,
            format_args!(
                "<line x1=\"{x}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"{}\" stroke-width=\"3\"/>\n",
                x + 22.0,
                part.colour
            ),
        );
        let label = format!("{}, p50 {:.1} µs", part.name, part.median.as_secs_f64() * 1e6);
        text(svg, x + 30.0, middle + 4.5, "start", "", &label);
        y += 20.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, bits_per_second: f64, curve: Vec<(f64, f64)>) -> Part {
        Part {
            name: name.into(),
            colour: "#000",
            bits_per_second,
            ratio: 1.0,
            curve,
            median: Duration::from_micros(7),
        }
    }

    #[test]
    fn every_layer_has_a_bar_and_a_line_within_the_page() {
        let curve = vec![(0.0, 3.0), (0.5, 7.0), (0.99, 30.0), (1.0, 900.0)];
        let svg =
            page("a & b", "<machine>", &[part("veth", 12e9, curve.clone()), part("overlay", 6e9, curve)]);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("rx=\"2\"").count()), (2, 2));
        assert!(
            svg.contains("a &amp; b") && svg.contains("&lt;machine&gt;") && !svg.contains("NaN"),
            "{svg}"
        );
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        // What is behind 99.9 % is not drawn: the axis would be its own.
        assert!(svg.contains(">20</text>") && !svg.contains(">500</text>"), "{svg}");
    }

    #[test]
    fn nothing_measured_is_no_line_and_no_panic() {
        let svg = page("t", "m", &[part("veth", 0.0, vec![])]);
        assert!(
            svg.contains("no round trip was measured") && !svg.contains("NaN") && !svg.contains("inf"),
            "{svg}"
        );
        assert_eq!(page("t", "m", &[]).matches("<polyline").count(), 0);
    }

    #[test]
    fn long_lines_keep_their_ends() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|n| (f64::from(n), f64::from(n))).collect();
        let kept = thinned(&points);
        assert!(kept.len() <= POINTS + 1, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (Some(&(0.0, 0.0)), Some(&(9999.0, 9999.0))));
    }
}

//! How costs grow with numbers: slopes, and a plot of them. Pure.

use harness::xml::{picture, put, text};

/// All lengths are in CSS pixels.
const WIDTH: f64 = 820.0;
/// Where a panel's field begins, beside the labels of its axis, and ends, beside its legend.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 500.0;
/// A panel's field, and all that a panel takes.
const FIELD: f64 = 220.0;
const PANEL: f64 = 320.0;
/// Colours that those tell apart who do not see all of them (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];
/// Slopes are taken from here on: below it, what there is once for a lab counts for more than what there is once for each.
const MANY: f64 = 50.0;

/// A figure that was taken at several numbers of something.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// How many there were, and the figure then.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The power of the number with which the figure grows, by least squares of logarithms: 1 is linear. Nothing, where fewer than
    /// two figures say so.
    pub fn slope(&self) -> Option<f64> {
        let logs: Vec<(f64, f64)> =
            self.drawn().filter(|(number, _)| *number >= MANY).map(|(x, y)| (x.ln(), y.ln())).collect();
        let count = f64::from(u32::try_from(logs.len()).ok()?);
        let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|log| log.0), mean(|log| log.1));
        let spread: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
        let together: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
        (spread > 0.0).then(|| together / spread)
    }

    /// The points that have a logarithm: what is not more than nothing is below what can be measured.
    fn drawn(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0)
    }
}

/// Some figures of one unit, against one another.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows, and in which unit.
    pub heading: String,
    /// What is counted below it.
    pub across: String,
    /// What was taken.
    pub series: Vec<Series>,
}

/// The plot, as SVG: both axes logarithmic, so that what is linear rises as the thin lines do.
pub fn draw(title: &str, panels: &[Panel]) -> String {
    let height = 50.0 + PANEL * f64::from(u32::try_from(panels.len()).unwrap_or_default());
    let mut svg = picture(WIDTH, height, title);
    let mut top = 90.0;
    for panel in panels {
        field(&mut svg, top, panel);
        top += PANEL;
    }
    svg.push_str("</svg>\n");
    svg
}

/// Whole decades around some figures.
fn decades(figures: impl Iterator<Item = f64>) -> Option<(i32, i32)> {
    let (low, high) = figures.fold((f64::MAX, 0.0), |(low, high), one| (one.min(low), one.max(high)));
    let power = |figure: f64| (-12..=12).find(|power| 10_f64.powi(*power) >= figure);
    let (low, high) = (power(low * 1.000_001)? - 1, power(high)?);
    (low < high).then_some((low, high))
}

fn field(svg: &mut String, top: f64, panel: &Panel) {
    text(svg, 24.0, top - 16.0, "start", " font-weight=\"600\"", &panel.heading);
    let points = || panel.series.iter().flat_map(Series::drawn);
    let (Some(wide), Some(tall)) =
        (decades(points().map(|point| point.0)), decades(points().map(|point| point.1)))
    else {
        text(svg, LEFT, top + FIELD / 2.0, "start", " fill=\"#666\"", "nothing was measured");
        return;
    };
    let share =
        |figure: f64, (low, high): (i32, i32)| (figure.log10() - f64::from(low)) / f64::from(high - low);
    let across = |number: f64| LEFT + share(number, wide) * (RIGHT - LEFT);
    let down = |figure: f64| top + FIELD * (1.0 - share(figure, tall));
    let bottom = top + FIELD;
    let line = |svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)| {
        put(
            svg,
            format_args!(
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#e4e4e4\"/>\n"
            ),
        );
    };
    for power in wide.0..=wide.1 {
        let x = across(10_f64.powi(power));
        line(svg, (x, top), (x, bottom));
        text(svg, x, bottom + 18.0, "middle", " fill=\"#666\"", &10_f64.powi(power).to_string());
    }
    text(svg, f64::midpoint(LEFT, RIGHT), bottom + 38.0, "middle", " fill=\"#666\"", &panel.across);
    for power in tall.0..=tall.1 {
        let y = down(10_f64.powi(power));
        line(svg, (LEFT, y), (RIGHT, y));
        text(svg, LEFT - 8.0, y + 4.5, "end", " fill=\"#666\"", &10_f64.powi(power).to_string());
        // What is linear, from the corner of each decade, as far as the field goes.
        let rise = (tall.1 - power).min(wide.1 - wide.0);
        line(svg, (LEFT, y), (across(10_f64.powi(wide.0 + rise)), down(10_f64.powi(power + rise))));
    }
    let mut y = top + 10.0;
    for (series, colour) in panel.series.iter().zip(COLOURS.iter().cycle()) {
        let places: Vec<String> = series
            .drawn()
            .map(|(number, figure)| format!("{:.1},{:.1}", across(number), down(figure)))
            .collect();
        put(
            svg,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n",
                places.join(" ")
            ),
        );
        for place in &places {
            let (x, y) = place.split_once(',').unwrap_or_default();
            put(svg, format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>\n"));
        }
        let slope = series.slope().map(|slope| format!(", slope {slope:.2}")).unwrap_or_default();
        put(
            svg,
            format_args!(
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/>\n",
                RIGHT + 24.0,
                RIGHT + 46.0
            ),
        );
        text(svg, RIGHT + 54.0, y + 4.5, "start", "", &format!("{}{slope}", series.name));
        y += 20.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(of: fn(f64) -> f64) -> Series {
        let points = [1.0, 10.0, 100.0, 1000.0, 2000.0].map(|number| (number, of(number)));
        Series { name: "a <thing>".to_owned(), points: points.to_vec() }
    }

    #[test]
    fn a_slope_is_the_power() {
        let slope = |of| series(of).slope().expect("three figures say so");
        assert!((slope(|number| 3.0 * number) - 1.0).abs() < 1e-9);
        assert!((slope(|number| 0.1 * number.powf(1.5)) - 1.5).abs() < 1e-9);
        // What there is once for all is no part of it.
        assert!(slope(|number| if number < 50.0 { 100.0 } else { number }) > 0.99);
        assert_eq!(series(|_| 0.0).slope(), None);
        assert_eq!(Series::default().slope(), None);
    }

    #[test]
    fn every_series_is_drawn_within_the_page() {
        let panel = Panel {
            heading: "seconds".to_owned(),
            across: "hosts".to_owned(),
            series: vec![series(|number| number / 1000.0), series(|number| number * 3.0)],
        };
        let none = Panel { series: vec![series(|_| 0.0)], ..panel.clone() };
        let svg = draw("growth", &[panel, none]);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 10), "{svg}");
        assert!(svg.contains("a &lt;thing&gt;, slope 1.00") && svg.contains("nothing was measured"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let places =
            svg.split("cx=\"").skip(1).map(|rest| rest.split('"').next().expect("it ends").parse::<f64>());
        assert!(places.into_iter().all(|x| (LEFT..=RIGHT).contains(&x.expect("a number"))), "{svg}");
    }
}

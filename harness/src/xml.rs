//! Writes XML, and SVG, which is that. Pure.

use std::fmt::{Arguments, Write};

/// A text as XML 1.0 takes it, in attributes too. What XML cannot say at all becomes U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(xml, "&#{};", u32::from(c));
            }
            // XML 1.0, production 2.
            '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => xml.push(c),
            _ => xml.push('\u{fffd}'),
        }
    }
    xml
}

/// A text of at most so many characters: its beginning, if it is longer.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Adds a piece.
pub fn put(xml: &mut String, piece: Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = xml.write_fmt(piece);
}

/// The beginning of an SVG of that size, in CSS pixels, on white paper with its title at the top; `</svg>` ends it.
pub fn picture(width: f64, height: f64, title: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#222\">\n<title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
        escaped(title)
    );
    text(&mut svg, 24.0, 34.0, "start", " font-size=\"18\" font-weight=\"600\"", title);
    svg
}

/// Adds words to an SVG at a point, in its units; `anchor` is SVG's `text-anchor`, `more` further attributes, each behind a space.
pub fn text(svg: &mut String, x: f64, y: f64, anchor: &str, more: &str, words: &str) {
    let words = escaped(words);
    put(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{words}</text>\n"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_breaks_out(text in ".*") {
            let xml = escaped(&text);
            prop_assert!(!xml.contains(['<', '>', '"', '\n']));
            prop_assert!(xml.split('&').skip(1).all(|rest| rest.contains(';')));
        }
    }
}

//! JSON with the escapes of Go's encoder, which guards text against being pasted into HTML.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// Writes a value as Go's `json.Marshal` does.
pub(super) fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut text, Go)) {
        Ok(()) => text,
        Err(error) => unreachable!("a record is always JSON: {error}"),
    }
}

struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (place, char) in fragment.char_indices() {
            if matches!(char, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') {
                write!(writer, "{}\\u{:04x}", &fragment[plain..place], u32::from(char))?;
                plain = place + char.len_utf8();
            }
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => write!(writer, "\\u0008"),
            CharEscape::FormFeed => write!(writer, "\\u000c"),
            CharEscape::Quote => write!(writer, "\\\""),
            CharEscape::ReverseSolidus => write!(writer, "\\\\"),
            CharEscape::Solidus => write!(writer, "/"),
            CharEscape::LineFeed => write!(writer, "\\n"),
            CharEscape::CarriageReturn => write!(writer, "\\r"),
            CharEscape::Tab => write!(writer, "\\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        let text = String::from_utf8(to_vec(&"<nil> & \"x\\y\"\n\u{8}\u{1}é\u{2028}")).unwrap_or_default();
        assert_eq!(text, r#""\u003cnil\u003e \u0026 \"x\\y\"\n\u0008\u0001é\u2028""#);
    }
}

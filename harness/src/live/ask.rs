//! What a browser asks, and what it is answered: HTTP without its words. Pure.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::xml::escaped;

/// What a browser may do with what it gets: nothing but to load these files and to ask this lab. Trusted types make HTML out of text
/// impossible. What is shown of a lab in a picture of its own may have a style in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// A request, after the secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `GET`, `POST`.
    pub method: String,
    /// Without the query: `/lab/room`.
    pub path: String,
    /// As it was written.
    pub query: String,
    /// What came with it.
    pub body: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP's status.
    pub status: u16,
    /// By name.
    pub headers: Vec<(&'static str, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Ask {
    /// A parameter of the query; none: it is not there, or empty.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = pairs.into_iter().find(|(key, _)| *key == name)?.1.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
        (!value.is_empty()).then_some(value)
    }

    /// A parameter that is a number; one that is not is an error.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Reply> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        let wrong = |_| Reply::error(400, format!("`{name}` is no number that fits: {text}"));
        text.parse().map(Some).map_err(wrong)
    }

    /// Whether it stands in the query at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.query.split('&').any(|pair| pair.split('=').next() == Some(name))
    }
}

impl Reply {
    /// Bytes of a media type.
    pub(super) fn of(media: &str, body: impl Into<Vec<u8>>) -> Reply {
        let policy = if media == SVG { PICTURE_POLICY } else { POLICY };
        let headers = vec![
            ("content-type", media.to_owned()),
            ("content-security-policy", policy.to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("cross-origin-opener-policy", "same-origin".to_owned()),
            ("cross-origin-resource-policy", "same-origin".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Reply { status: 200, headers, body: body.into() }
    }

    /// A value, as JSON.
    pub(super) fn json(value: &impl Serialize) -> Reply {
        match serde_json::to_vec(value) {
            Ok(body) => Reply::of("application/json", body),
            Err(error) => Reply::error(500, error.to_string()),
        }
    }

    /// Why it is not answered.
    pub(super) fn error(status: u16, why: impl Into<String>) -> Reply {
        Reply { status, ..Reply::of("text/plain; charset=utf-8", why.into() + "\n") }
    }

    /// An error, for who asks for a picture: what is read as XML has to be that.
    pub(super) fn in_xml(self) -> Reply {
        let words = String::from_utf8_lossy(&self.body);
        let body = format!("<error>{}</error>\n", escaped(words.trim_end()));
        Reply { status: self.status, ..Reply::of("application/xml; charset=utf-8", body) }
    }

    /// To be kept as a file of that name.
    pub(super) fn attached(mut self, name: &str) -> Reply {
        self.headers.push(("content-disposition", format!("attachment; filename=\"{name}\"")));
        self
    }
}

/// The media type of pictures.
pub(super) const SVG: &str = "image/svg+xml";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn parameters_are_what_was_encoded() {
        let ask = Ask { query: "name=docker0%2F1-e1&to=a+b%26c&empty=&bare&n=7".into(), ..Ask::default() };
        assert_eq!(ask.parameter("name").as_deref(), Some("docker0/1-e1"));
        assert_eq!(ask.parameter("to").as_deref(), Some("a b&c"));
        assert_eq!((ask.parameter("empty"), ask.parameter("bare"), ask.has("bare")), (None, None, true));
        assert_eq!(ask.number::<u16>("n"), Ok(Some(7)));
        assert_eq!(ask.number::<u16>("none"), Ok(None));
        assert_eq!(ask.number::<u16>("to").unwrap_err().status, 400);
    }

    #[test]
    fn why_there_is_no_picture_is_said_in_xml() {
        let reply = Reply::error(404, "there is no <host> & none\nelse").in_xml();
        let body = String::from_utf8(reply.body).unwrap();
        assert_eq!(body, "<error>there is no &lt;host&gt; &amp; none&#10;else</error>\n");
        assert_eq!((reply.status, reply.headers[0].1.as_str()), (404, "application/xml; charset=utf-8"));
    }
}

//! Mistakes of a file, shown in the file's own text with carets under them.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::file::line_of;

/// Longest piece of a user's text repeated inside a sentence.
const LONGEST_QUOTE: usize = 60;

/// One mistake: what is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, as a lower-case sentence without a full stop.
    pub title: String,
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// A word under the carets.
    pub label: String,
    /// Another place that has to do with it.
    pub beside: Option<(Range<usize>, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(title: impl Into<String>, span: &Range<usize>, label: impl Into<String>) -> Self {
        Self { title: title.into(), span: span.clone(), label: label.into(), beside: None, help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn beside(mut self, span: &Range<usize>, label: impl Into<String>) -> Self {
        self.beside = Some((span.clone(), label.into()));
        self
    }
}

/// All mistakes found in one file, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    path: String,
    source: String,
    mistakes: Vec<Mistake>,
}

impl Report {
    pub(crate) fn new(path: &str, source: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.span.start);
        Self { path: path.to_owned(), source: source.to_owned(), mistakes }
    }

    /// The mistakes, in the order of the file.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// The line, counted from 1, of the first mistake.
    pub fn line(&self) -> usize {
        self.mistakes.first().map_or(1, |mistake| line_of(&self.source, mistake.span.start))
    }

    /// The report as text, for a terminal that shows colours.
    pub fn coloured(&self) -> String {
        self.render(&Renderer::styled())
    }

    /// The report as text without colours.
    pub fn plain(&self) -> String {
        self.render(&Renderer::plain())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let shown: Vec<String> =
            self.mistakes.iter().map(|mistake| renderer.render(&[self.group(mistake)])).collect();
        shown.join("\n\n")
    }

    fn group<'a>(&'a self, mistake: &'a Mistake) -> Group<'a> {
        let primary = AnnotationKind::Primary.span(self.fit(&mistake.span)).label(mistake.label.as_str());
        let mut snippet = Snippet::source(self.source.as_str()).path(self.path.as_str()).annotation(primary);
        if let Some((span, label)) = &mistake.beside {
            snippet = snippet.annotation(AnnotationKind::Context.span(self.fit(span)).label(label.as_str()));
        }
        let group = Level::ERROR.primary_title(mistake.title.as_str()).element(snippet);
        match &mistake.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// The span cut to its first line and to whole characters of the source, which is what the renderer takes.
    fn fit(&self, span: &Range<usize>) -> Range<usize> {
        let floor =
            |at: usize| (0..=at.min(self.source.len())).rev().find(|at| self.source.is_char_boundary(*at));
        let start = floor(span.start).unwrap_or(0);
        let end = floor(span.end.max(start)).unwrap_or(start);
        let line = self.source[start..end].find('\n').map_or(end, |newline| start + newline);
        start..line.max(start)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain())
    }
}

impl std::error::Error for Report {}

/// A user's text in backticks: on one line, and not endless.
pub(crate) fn quote(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_QUOTE).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", short.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"))
}

/// Names as a sentence has them: `` `a`, `b` and `c` ``.
pub(crate) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| quote(name.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

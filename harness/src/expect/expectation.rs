//! What is tried, how often, and what is said in the end.

use std::fmt::{Debug, Write};
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Holds, differences};
use crate::error::{Error, Kind, Result};
use crate::scenario::{Next, Patience};
use crate::topology::{parse_duration, show_duration};

/// Earlier values that are shown: the first one, and the last ones.
const EARLIER: usize = 5;
/// How long a single try may take when nothing else is said.
const LONGEST_TRY: Duration = Duration::from_mins(1);
/// Between two looks at what must not be so.
const PAUSE: Duration = Duration::from_millis(5);

/// A time: a [`Duration`], or a text such as `"500ms"`.
pub trait Time {
    /// The time, or why the text is none.
    fn time(self) -> Result<Duration>;
}

impl Time for Duration {
    fn time(self) -> Result<Duration> {
        Ok(self)
    }
}

impl Time for &str {
    fn time(self) -> Result<Duration> {
        parse_duration(self)
            .map_err(|why| Error::new(Kind::Input, format_args!("`{self}` is not a time: {why}")))
    }
}

/// Says whether a value is as expected.
pub trait Judge<T> {
    /// What is expected, in words.
    fn expected(&self) -> String;
    /// What came instead; nothing if the value is as expected.
    fn complaint(&self, value: &T) -> Option<String>;
}

/// The value says by itself whether it holds.
#[derive(Clone, Copy, Debug)]
pub struct ByItself;

impl<T: Holds> Judge<T> for ByItself {
    fn expected(&self) -> String {
        "that it holds".to_owned()
    }

    fn complaint(&self, value: &T) -> Option<String> {
        value.complaint()
    }
}

/// What came instead of what was expected, if so.
type Complain<T> = dyn Fn(&T) -> Option<String> + Send + Sync;

/// The value is compared.
pub struct Compared<T> {
    expected: String,
    complain: Box<Complain<T>>,
}

impl<T> Judge<T> for Compared<T> {
    fn expected(&self) -> String {
        self.expected.clone()
    }

    fn complaint(&self, value: &T) -> Option<String> {
        (self.complain)(value)
    }
}

/// Something that is expected: awaited, it is tried once. Made by [`expect!`](crate::expect!).
#[must_use = "nothing is tried until it is awaited"]
pub struct Expectation<'a, T, J = ByItself> {
    /// The expression, as it was written.
    text: String,
    tried: Box<dyn Fn() -> Trying<'a, T> + Send + Sync + 'a>,
    judge: J,
}

/// A try that is under way.
type Trying<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// An [`Expectation`] that lasts: it has to come true within a time, or must not.
#[must_use = "nothing is tried until it is awaited"]
pub struct Lasting<'a, T, J> {
    expectation: Expectation<'a, T, J>,
    time: Result<Duration>,
    wanted: Wanted,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Sooner or later.
    Within,
    /// At no time.
    Never,
    /// All the time.
    All,
}

impl<'a, T> Expectation<'a, T> {
    #[doc(hidden)]
    pub fn new<Tried>(text: &str, tried: impl Fn() -> Tried + Send + Sync + 'a) -> Self
    where
        Tried: Future<Output = Result<T>> + Send + 'a,
    {
        let tried = Box::new(move || -> Trying<'a, T> { Box::pin(tried()) });
        Expectation { text: one_line(text), tried, judge: ByItself }
    }

    /// It has to be so that `holds` says yes; `claim` says in words what that is.
    pub fn that(
        self,
        claim: &str,
        holds: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Expectation<'a, T, Compared<T>>
    where
        T: Debug,
    {
        self.compare(format!("that {claim}"), move |value| (!holds(value)).then(|| format!("{value:?}")))
    }

    /// It has to be equal to `wanted`.
    pub fn equals<W>(self, wanted: W) -> Expectation<'a, T, Compared<T>>
    where
        T: PartialEq<W> + Debug,
        W: Debug + Send + Sync + 'static,
    {
        let expected = format!("{wanted:?}");
        self.compare(expected, move |value| (*value != wanted).then(|| format!("{value:?}")))
    }

    /// As JSON it has to have these values: objects may have more keys, arrays have as many elements.
    pub fn json(self, part: serde_json::Value) -> Expectation<'a, T, Compared<T>>
    where
        T: serde::Serialize,
    {
        let expected = format!("JSON with {part}");
        self.compare(expected, move |value| {
            let value = match serde_json::to_value(value) {
                Ok(value) => value,
                Err(why) => return Some(why.to_string()),
            };
            let different = differences(&part, &value);
            (!different.is_empty()).then(|| different.join("\n"))
        })
    }

    fn compare(
        self,
        expected: String,
        complain: impl Fn(&T) -> Option<String> + Send + Sync + 'static,
    ) -> Expectation<'a, T, Compared<T>> {
        let judge = Compared { expected, complain: Box::new(complain) };
        Expectation { text: self.text, tried: self.tried, judge }
    }
}

impl<'a, T, J: Judge<T>> Expectation<'a, T, J> {
    /// It is tried again until it holds, at most so long; a try that began in time counts.
    pub fn within(self, time: impl Time) -> Lasting<'a, T, J> {
        Lasting { expectation: self, time: time.time(), wanted: Wanted::Within }
    }

    /// It must not hold at any time in this long; the last try begins at the end of that time.
    pub fn never(self, time: impl Time) -> Lasting<'a, T, J> {
        Lasting { expectation: self, time: time.time(), wanted: Wanted::Never }
    }

    /// It has to hold all this long.
    pub fn lasting(self, time: impl Time) -> Lasting<'a, T, J> {
        Lasting { expectation: self, time: time.time(), wanted: Wanted::All }
    }

    /// One try: the value, or what came instead.
    async fn attempt(&self, limit: Duration) -> Result<T, String> {
        let value = match timeout(limit, (self.tried)()).await {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no end within {}", show_duration(whole_millis(limit)))),
        };
        match self.judge.complaint(&value) {
            None => Ok(value),
            Some(complaint) => Err(complaint),
        }
    }

    async fn once(self) -> Result<()> {
        let begun = Instant::now();
        let tried = self.attempt(LONGEST_TRY).await;
        tried.map(drop).map_err(|got| self.unmet(&got, &[], begun.elapsed(), 1))
    }

    async fn tried_for(self, within: Option<Duration>, lasting: Option<Duration>) -> Result<()> {
        let begun = Instant::now();
        let mut patience = Patience::new(within, lasting);
        let mut earlier: Vec<(Duration, String)> = Vec::new();
        for tries in 1.. {
            let began = begun.elapsed();
            let tried = self.attempt(LONGEST_TRY).await;
            let next = patience.after(began, begun.elapsed(), tried.is_ok());
            match (next, tried) {
                (Next::Held, Ok(_)) => return Ok(()),
                (Next::Again(pause), tried) => {
                    if let Err(got) = tried
                        && earlier.last().is_none_or(|(_, last)| *last != got)
                    {
                        earlier.push((begun.elapsed(), got));
                    }
                    sleep(pause).await;
                }
                (next, tried) => {
                    let got = tried.err().unwrap_or_default();
                    earlier.pop_if(|(_, last)| *last == got);
                    let mut error = self.unmet(&got, &earlier, begun.elapsed(), tries);
                    if let Next::Lapsed(held) = next {
                        let held = show_duration(whole_millis(held));
                        error = Error::new(Kind::Unmet, format_args!("{error}\n  it had held for {held}"));
                    }
                    return Err(error);
                }
            }
        }
        unreachable!("tries are counted without end")
    }

    async fn never_in(self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let last = begun.elapsed() >= time;
            match self.attempt(LONGEST_TRY).await {
                Ok(_) => {
                    let after = show_duration(whole_millis(begun.elapsed()));
                    let said = format_args!("{}: it was never to hold, and did after {after}", self.text);
                    return Err(Error::new(Kind::Unmet, said));
                }
                Err(_) if last => return Ok(()),
                Err(_) => sleep(PAUSE.min(time.saturating_sub(begun.elapsed()))).await,
            }
        }
    }

    fn unmet(&self, got: &str, earlier: &[(Duration, String)], took: Duration, tries: u32) -> Error {
        let indented = got.replace('\n', "\n            ");
        let mut said =
            format!("{}\n  expected  {}\n  got       {indented}", self.text, self.judge.expected());
        for (number, (after, got)) in earlier.iter().enumerate() {
            if number == 0 || number + EARLIER > earlier.len() {
                let label = if number == 0 { "before" } else { "" };
                let first = got.lines().next().unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = write!(said, "\n  {label:<9} {:>8}  {first}", show_duration(whole_millis(*after)));
            }
        }
        if tries > 1 {
            let _ = write!(said, "\n  tried     {tries} times in {}", show_duration(whole_millis(took)));
        }
        Error::new(Kind::Unmet, said)
    }
}

impl<'a, T, J> IntoFuture for Expectation<'a, T, J>
where
    T: Send + 'a,
    J: Judge<T> + Send + Sync + 'a,
{
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.once())
    }
}

impl<'a, T, J> IntoFuture for Lasting<'a, T, J>
where
    T: Send + 'a,
    J: Judge<T> + Send + Sync + 'a,
{
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let time = self.time?;
            match self.wanted {
                Wanted::Within => self.expectation.tried_for(Some(time), None).await,
                Wanted::All => self.expectation.tried_for(None, Some(time)).await,
                Wanted::Never => self.expectation.never_in(time).await,
            }
        })
    }
}

fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

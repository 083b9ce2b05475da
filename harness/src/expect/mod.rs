//! Expectations that explain themselves.
//!
//! ```no_run
//! # async fn example(lab: harness::Lab) -> harness::Result {
//! use harness::expect;
//!
//! let (c0, c1) = (lab.container("C0")?, lab.container("C1")?);
//! expect!(c1.ping(&c0)).await?;                                      // now
//! expect!(c1.ping(&c0)).within("2s").await?;                         // tried again until it holds
//! expect!(lab.host("docker1")?.ping(c0.ip("demonet")?)).never("500ms").await?;
//! expect!(c1.exec(&["hostname"])).that("it is C1", |output| output.stdout == "C1\n").await?;
//! expect!(lab.network("demonet").await?.inspect().await?)
//!     .json(serde_json::json!({ "Driver": "overlay", "IPAM": { "Config": [{ "Subnet": "192.168.0.0/24" }] } }))
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! The expression is evaluated anew for each try; what it awaits and what it asks with `?` belongs to the try. It is a
//! value or something to be awaited, and the value says by itself whether it holds ([`Holds`]), or is compared:
//! [`Expectation::that`], [`Expectation::equals`], [`Expectation::json`].
//!
//! An expectation that is not met is an [`Error`](crate::Error) of kind [`Unmet`](crate::Kind::Unmet): what was expected, what
//! came last, how it changed on the way, and how long it took. Times are written as in files, `"2s"`, or are
//! [`Duration`](std::time::Duration)s.
//!
//! - `holds`: values that say by themselves whether they hold.
//! - `expectation`: what is tried, how often, and what is said in the end.
//! - `part`: what of a JSON value is not as it should be; pure.
//! - `settle`: a value, or what has to be awaited to be one.

mod expectation;
mod holds;
mod part;
mod settle;

pub use expectation::{ByItself, Compared, Expectation, Judge, Lasting, Time};
pub use holds::Holds;
pub(crate) use part::differences;
#[doc(hidden)]
pub use settle::{Await, Fallible, Given, Plain, Ready};

/// Expects something of an expression: see [`expect`](mod@crate::expect).
#[macro_export]
macro_rules! expect {
    ($tried:expr) => {
        $crate::expect::Expectation::new(stringify!($tried), || async {
            #[allow(
                unused_imports,
                clippy::allow_attributes,
                reason = "which of them depends on the expression"
            )]
            use $crate::expect::{Await as _, Fallible as _, Given, Plain as _, Ready as _};
            // What the expression borrows from lives as long as the match.
            let given = match Given::new($tried) {
                given => {
                    let settling = (&given).settle();
                    Given::new(settling.await)
                }
            };
            (&given).value()
        })
    };
}

//! A scenario: steps played on a lab, and what is expected of them.
//!
//! - `step`: a step as a value; `request`: what its verb asks for; `target`: whom it names.
//! - `fact`: what `check` and `[[always]]` look at.
//! - `outcome`: what came out of a step; `expect`: what is expected, and whether that is it; pure.
//! - `limit`: limits on shares and times.
//! - `text`: conditions on a text, with globs and JSON.
//! - `file`: the tables of a step as written.
//! - `check`: from those tables to steps.
//! - `verbs`, `targets`, `facts`, `faults`, `expectations`: its parts, one family of tables each.
//! - `run`: the steps played on a lab; `patience`: when one is tried again; `perform`: a verb done once.
//! - `look`: facts, looked up in kernel and store.
//! - `event`: what happens meanwhile.

mod check;
mod event;
mod expect;
mod expectations;
mod fact;
mod facts;
mod faults;
mod file;
mod limit;
mod look;
mod outcome;
mod patience;
mod perform;
mod request;
mod run;
mod step;
mod target;
mod targets;
mod text;
mod verbs;

pub use event::{Counts, EVENT_VERSION, Failure, RunEvent, Seen, StepEnd, Verdict};
pub use expect::{Expect, Mismatch};
pub use fact::{Check, Mac, Route};
pub use limit::{Bound, Percent};
pub use outcome::Outcome;
pub use request::{
    ContainerVerb, Exec, FaultVerb, HealVerb, KvVerb, NemesisVerb, NetworkVerb, Ping, Repeat, Resolve, Tcp,
    Udp, Wait,
};
pub use run::{Options, Played, play};
pub use step::{Step, Verb};
pub use target::{DNS, Destination, GATEWAY_BRIDGE, INTERNET, Listen, Target, Via};
pub use text::Text;

pub(crate) use check::check_scenario;
pub(crate) use file::{CheckTable, StepTable};
pub(crate) use look::findings;
pub(crate) use patience::{Next, Patience};

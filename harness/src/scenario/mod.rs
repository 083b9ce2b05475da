//! A scenario: steps played on a lab, and what is expected of them.
//!
//! - `step`: a step as a value, its verb and whom it names.
//! - `fact`: what `check` and `[[always]]` look at.
//! - `expect`: what a step expects, and whether an outcome is that; pure.
//! - `limit`: limits on shares, times and rates.
//! - `text`: conditions on a text, with globs and JSON.
//! - `file`: the tables of a step as written.
//! - `check`: from those tables to steps.
//! - `verbs`, `throughput`, `captures`, `diffs`, `hands`, `facts`, `faults`, `ailments` and `requests` (the store's), `expectations`: its parts, one family of tables each.
//! - `run`: the steps played on a lab; `patience`: when one is tried again; `act`: what is done at each try; `perform`: a verb done once.
//! - `look`: facts, looked up in kernel and store.
//! - `event`: what happens meanwhile.

mod act;
mod ailments;
mod captures;
mod check;
mod diffs;
mod event;
mod expect;
mod expectations;
mod fact;
mod facts;
mod faults;
mod file;
mod hands;
mod limit;
mod look;
mod patience;
mod perform;
mod requests;
mod run;
mod step;
mod text;
mod throughput;
mod verbs;

pub use event::{Counts, EVENT_VERSION, Failure, RunEvent, Seen, StepEnd, Verdict};
pub use expect::{Came, Expect, Mismatch, Outcome};
pub use fact::{Check, Route};
pub use limit::{Bound, Percent, Speed};
pub use run::{Options, Played, play};
pub use step::{
    Capture, ContainerVerb, DNS, Destination, Diff, Events, Exec, FaultVerb, GATEWAY_BRIDGE, HealVerb,
    INTERNET, IPV6, KvVerb, Listen, Load, NemesisVerb, NetworkVerb, Ping, Repeat, Resolve, Step, Target, Tcp,
    Throughput, Udp, Verb, Via, Wait,
};
pub use text::Text;

pub(crate) use captures::{check_filter, check_on};
pub(crate) use check::check_scenario;
pub(crate) use file::{CheckTable, StepTable};
pub(crate) use look::findings;
pub(crate) use patience::{Next, Patience};
pub(crate) use text::fits;

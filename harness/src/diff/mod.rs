//! What an operation has changed: two states of a lab's kernels, and what is otherwise in the second, object by object.
//!
//! ```no_run
//! # async fn changed(lab: harness::Lab) -> harness::Result {
//! use harness::diff::{Take, diff};
//!
//! let before = lab.state().await?;
//! lab.connect(harness::lab::Connect { container: "C0".into(), network: "second".into(), ..Default::default() }).await?;
//! let after = lab.state().await?;
//! for change in diff(&before, &after, Take::default()) {
//!     println!("{change}"); // C0: + address 10.5.0.2/24 dev eth2
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Objects are told apart by what makes them what they are: a link by its name, an address by itself and its link, a route by
//! where it leads, an entry of a forwarding database by its MAC and its table. So an entry that now leads to another VTEP has changed, and is not
//! one that went and one that came. What two kernels number as they like, indexes, says nothing and is left out; so are, unless
//! they are [asked for](Take), what kernels learn from traffic and what they count.
//!
//! - `object`: what there can be, and its name.
//! - `state`: all that there is, from what `lab inspect` has seen.
//! - `compare`: two of them compared; pure.
//! - `view`: a namespace as its kernel tells of it, change by change; pure.
//! - `change`: what came of it, for people and as JSON.

mod change;
mod compare;
mod object;
mod state;
mod view;

pub use change::{Change, Changes, Field, What};
pub use compare::{Take, diff};
pub use object::{Kind, Object, Value};
pub use state::{Entry, State};
pub(crate) use view::View;

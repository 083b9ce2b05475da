//! What the layers between two containers cost: the same traffic over a loopback, a bare veth, a switch, VXLAN, NAT and an
//! impaired wire.
//!
//! ```no_run
//! # async fn example() -> harness::Result {
//! use harness::layers::{Effort, Stack};
//!
//! let stack = Stack::up(Stack::topology(1500)?).await?;
//! for (layer, of) in stack.layers() {
//!     let sample = stack.sample(layer, &Effort::default()).await?;
//!     println!("{layer} ({of}): {:.2} Gbit/s", sample.streams.bits_per_second() / 1e9);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Machines drift, so layers are compared by samples that were taken in turns: [`Series`] is what one layer has shown, and its
//! ratios are those of samples of one round.
//!
//! - `layer`: the layers; `stack`: a lab that has them, and samples of them; `series`: what samples say together, pure;
//!   `machine`: the machine in a line.

mod layer;
mod machine;
mod series;
mod stack;

pub use layer::Layer;
pub use machine::Machine;
pub use series::Series;
pub use stack::{Effort, Sample, Stack};

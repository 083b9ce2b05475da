//! `lab fault kv`: a store that serves badly, or begins anew.

use std::time::Duration;

use clap::{Args, Subcommand};
use harness::fault::{Ailment, Comeback, KvFault};
use harness::topology::HostName;
use harness::{Error, Kind};

use crate::args::duration;

/// `lab fault kv …`.
#[derive(Debug, Args)]
pub(crate) struct Kv {
    /// Only for whoever asks from this host (default: for everybody).
    #[arg(long, value_name = "HOST", global = true)]
    host: Option<HostName>,
    #[command(subcommand)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum How {
    /// Every answer comes later; what is asked for is done at once.
    Delay {
        /// How much later: `300ms`.
        #[arg(value_parser = duration)]
        time: Duration,
    },
    /// Nothing is done, and every answer is that of a Consul without a leader.
    Error,
    /// Close connections on which a query blocks.
    DropWatches,
    /// Let queries that block sleep until it is healed or their wait is over.
    StallWatches,
    /// Answer reads from the state at this moment; writes are done.
    Stale,
    /// Reset connections.
    Refuse,
    /// End the store's process and begin another one; there is nothing to heal.
    Restart {
        /// `empty`, or from its `disk`.
        with: Comeback,
    },
}

impl Kv {
    /// What is asked for.
    pub(crate) fn fault(self) -> harness::Result<KvFault> {
        let how = match self.how {
            How::Delay { time } => Ailment::Delay(time),
            How::Error => Ailment::Error,
            How::DropWatches => Ailment::DropWatches,
            How::StallWatches => Ailment::StallWatches,
            How::Stale => Ailment::Stale,
            How::Refuse => Ailment::Refuse,
            How::Restart { .. } if self.host.is_some() => {
                return Err(Error::new(Kind::Input, "a store begins anew for everybody; leave --host out"));
            }
            How::Restart { with } => return Ok(KvFault::Restart(with)),
        };
        Ok(KvFault::Ails { how, host: self.host })
    }
}

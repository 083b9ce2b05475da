//! `lab kv trace`: what the store was asked.

use std::process::ExitCode;

use clap::Args;
use harness::consul::{Sought, Traced};
use harness::control::Request;
use harness::topology::HostName;
use serde_json::Value;

use crate::choose::Scope;
use crate::logs;

/// `lab kv trace …`.
#[derive(Debug, Args)]
#[command(
    after_help = "A request is shown when it is answered, or its connection has ended. Of a transaction, one operation has to be what is \
                        looked for. Which container asks is not known unless it says so: `X-Lab-Container: C0`."
)]
pub(crate) struct Trace {
    /// Go on with what comes.
    #[arg(long, short)]
    follow: bool,
    /// Only from this host.
    #[arg(long, value_name = "HOST")]
    host: Option<HostName>,
    /// Only from this container, as it says itself.
    #[arg(long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Only by this method: `PUT`.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only of keys that this glob fits: `docker/nodes/*`.
    #[arg(long, value_name = "GLOB")]
    key: Option<String>,
    /// Only of keys that this glob does not fit.
    #[arg(long, value_name = "GLOB")]
    not_key: Option<String>,
    /// Only what writes keys.
    #[arg(long)]
    writes: bool,
    /// Only with this status.
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
}

pub(crate) fn main(scope: &Scope, verb: Trace) -> anyhow::Result<ExitCode> {
    let Trace { follow, host, container, method, key, not_key, writes, status } = verb;
    let sought = Sought { host, container, method, key, not_key, writes, status };
    logs::each(scope, &Request::Trace { sought, follow }, line)
}

fn line(item: &Value) -> String {
    match serde_json::from_value::<Traced>(item.clone()) {
        Ok(traced) => format!("{}  {traced}", traced.at),
        Err(_) => item.to_string(),
    }
}

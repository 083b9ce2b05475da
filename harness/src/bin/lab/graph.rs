//! `lab graph`: the lab as a picture.

use std::process::ExitCode;

use harness::control::Request;
use harness::graph::{Format, Graph};

use crate::choose::Scope;
use crate::print;

/// `lab graph`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Hosts, the namespaces in them, interfaces, and what joins them, as the kernels have it. A lab of more than 24 hosts is \
                  folded: a box a host. The same lab is the same text.\n\nExamples:\n  \
                  lab graph\n  \
                  lab graph --format svg >lab.svg\n  \
                  lab graph --format dot | dot -Tpdf >lab.pdf"
)]
pub(crate) struct Show {
    /// `text`, `svg`, `mermaid` or `dot`.
    #[arg(long, short, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn main(scope: &Scope, verb: &Show) -> anyhow::Result<ExitCode> {
    let graph: Graph = scope.client()?.get(&Request::Graph)?;
    if scope.json {
        print::json(&graph)?;
    } else {
        print::text(graph.show(verb.format))?;
    }
    Ok(ExitCode::SUCCESS)
}

//! `lab ui`: the lab's page with its store's key browser, for a browser of this machine.

use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use clap::Args;
use harness::control::{Client, Request};
use harness::live::{Desk, Door};
use harness::state::Home;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::choose::Scope;
use crate::{VERSION, fault, print};

/// `lab ui`.
#[derive(Debug, Args)]
#[command(
    after_help = "Everybody on this machine can connect to its loopback; the address that is printed has a secret in it, and \
                  without that nothing is answered. The secret is another one each time."
)]
pub(crate) struct Ui {
    /// The port of the loopback (default: one that is free).
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

pub(crate) fn main(scope: &Scope, args: &Ui) -> anyhow::Result<ExitCode> {
    let (home, _) = scope.find()?;
    let mut line = Client::connect(&home)?;
    // Nothing is sent unasked: what ends this connection is the lab's end.
    drop(line.ask(&Request::Faults)?);
    let desk = Desk::open(&home, fault::read)?;
    let (end, ended) = oneshot::channel();
    thread::spawn(move || {
        line.outlast();
        end.send(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let at = |port| if port == 0 { "a port".to_owned() } else { format!("port {port}") };
        let door = Door::open(args.port).await;
        let door = door.with_context(|| format!("cannot listen at {} of the loopback", at(args.port)))?;
        if scope.json {
            print::line(json!({ "version": VERSION, "url": door.url() }))?;
        } else {
            print::line(door.url())?;
        }
        let lab = home.clone();
        tokio::select! {
            served = door.serve(Some(desk), move || dial(lab.clone())) => served.context("cannot accept connections")?,
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = ended => print::note(format_args!("lab {} went down", home.name())),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A connection to the store of the lab whose directory that is.
async fn dial(home: Home) -> Result<TcpStream, String> {
    let ask = move || Client::connect(&home)?.ask(&Request::DialStore);
    let answer =
        tokio::task::spawn_blocking(ask).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let socket = answer.fds.into_iter().next().ok_or("the lab's answer lacks something")?;
    let stream = std::net::TcpStream::from(socket);
    // The other end's description of it is the same one, and does not block already.
    TcpStream::from_std(stream).map_err(|e| e.to_string())
}

//! The lab's store under load, beside etcd where that is installed: a table. Not a criterion bench: the figures are the result,
//! not their change.
//!
//! Each server is a process of its own and is asked over the loopback device, through HTTP/1.1 and JSON, by the same client, which
//! is part of the load: on two cores it takes one. Every put writes another value of 40 bytes to one of 1,000 keys.
//!
//! - `server`: who is asked: this executable again, or etcd
//! - `client`: one connection, with next to no cost of its own
//! - `load`: what is measured

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod client;
mod load;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use load::{Load, median};
use server::Server;

/// How long each rate is measured, and how often; the median counts.
const SPAN: Duration = Duration::from_secs(2);
const RUNS: usize = 3;

fn main() -> ExitCode {
    if let Some(served) = server::asked() {
        return served;
    }
    // As criterion: `--test` runs it once, small, for its own sake.
    let small = std::env::args().any(|argument| argument == "--test");
    let load = if small { Load::small() } else { Load::whole(SPAN, RUNS) };
    let directory =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the disk of the build");
    let mut servers = vec![Server::memory(), Server::disk(&directory.path().join("store"))];
    match Server::etcd(&directory.path().join("etcd")) {
        Ok(etcd) => servers.push(etcd),
        Err(why) => println!("without etcd: {why}"),
    }

    print!("{:<44}", "");
    for server in &servers {
        print!(" {:>12}", server.name);
    }
    println!();
    let row = |what: &str, measure: &mut dyn FnMut(&mut Server) -> String| {
        print!("{what:<44}");
        for server in &mut servers {
            print!(" {:>12}", measure(server));
        }
        println!();
    };
    table(row, &load);
    ExitCode::SUCCESS
}

fn table(mut row: impl FnMut(&str, &mut dyn FnMut(&mut Server) -> String), load: &Load) {
    let rate = |rate: f64| format!("{rate:.0}/s");
    let time = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.2?}"));
    row("start, until the first answer", &mut |server| time(median(load.starts(server))));
    for clients in [1, 16, 64] {
        row(&format!("puts, {clients} clients"), &mut |server| rate(load.puts(server, clients)));
    }
    for clients in [1, 16] {
        row(&format!("gets, {clients} clients"), &mut |server| rate(load.gets(server, clients)));
    }
    row("reads with a put that compares, 64 clients", &mut |server| rate(load.compares(server, 64)));
    row("a put, until a watcher has it: median", &mut |server| time(median(load.told(server))));
    let watchers = load.watchers;
    row(&format!("a put, until {watchers} watchers have it"), &mut |server| time(median(load.woken(server))));
}

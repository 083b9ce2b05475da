//! The lab's store under load, in memory and on disk, beside etcd where that is installed: each thing with one server after
//! another, in one run.
//!
//! Each server is a process of its own and is asked over the loopback device, through HTTP/1.1 and JSON, by the same client, which
//! is part of the load: on two cores it takes one. Every put writes another value of 40 bytes to one of 1,000 keys.
//!
//! - `server`: who is asked: this executable again, or etcd
//! - `client`: one connection, with next to no cost of its own
//! - `request`: what is asked, in the words of either
//! - `load`: what is measured

mod client;
mod load;
mod request;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use load::Load;
use server::Server;

fn main() -> ExitCode {
    if let Some(served) = server::asked() {
        return served;
    }
    let mut criterion = Criterion::default().configure_from_args();
    // As criterion: `--test` runs all of it once, small, for its own sake.
    let load =
        if std::env::args().any(|argument| argument == "--test") { Load::small() } else { Load::whole() };
    let directory =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the disk of the build");
    let mut servers = vec![Server::memory(), Server::disk(&directory.path().join("store"))];
    match Server::etcd(&directory.path().join("etcd")) {
        Ok(etcd) => servers.push(etcd),
        Err(why) => eprintln!("without etcd: {why}"),
    }

    for clients in [1, 16, 64] {
        let name = format!("store: puts, {clients} clients");
        each(&mut criterion, &name, &mut servers, |server, times| Some(load.puts(server, clients, times)));
    }
    load.fill(&servers);
    servers.push(Server::fixed());
    for clients in [1, 16] {
        let name = format!("store: gets, {clients} clients");
        each(&mut criterion, &name, &mut servers, |server, times| Some(load.gets(server, clients, times)));
    }
    servers.pop();
    let name = "store: reads with a put that compares, 64 clients";
    each(&mut criterion, name, &mut servers, |server, times| Some(load.compares(server, 64, times)));
    let name = "store: start, until the first answer";
    each(&mut criterion, name, &mut servers, |server, times| load.starts(server, times));
    for watchers in [1, load.watchers] {
        let who =
            if watchers == 1 { "a watcher has".to_owned() } else { format!("{watchers} watchers have") };
        let name = format!("store: a put, until {who} it");
        each(&mut criterion, &name, &mut servers, |server, times| Some(load.woken(server, watchers, times)));
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}

/// Measures one thing with all servers; `measure` says how long so many of it took, or nothing of a server that it leaves out.
fn each(
    criterion: &mut Criterion,
    what: &str,
    servers: &mut [Server],
    mut measure: impl FnMut(&mut Server, u64) -> Option<Duration>,
) {
    let mut group: BenchmarkGroup<WallTime> = criterion.benchmark_group(what);
    group.sampling_mode(SamplingMode::Flat).sample_size(10).throughput(Throughput::Elements(1));
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for server in servers {
        if measure(server, 1).is_some() {
            group.bench_function(server.name, |bencher| {
                bencher.iter_custom(|times| measure(server, times).unwrap_or_default());
            });
        }
    }
    group.finish();
}

//! Who is asked: the lab's store, as a process of its own, or etcd.

#![expect(clippy::print_stdout, reason = "a server says to the bench where it listens, and how many wait")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use harness::consul;
use overlay::Gate;
use overlay::kv::memory::Shared;
use overlay::kv::store::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Names where the store that this executable is to be keeps its state; empty: nowhere.
const SERVE: &str = "BENCH_STORE";
/// Instead of a directory: no store at all.
const FIXED: &str = "-";
/// What is answered to any request by a server that is no store.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n[{\"Value\":\"\"}]";
/// etcd takes a second or two.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// `/v1/kv/`.
    Consul,
    /// The JSON face of etcd's third API, `/v3/kv/`.
    Etcd,
}

/// A server, until it is dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) speech: Speech,
    kind: Kind,
    child: Child,
    said: Option<BufReader<ChildStdout>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Store(PathBuf),
    Etcd,
}

impl Server {
    pub(crate) fn memory() -> Server {
        Server::store("in memory", PathBuf::new())
    }

    pub(crate) fn disk(directory: &Path) -> Server {
        Server::store("on disk", directory.to_owned())
    }

    /// No store: a bare socket, and an answer that is always the same. What it takes is the kernel's, and the client's.
    pub(crate) fn fixed() -> Server {
        Server::store("a fixed answer", PathBuf::from(FIXED))
    }

    fn store(name: &'static str, directory: PathBuf) -> Server {
        let (child, said, addr) = start(&directory);
        Server { name, addr, speech: Speech::Consul, kind: Kind::Store(directory), child, said: Some(said) }
    }

    /// One etcd, alone, which syncs before it answers; or why there is none.
    pub(crate) fn etcd(directory: &Path) -> Result<Server, String> {
        let [clients, peers] = [(), ()].map(|()| free());
        let [addr, peer] = [clients, peers].map(|addr| format!("http://{addr}"));
        let child = Command::new("etcd")
            .arg("--data-dir")
            .arg(directory)
            .args([
                "--listen-client-urls",
                &addr,
                "--advertise-client-urls",
                &addr,
                "--listen-peer-urls",
                &peer,
            ])
            .args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("default={peer}")])
            .args(["--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("it cannot be started: {error}"))?;
        let server =
            Server { name: "etcd", addr: clients, speech: Speech::Etcd, kind: Kind::Etcd, child, said: None };
        let begun = Instant::now();
        while TcpStream::connect(server.addr).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("it does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Another one like it, as it is when it first listens. Not etcd, whose start is an election.
    pub(crate) fn again(&self) -> Option<Server> {
        match &self.kind {
            Kind::Store(directory) if directory.as_os_str().is_empty() => Some(Server::memory()),
            Kind::Store(directory) => Some(Server::disk(&directory.with_extension("again"))),
            Kind::Etcd => None,
        }
    }

    /// Waits until so many queries are blocked there. etcd says so itself, to each.
    pub(crate) fn await_blocked(&mut self, count: usize) {
        let (Some(said), Some(ask)) = (&mut self.said, &mut self.child.stdin) else { return };
        let mut line = String::new();
        while line.trim().parse() != Ok(count) {
            line.clear();
            ask.write_all(b"blocked?\n").expect("the store listens");
            said.read_line(&mut line).expect("the store says");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(directory: &Path) -> (Child, BufReader<ChildStdout>, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().expect("this executable"))
        .env(SERVE, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut said = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("it says where it listens");
    (child, said, line.trim().parse().expect("an address"))
}

/// An address that was free just now.
fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    listener.local_addr().expect("it is bound")
}

/// Serves, if this process was started for that, until nobody wants it any more.
pub(crate) fn asked() -> Option<ExitCode> {
    let directory = std::env::var_os(SERVE)?;
    // One thread, as the load has: with more of them than cores, what is measured is how they take turns.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let listener = socket.listen(4096).expect("a listener");
        println!("{}", listener.local_addr().expect("it is bound"));
        if directory == FIXED {
            return answer_all(listener).await;
        }
        let store = if directory.is_empty() {
            Shared::new(Config::default())
        } else {
            Shared::open(Path::new(&directory), Config::default()).expect("a directory of its own")
        };
        let served = store.clone();
        tokio::spawn(consul::serve(listener, served, consul::Config::default(), Gate::default()));
        let questions = move || {
            for _ in std::io::stdin().lines().map_while(Result::ok) {
                println!("{}", store.blocked());
            }
        };
        tokio::task::spawn_blocking(questions).await.expect("it does not panic");
    });
    Some(ExitCode::SUCCESS)
}

/// Answers whatever comes, until this process is killed.
async fn answer_all(listener: tokio::net::TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            stream.set_nodelay(true).expect("a socket");
            let mut request = [0; 4096];
            // The client sends a request in one piece, and the next when it has the answer.
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                if stream.write_all(ANSWER).await.is_err() {
                    break;
                }
            }
        });
    }
}

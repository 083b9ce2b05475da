//! What is measured: how long so many of something take, by so many clients at once.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::{Client, number};
use super::request::{KEYS, compare, get, get_or_none, key, put, watch, watch_etcd};
use super::server::{Server, Speech};

/// Of descriptors, what the client needs beside its connections.
const OTHERS: usize = 200;

/// How much of it.
pub(crate) struct Load {
    pub(crate) watchers: usize,
    runtime: Runtime,
}

impl Load {
    /// Enough to be a figure.
    pub(crate) fn whole() -> Load {
        Load { watchers: 10_000.min(descriptors() - OTHERS), runtime: runtime() }
    }

    /// Enough to see that it runs.
    pub(crate) fn small() -> Load {
        Load { watchers: 100, runtime: runtime() }
    }

    /// From the start of a process until it has answered. Not of etcd.
    pub(crate) fn starts(&self, server: &Server, times: u64) -> Option<Duration> {
        let mut all = Duration::ZERO;
        for _ in 0..times {
            let begun = Instant::now();
            let fresh = server.again()?;
            self.runtime.block_on(async {
                let get = b"GET /v1/status/leader HTTP/1.1\r\nHost: c\r\n\r\n";
                Client::connect(fresh.addr, 0).await.ask(get).await;
            });
            all += begun.elapsed();
        }
        Some(all)
    }

    pub(crate) fn puts(&self, server: &Server, clients: usize, times: u64) -> Duration {
        let speech = server.speech;
        self.all(server, clients, times, async move |client, turn| {
            client.ask(&put(speech, &key(turn), turn)).await;
        })
    }

    /// Writes every key of every server.
    pub(crate) fn fill(&self, servers: &[Server]) {
        for server in servers {
            self.puts(server, 1, KEYS as u64);
        }
    }

    pub(crate) fn gets(&self, server: &Server, clients: usize, times: u64) -> Duration {
        let speech = server.speech;
        self.all(server, clients, times, async move |client, turn| {
            let answer = client.ask(&get(speech, &key(turn))).await;
            assert!(answer.contains("alue\":\""), "{answer}");
        })
    }

    /// Each client reads a key of its own and writes it if nobody else has.
    pub(crate) fn compares(&self, server: &Server, clients: usize, times: u64) -> Duration {
        let speech = server.speech;
        self.all(server, clients, times, async move |client, turn| {
            let key = format!("own{}", turn % clients);
            let read = client.ask(&get_or_none(speech, &key)).await;
            let known = match speech {
                Speech::Consul => number(&read, "\"ModifyIndex\""),
                Speech::Etcd => number(&read, "\"mod_revision\""),
            };
            let written = client.ask(&compare(speech, &key, turn, known.unwrap_or(0))).await;
            assert!(written.contains("true"), "{written}");
        })
    }

    /// From a put until all who watch have their answer.
    pub(crate) fn woken(&self, server: &mut Server, watchers: usize, times: u64) -> Duration {
        let (speech, addr) = (server.speech, server.addr);
        let mut writer = self.runtime.block_on(Client::connect(addr, 0));
        self.runtime.block_on(writer.ask(&put(speech, "watched", 0)));
        let mut clients = self.connected(server, watchers);
        if speech == Speech::Etcd {
            self.runtime.block_on(async {
                for client in &mut clients {
                    client.send(&watch_etcd()).await;
                    client.until("\"created\":true").await;
                }
            });
        }
        let mut all = Duration::ZERO;
        for turn in 1..=times {
            let read = self.runtime.block_on(writer.ask(&get(speech, "watched")));
            if speech == Speech::Consul {
                let query = watch(number(&read, "x-consul-index").expect("an index"));
                self.runtime.block_on(async {
                    for client in &mut clients {
                        client.send(&query).await;
                    }
                });
                server.await_blocked(watchers);
            }
            let request = put(speech, "watched", usize::try_from(turn).unwrap_or_default());
            let (back, elapsed) = self.runtime.block_on(async {
                let begun = Instant::now();
                let mut waiting = JoinSet::new();
                for mut client in clients.drain(..) {
                    waiting.spawn(async move {
                        match speech {
                            Speech::Consul => drop(client.answer().await),
                            Speech::Etcd => client.until("\"events\":").await,
                        }
                        client
                    });
                }
                writer.ask(&request).await;
                (waiting.join_all().await, begun.elapsed())
            });
            clients = back;
            all += elapsed;
        }
        all
    }

    /// How long it takes to do something so often, by so many clients.
    fn all(
        &self,
        server: &Server,
        clients: usize,
        times: u64,
        act: impl AsyncFn(&mut Client, usize) + Copy + 'static,
    ) -> Duration {
        let (addr, times) = (server.addr, usize::try_from(times).expect("it is counted"));
        let local = tokio::task::LocalSet::new();
        let took = local.run_until(async move {
            let mut connected = Vec::new();
            for number in 0..clients {
                connected.push(Client::connect(addr, number).await);
            }
            let begun = Instant::now();
            let working = connected.into_iter().enumerate().map(|(number, mut client)| {
                tokio::task::spawn_local(async move {
                    for turn in (number..times).step_by(clients) {
                        act(&mut client, turn).await;
                    }
                })
            });
            for client in working.collect::<Vec<_>>() {
                client.await.expect("it does not panic");
            }
            begun.elapsed()
        });
        self.runtime.block_on(took)
    }

    /// So many clients, which connect behind one another in hundreds.
    fn connected(&self, server: &Server, count: usize) -> Vec<Client> {
        let addr = server.addr;
        self.runtime.block_on(async {
            let mut clients = Vec::new();
            while clients.len() < count {
                let next = clients.len()..count.min(clients.len() + 100);
                // The writer is another one at the first address.
                let connecting = next.map(|number| Client::connect(addr, number + 100));
                clients.extend(connecting.collect::<JoinSet<_>>().join_all().await);
            }
            clients
        })
    }
}

/// One thread: the load takes one core at most.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024)
}

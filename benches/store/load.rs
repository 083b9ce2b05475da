//! What is measured: rates by so many clients at once, and times of single things.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::{Client, number};
use super::server::{Server, Speech};

const KEYS: usize = 1000;
/// Of descriptors, what the client needs beside its connections.
const OTHERS: usize = 200;

/// How much of it.
pub(crate) struct Load {
    span: Duration,
    runs: usize,
    times: usize,
    pub(crate) watchers: usize,
    runtime: Runtime,
}

impl Load {
    /// Enough to be a figure.
    pub(crate) fn whole(span: Duration, runs: usize) -> Load {
        Load { span, runs, times: 1000, watchers: 10_000.min(descriptors() - OTHERS), runtime: runtime() }
    }

    /// Enough to see that it runs.
    pub(crate) fn small() -> Load {
        Load { span: Duration::from_millis(50), runs: 1, times: 3, watchers: 100, runtime: runtime() }
    }

    /// From the start of a process until it has answered.
    pub(crate) fn starts(&self, server: &Server) -> Vec<Duration> {
        let once = |_| {
            let begun = Instant::now();
            let fresh = server.again()?;
            self.runtime.block_on(async {
                let get = b"GET /v1/status/leader HTTP/1.1\r\nHost: c\r\n\r\n";
                Client::connect(fresh.addr, 0).await.ask(get).await;
            });
            Some(begun.elapsed())
        };
        (0..self.times.min(30)).filter_map(once).collect()
    }

    pub(crate) fn puts(&self, server: &Server, clients: usize) -> f64 {
        let speech = server.speech;
        self.rate(server, clients, async move |client, turn| {
            client.ask(&put(speech, &key(turn), turn)).await;
        })
    }

    pub(crate) fn gets(&self, server: &Server, clients: usize) -> f64 {
        let speech = server.speech;
        self.runtime.block_on(async {
            let mut client = Client::connect(server.addr, 0).await;
            for turn in 0..KEYS {
                client.ask(&put(speech, &key(turn), turn)).await;
            }
        });
        self.rate(server, clients, async move |client, turn| {
            let answer = client.ask(&get(speech, &key(turn))).await;
            assert!(answer.contains("alue\":\""), "{answer}");
        })
    }

    /// Each client reads a key of its own and writes it if nobody else has.
    pub(crate) fn compares(&self, server: &Server, clients: usize) -> f64 {
        let speech = server.speech;
        self.rate(server, clients, async move |client, turn| {
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

    /// From a put until one who watches has the answer.
    pub(crate) fn told(&self, server: &mut Server) -> Vec<Duration> {
        self.woken_by(server, 1, self.times)
    }

    /// From a put until all who watch have theirs.
    pub(crate) fn woken(&self, server: &mut Server) -> Vec<Duration> {
        self.woken_by(server, self.watchers, self.times.min(10))
    }

    fn woken_by(&self, server: &mut Server, watchers: usize, times: usize) -> Vec<Duration> {
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
        let mut took = Vec::new();
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
            let request = put(speech, "watched", turn);
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
            took.push(elapsed);
        }
        took
    }

    /// How often a second something is done by so many clients: the median of some runs.
    fn rate(
        &self,
        server: &Server,
        clients: usize,
        act: impl AsyncFn(&mut Client, usize) + Copy + 'static,
    ) -> f64 {
        let mut rates: Vec<f64> = (0..self.runs).map(|_| self.rate_once(server, clients, act)).collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    fn rate_once(
        &self,
        server: &Server,
        clients: usize,
        act: impl AsyncFn(&mut Client, usize) + Copy + 'static,
    ) -> f64 {
        let (addr, span) = (server.addr, self.span);
        let local = tokio::task::LocalSet::new();
        let done = local.run_until(async move {
            let mut connected = Vec::new();
            for number in 0..clients {
                connected.push(Client::connect(addr, number).await);
            }
            let begun = Instant::now();
            let working = connected.into_iter().enumerate().map(|(number, mut client)| {
                tokio::task::spawn_local(async move {
                    let mut turn = number;
                    while begun.elapsed() < span {
                        act(&mut client, turn).await;
                        turn += clients;
                    }
                    turn / clients
                })
            });
            let working: Vec<_> = working.collect();
            let mut done = 0;
            for client in working {
                done += client.await.expect("it does not panic");
            }
            #[expect(clippy::cast_precision_loss, reason = "a few millions")]
            let done = done as f64;
            done / begun.elapsed().as_secs_f64()
        });
        self.runtime.block_on(done)
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

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024)
}

fn key(turn: usize) -> String {
    format!("bench/{}", turn % KEYS)
}

/// Another one each time.
fn value(turn: usize) -> String {
    format!("{turn:040}")
}

fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nHost: store\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn put(speech: Speech, key: &str, turn: usize) -> Vec<u8> {
    match speech {
        Speech::Consul => request("PUT", &format!("/v1/kv/{key}"), &value(turn)),
        Speech::Etcd => {
            let (key, value) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(value(turn)));
            request("POST", "/v3/kv/put", &format!(r#"{{"key":"{key}","value":"{value}"}}"#))
        }
    }
}

fn get(speech: Speech, key: &str) -> Vec<u8> {
    match speech {
        Speech::Consul => request("GET", &format!("/v1/kv/{key}"), ""),
        Speech::Etcd => {
            let key = BASE64_STANDARD.encode(key);
            request("POST", "/v3/kv/range", &format!(r#"{{"key":"{key}"}}"#))
        }
    }
}

/// A read that is answered by 200 also where there is nothing.
fn get_or_none(speech: Speech, key: &str) -> Vec<u8> {
    match speech {
        Speech::Consul => {
            let ops = format!(r#"[{{"KV":{{"Verb":"get-or-empty","Key":"{key}"}}}}]"#);
            request("PUT", "/v1/txn", &ops)
        }
        Speech::Etcd => get(speech, key),
    }
}

fn compare(speech: Speech, key: &str, turn: usize, known: u64) -> Vec<u8> {
    match speech {
        Speech::Consul => request("PUT", &format!("/v1/kv/{key}?cas={known}"), &value(turn)),
        Speech::Etcd => {
            let (key, value) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(value(turn)));
            let when = format!(r#"{{"key":"{key}","target":"MOD","mod_revision":"{known}"}}"#);
            let then = format!(r#"{{"requestPut":{{"key":"{key}","value":"{value}"}}}}"#);
            request("POST", "/v3/kv/txn", &format!(r#"{{"compare":[{when}],"success":[{then}]}}"#))
        }
    }
}

fn watch(index: u64) -> Vec<u8> {
    request("GET", &format!("/v1/kv/watched?index={index}&wait=600s"), "")
}

fn watch_etcd() -> Vec<u8> {
    let key = BASE64_STANDARD.encode("watched");
    request("POST", "/v3/watch", &format!(r#"{{"create_request":{{"key":"{key}"}}}}"#))
}

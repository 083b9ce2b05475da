//! Consul's clients in Rust, as their users use them, on the lab's own store: can they tell it from a Consul?
//!
//! Not part of the default build, since they bring 200 crates with them, curl and OpenSSL among these; `ci/consul-clients`
//! runs it. `tests/rs_consul.rs`: keys, locks, sessions, queries that block; `tests/consul_rs.rs`: services and their health.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use harness::consul::{Config, serve};
use overlay::Gate;
use overlay::kv::{memory::Shared, store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A store on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct Store {
    addr: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Store {
    /// An empty one.
    pub async fn start() -> io::Result<Store> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let store = Shared::new(store::Config::default());
        let server = tokio::spawn(serve(listener, store, Config::default(), Gate::default()));
        Ok(Store { addr, server })
    }

    /// Where it is, as clients want it told.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.server.abort();
    }
}

//! The key/value store as an engine sees it: a Consul, or a store in memory with the same rules.
//!
//! - [`store`]: the rules, pure
//! - [`memory`]: the rules with a clock and blocking queries, shared
//! - [`log`]: what of it is kept on disk
//! - [`consul`]: the same requests over HTTP
//! - [`keys`]: Docker's layout
//! - [`record`]: Docker's documents
//! - [`Error`]: what can go wrong

pub mod consul;
mod error;
pub mod keys;
pub mod log;
pub mod memory;
pub mod record;
pub mod store;

pub use error::Error;

use std::time::Duration;

/// The number that libkv, Docker's store library, writes as the flags of every key (libkv
/// `store/consul/consul.go`, `api.LockFlagValue`); seen in a Docker Engine 20.10.
pub const FLAGS: u64 = 0x2ddc_cbc0_58a5_0c18;
/// Lock-delay of the sessions that Docker makes (libkv `store/consul/consul.go`, `renewSession`).
const LOCK_DELAY: Duration = Duration::from_millis(1);

/// One key and what the store says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// The value, opaque.
    pub value: Vec<u8>,
    /// The writer's own number.
    pub flags: u64,
    /// The session that holds the key.
    pub session: Option<String>,
    /// Index of the write that made the key.
    pub create_index: u64,
    /// Index of the last write that changed it: what `cas` compares with.
    pub modify_index: u64,
    /// How often it was acquired.
    pub lock_index: u64,
}

/// All pairs below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What to hand to the next `watch`.
    pub index: u64,
    /// In byte order of the keys.
    pub pairs: Vec<Pair>,
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the calls of the same name")]
pub enum TxnOp {
    /// Writes.
    Set { key: String, value: Vec<u8> },
    /// Writes if the key's index is this; 0: if there is no such key.
    Cas { key: String, value: Vec<u8>, index: u64 },
    /// Removes.
    Delete { key: String },
    /// Removes if the key's index is this, or it is gone already.
    DeleteCas { key: String, index: u64 },
    /// Fails unless the key's index is this.
    CheckIndex { key: String, index: u64 },
    /// Fails if the key exists.
    CheckNotExists { key: String },
}

/// A handle to the store; clones are the same store.
#[derive(Clone, Debug)]
pub enum Kv {
    /// A Consul, or what speaks like one, over HTTP.
    Consul(consul::Client),
    /// A store in this process.
    Memory(memory::Shared),
}

impl Kv {
    /// What stands under a key.
    pub async fn get(&self, key: &str) -> Result<Option<Pair>, Error> {
        match self {
            Kv::Consul(client) => client.get(key).await,
            Kv::Memory(shared) => shared.line.carry("read", key, async { shared.get(key) }).await,
        }
    }

    /// All keys that start with `prefix`; none is an empty listing.
    pub async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        match self {
            Kv::Consul(client) => client.list(prefix).await,
            Kv::Memory(shared) => shared.line.carry("list", prefix, async { shared.list(prefix) }).await,
        }
    }

    /// The same once its index is greater than `index`, or when `wait` is over: a blocking query. When the index
    /// that comes back is less than the one sent, the store has begun a new life: start over from 0.
    pub async fn watch(&self, prefix: &str, index: u64, wait: Duration) -> Result<Listing, Error> {
        match self {
            Kv::Consul(client) => client.watch(prefix, index, wait).await,
            Kv::Memory(shared) => shared.line.carry("watch", prefix, shared.watch(prefix, index, wait)).await,
        }
    }

    /// Writes a value, with Docker's flags like all writes here.
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        match self {
            Kv::Consul(client) => client.put(key, value).await,
            Kv::Memory(shared) => {
                shared.line.carry("write", key, async { shared.put(key, value, FLAGS) }).await
            }
        }
    }

    /// Writes a value if the key's index is `index` (0: if there is no such key) and says whether it did. An error
    /// for which [`Error::is_uncertain`] holds leaves that open.
    pub async fn cas(&self, key: &str, value: &[u8], index: u64) -> Result<bool, Error> {
        match self {
            Kv::Consul(client) => client.cas(key, value, index).await,
            Kv::Memory(shared) => {
                shared.line.carry("write", key, async { shared.cas(key, value, FLAGS, index) }).await
            }
        }
    }

    /// Removes a key, if it is there.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        match self {
            Kv::Consul(client) => client.delete(key).await,
            Kv::Memory(shared) => shared.line.carry("delete", key, async { shared.delete(key) }).await,
        }
    }

    /// Removes a key if its index is `index`. True also when it is gone already.
    pub async fn delete_cas(&self, key: &str, index: u64) -> Result<bool, Error> {
        match self {
            Kv::Consul(client) => client.delete_cas(key, index).await,
            Kv::Memory(shared) => {
                shared.line.carry("delete", key, async { shared.delete_cas(key, index) }).await
            }
        }
    }

    /// Removes all keys that start with `prefix`; an empty one clears the store.
    pub async fn delete_tree(&self, prefix: &str) -> Result<(), Error> {
        match self {
            Kv::Consul(client) => client.delete_tree(prefix).await,
            Kv::Memory(shared) => {
                shared.line.carry("delete", prefix, async { shared.delete_tree(prefix) }).await
            }
        }
    }

    /// Does all or nothing: `None` says that a check failed and nothing was done.
    pub async fn txn(&self, ops: Vec<TxnOp>) -> Result<Option<()>, Error> {
        match self {
            Kv::Consul(client) => client.txn(ops).await,
            Kv::Memory(shared) => {
                shared.line.carry("do", "a transaction", async { shared.txn(ops, FLAGS) }).await?
            }
        }
    }

    /// Makes a session that ends twice `ttl` after its last renewal and takes its keys with it.
    pub async fn session_create(&self, ttl: Duration) -> Result<String, Error> {
        match self {
            Kv::Consul(client) => client.session_create(ttl).await,
            Kv::Memory(shared) => {
                let created = async { shared.session_create(ttl, LOCK_DELAY) };
                shared.line.carry("create", "a session", created).await?
            }
        }
    }

    /// Starts a session's TTL anew; false when there is no such session (any more).
    pub async fn session_renew(&self, id: &str) -> Result<bool, Error> {
        match self {
            Kv::Consul(client) => client.session_renew(id).await,
            Kv::Memory(shared) => shared.line.carry("renew", id, async { shared.session_renew(id) }).await,
        }
    }

    /// Ends a session and deletes its keys. An unknown one is as wanted.
    pub async fn session_destroy(&self, id: &str) -> Result<(), Error> {
        match self {
            Kv::Consul(client) => client.session_destroy(id).await,
            Kv::Memory(shared) => {
                shared.line.carry("destroy", id, async { shared.session_destroy(id) }).await
            }
        }
    }

    /// Writes a value and takes the key for a session; false while another holds it.
    pub async fn acquire(&self, key: &str, value: &[u8], session: &str) -> Result<bool, Error> {
        match self {
            Kv::Consul(client) => client.acquire(key, value, session).await,
            Kv::Memory(shared) => {
                shared
                    .line
                    .carry("acquire", key, async { shared.acquire(key, value, FLAGS, session) })
                    .await?
            }
        }
    }
}

//! rs-consul 0.15: keys, locks and the sessions behind them, queries that block, the catalog.
//!
//! It has no call that renews, lists or ends a session, no transaction and no listing of keys alone.

use std::time::Duration;

use clients::Store;
use rs_consul::{
    Config, Consul, CreateOrUpdateKeyRequest, DeleteKeyRequest, GetServiceNodesRequest, LockRequest,
    LockWatchRequest, ReadKeyRequest, ReadKeyResponse, RegisterEntityPayload, RegisterEntityService,
};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Long enough for what happens at once.
const SOON: Duration = Duration::from_secs(10);

fn client(store: &Store) -> Consul {
    Consul::new(Config { address: store.url(), ..Config::default() })
}

fn key(key: &str) -> CreateOrUpdateKeyRequest<'_> {
    CreateOrUpdateKeyRequest { key, ..CreateOrUpdateKeyRequest::default() }
}

async fn read(consul: &Consul, key: &str) -> Result<Vec<ReadKeyResponse>, rs_consul::ConsulError> {
    let request = ReadKeyRequest { key, ..ReadKeyRequest::default() };
    consul.read_key(request).await.map(|answer| answer.response)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_written_read_compared_and_deleted() -> Tested {
    let store = Store::start().await?;
    let consul = client(&store);
    assert!(read(&consul, "a").await.is_err(), "404 is an error to it");
    assert!(
        consul
            .create_or_update_key(CreateOrUpdateKeyRequest { flags: u64::MAX, ..key("a") }, b"1".to_vec())
            .await?
            .0
    );
    let known = read(&consul, "a").await?.remove(0);
    assert_eq!((known.value.as_deref(), known.flags, known.session), (Some("1"), u64::MAX, None));

    let compare = |index| CreateOrUpdateKeyRequest { check_and_set: Some(index), ..key("a") };
    assert!(!consul.create_or_update_key(compare(0), b"2".to_vec()).await?.0);
    assert!(consul.create_or_update_key(compare(known.modify_index), b"2".to_vec()).await?.0);
    assert!(!consul.create_or_update_key(compare(known.modify_index), b"3".to_vec()).await?.0);
    let changed = read(&consul, "a").await?.remove(0);
    assert_eq!((changed.value.as_deref(), changed.create_index), (Some("2"), known.create_index));

    assert!(consul.delete_key(DeleteKeyRequest { key: "a", ..DeleteKeyRequest::default() }).await?);
    assert!(read(&consul, "a").await.is_err());
    Ok(())
}

/// It says `recurse=false`, and of a Consul that is asked so it gets all that begins so.
#[tokio::test(flavor = "multi_thread")]
async fn a_recursion_that_is_false_is_one_as_with_a_consul() -> Tested {
    let store = Store::start().await?;
    let consul = client(&store);
    for name in ["rs/a", "rs/ab", "rs/b"] {
        consul.create_or_update_key(key(name), b"x".to_vec()).await?;
    }
    let read: Vec<String> = read(&consul, "rs/a").await?.into_iter().map(|pair| pair.key).collect();
    assert_eq!(read, ["rs/a", "rs/ab"]);
    consul.delete_key(DeleteKeyRequest { key: "rs/a", ..DeleteKeyRequest::default() }).await?;
    let request = ReadKeyRequest { key: "rs/", recurse: true, ..ReadKeyRequest::default() };
    let left = consul.read_key(request).await?.response;
    assert_eq!(left.iter().map(|pair| pair.key.as_str()).collect::<Vec<_>>(), ["rs/b"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_blocks_until_the_key_is_written() -> Tested {
    let store = Store::start().await?;
    let (reader, writer) = (client(&store), client(&store));
    writer.create_or_update_key(key("a"), b"1".to_vec()).await?;
    let index = reader.read_key(ReadKeyRequest { key: "a", ..ReadKeyRequest::default() }).await?.index;
    let blocking = ReadKeyRequest {
        key: "a",
        index: Some(index),
        wait: Duration::from_secs(60),
        ..ReadKeyRequest::default()
    };
    let mut blocked = Box::pin(reader.read_key(blocking));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut blocked).await;
    assert!(early.is_err(), "it was answered though nothing had changed");
    writer.create_or_update_key(key("a"), b"2".to_vec()).await?;
    let woken = tokio::time::timeout(SOON, blocked).await??;
    assert!(woken.index > index);
    assert_eq!(woken.response[0].value.as_deref(), Some("2"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_one_clients_until_it_is_dropped_and_then_the_next_ones() -> Tested {
    let store = Store::start().await?;
    let (one, other) = (client(&store), client(&store));
    let request = LockRequest { key: "lock", timeout: Duration::from_secs(10), ..LockRequest::default() };
    let held = one.get_lock(request, b"one").await?;
    let pair = read(&other, "lock").await?.remove(0);
    assert_eq!((pair.session.as_deref(), pair.lock_index), (Some(held.session_id.as_str()), 1));

    let refused = other.get_lock(request, b"other").await;
    let Err(rs_consul::ConsulError::LockAcquisitionFailure(index)) = refused else {
        panic!("it was not refused: {refused:?}");
    };
    let watch = LockWatchRequest {
        key: "lock",
        index: Some(index),
        wait: Duration::from_secs(60),
        ..LockWatchRequest::default()
    };
    let waiting = other.watch_lock(watch);
    drop(held);
    let free = tokio::time::timeout(SOON, waiting).await??;
    assert_eq!(free.response[0].session, None);
    let held = other.get_lock(request, b"other").await?;
    assert_eq!(read(&one, "lock").await?.remove(0).session.as_deref(), Some(held.session_id.as_str()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_registered_are_found() -> Tested {
    let store = Store::start().await?;
    let consul = client(&store);
    let service = RegisterEntityService::builder().Service("web".to_owned()).Port(80).build();
    let payload = RegisterEntityPayload::builder()
        .Node("docker0".to_owned())
        .Address("10.0.0.10".to_owned())
        .Service(service)
        .build();
    consul.register_entity(&payload).await?;
    let names = consul.get_all_registered_service_names(None).await?.response;
    assert!(names.contains(&"web".to_owned()) && names.contains(&"consul".to_owned()), "{names:?}");
    let request = GetServiceNodesRequest { service: "web", ..GetServiceNodesRequest::default() };
    let nodes = consul.get_service_nodes(request, None).await?.response;
    assert_eq!((nodes.len(), nodes[0].node.node.as_str(), nodes[0].service.port), (1, "docker0", 80));
    assert_eq!(consul.get_service_addresses_and_ports("web", None).await?, [("10.0.0.10".to_owned(), 80)]);
    Ok(())
}

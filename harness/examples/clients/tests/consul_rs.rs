//! consul-rs 0.1.14: services are registered with the agent, and their health is watched.
//!
//! That is all it has. Its client and what it has seen are values of the process, so this is one test.

use std::time::Duration;

use clients::Store;
use consul_rs::agent::{AgentServiceCheck, AgentServiceRegistration};
use consul_rs::api::{CONSUL_CONFIG, Config, ConsulConfig};
use consul_rs::watch::WatchService;

/// Long enough for what happens at once.
const SOON: Duration = Duration::from_secs(10);

fn web(id: &str, address: &str, status: &str) -> AgentServiceRegistration {
    let text = |text: &str| Some(text.to_owned());
    let check = AgentServiceCheck { TTL: text("60s"), Status: text(status), ..AgentServiceCheck::default() };
    AgentServiceRegistration {
        ID: text(id),
        Name: text("web"),
        Tags: Some(vec!["blue".to_owned()]),
        Address: text(address),
        Port: Some(80),
        Check: Some(check),
        ..AgentServiceRegistration::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_registered_watched_and_deregistered() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::start().await?;
    let watched = WatchService {
        service_name: "web".to_owned(),
        tag: Some("blue".to_owned()),
        passing_only: Some(true),
    };
    {
        let mut consul = CONSUL_CONFIG.write().await;
        let config =
            Config { address: Some(store.url()), datacenter: Some("dc1".to_owned()), ..Config::default() };
        *consul = ConsulConfig { config: Some(config), watch_services: Some(vec![watched]) };
    }
    let script = async {
        let consul = CONSUL_CONFIG.read().await;
        let seen = async |address: &str| {
            // What it has seen is told by nothing: it is asked until it has.
            while consul.random_policy("web", "blue").await.ok().as_deref() != Some(address) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(consul.service_register(&web("sick", "10.0.0.9", "critical")).await?, 200);
        assert_eq!(consul.service_register(&web("one", "10.0.0.10", "passing")).await?, 200);
        tokio::time::timeout(SOON, seen("10.0.0.10:80")).await.expect("it is seen, and the sick one is not");
        // A query that blocks is woken by the next one. Of all instances it then keeps those that are new.
        assert_eq!(consul.service_register(&web("two", "10.0.0.11", "passing")).await?, 200);
        tokio::time::timeout(SOON, seen("10.0.0.11:80")).await.expect("the next one is seen");
        for id in ["sick", "one", "two"] {
            assert_eq!(consul.service_deregister(id.to_owned()).await?, 200);
        }
        assert_eq!(consul.service_deregister("one".to_owned()).await?, 404, "it is gone");
        Ok::<(), Box<dyn std::error::Error>>(())
    };
    tokio::select! {
        done = script => done?,
        ended = ConsulConfig::watch_services() => panic!("the watch ended: {ended:?}"),
    }
    Ok(())
}

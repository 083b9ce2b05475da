//! The JSON values that Docker keeps in the store, field for field.
//!
//! They are written in the order and with the escapes of Go's encoder, so that what is read here and written
//! again is the same text.

mod endpoint;
mod gojson;
mod keyring;
mod network;
mod pool;
mod port;

pub use endpoint::EndpointRecord;
pub use keyring::{HeldRecord, KeyRecord, KeyringRecord};
pub use network::NetworkRecord;
pub use pool::{
    BitmapRecord, DriverRecord, DriverSubnet, EndpointCount, PoolRecord, PoolsRecord, RangeRecord,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value in the store is not what its key says.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// Not JSON, or not of this shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// JSON of the shape, with a value that makes no sense.
    #[error("{field} is {value:?}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is in it.
        value: String,
    },
}

impl BadRecord {
    fn field(field: &'static str, value: impl Into<String>) -> BadRecord {
        BadRecord::Field { field, value: value.into() }
    }

    /// A bit sequence that is none.
    pub(crate) fn bits(sequence: &str) -> BadRecord {
        BadRecord::field("sequence", sequence)
    }
}

/// Reads a value of the store.
pub fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, BadRecord> {
    Ok(serde_json::from_slice(value)?)
}

/// Writes a value for the store.
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    gojson::to_vec(record)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use std::collections::BTreeMap;

    use ipnet::Ipv6Net;
    use proptest::prelude::*;

    use super::*;
    use crate::id::{EndpointId, NetworkId, SandboxId};
    use crate::ipam::{PoolRequest, reserve};
    use crate::model::{Endpoint, Mac, Net, Network, Subnet};

    macro_rules! observed {
        ($name:literal) => {
            include_str!(concat!("../../../tests/fixtures/kv/", $name, ".json"))
        };
    }

    fn comes_back<T: Serialize + DeserializeOwned>(text: &str) {
        let record: T = decode(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(encode(&record)).unwrap(), text);
    }

    #[test]
    fn observed_values_come_back_byte_for_byte() {
        comes_back::<NetworkRecord>(observed!("network"));
        comes_back::<EndpointRecord>(observed!("endpoint-c0"));
        comes_back::<EndpointRecord>(observed!("endpoint-c1"));
        comes_back::<EndpointRecord>(observed!("endpoint-joining"));
        comes_back::<EndpointCount>(observed!("endpoint_count"));
        comes_back::<PoolsRecord>(observed!("pools"));
        comes_back::<BitmapRecord>(observed!("bitmap"));
        comes_back::<BitmapRecord>(observed!("vnis"));
        comes_back::<DriverRecord>(observed!("driver"));
    }

    #[test]
    fn an_observed_network_means_what_it_says_and_is_written_as_observed() {
        let record: NetworkRecord = decode(observed!("network").as_bytes()).unwrap();
        let network = record.meaning().unwrap();
        assert_eq!(network.name, "demonet");
        assert_eq!(network.subnets[0].v4.gateway.to_string(), "192.168.0.1");
        assert_eq!(network.mtu(), 1450);
        assert_eq!(
            String::from_utf8(encode(&NetworkRecord::of(&record.requests().unwrap(), &network))).unwrap(),
            observed!("network")
        );
    }

    /// Requests for so many subnets of either family.
    fn requests(v4: u8, v6: u8, asked: bool) -> Vec<PoolRequest> {
        let request = |subnet: String, gateway: String, range: String, aux: String| PoolRequest {
            subnet: Some(subnet),
            gateway: asked.then_some(gateway),
            ip_range: asked.then_some(range),
            aux: asked.then_some(("a".to_owned(), aux)).into_iter().collect(),
        };
        let four = |n| {
            let of = |rest: &str| format!("10.{n}.0.{rest}");
            request(of("0/24"), of("254"), of("128/25"), of("9"))
        };
        let six = |n| {
            let of = |rest: &str| format!("fd00:{n}::{rest}");
            request(of("/64"), of("fe"), of("100/120"), of("9"))
        };
        (0..v4).map(four).chain((0..v6.min(v4)).map(six)).collect()
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(v4 in 1_u8..4, v6 in 0_u8..4, asked: bool, internal: bool, joined: bool) {
            let requests = requests(v4, v6, asked);
            let (six, four): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.is_v6());
            let mut six = six.into_iter().map(|request| reserve::<Ipv6Net>(request, &[], &[]).unwrap().pool);
            let subnets: Vec<Subnet> = four
                .into_iter()
                .map(|request| Subnet { v4: reserve(request, &[], &[]).unwrap().pool, v6: six.next(), vni: None })
                .collect();
            let mut rng = fastrand::Rng::with_seed(7);
            let network = Network {
                id: NetworkId::random(&mut rng),
                name: "n".to_owned(),
                created: "2026-11-22T21:11:13.546946772Z".to_owned(),
                subnets,
                internal,
                attachable: false,
                options: BTreeMap::new(),
                labels: BTreeMap::new(),
            };
            let record: NetworkRecord = decode(&encode(&NetworkRecord::of(&requests, &network))).unwrap();
            prop_assert_eq!(record.meaning().unwrap(), network.clone());
            prop_assert_eq!(record.requests().unwrap(), requests);

            for subnet in &network.subnets {
                let ip = subnet.v4.net.nth(77);
                let endpoint = Endpoint {
                    id: EndpointId::random(&mut rng),
                    network: network.id,
                    name: "c".to_owned(),
                    anonymous: false,
                    address: subnet.v4.net.with_len(ip),
                    address6: subnet.v6.as_ref().map(|v6| v6.net.with_len(v6.net.nth(77))),
                    mac: Mac::of(ip),
                    sandbox: joined.then(|| SandboxId::random(&mut rng)),
                    host: [10, 0, 0, 10].into(),
                    aliases: vec![],
                    publish: vec![],
                };
                let record: EndpointRecord =
                    decode(&encode(&EndpointRecord::of(&endpoint, subnet, "veth94f8360"))).unwrap();
                prop_assert_eq!(record.meaning(network.id).unwrap(), endpoint);
            }
        }
    }

    #[test]
    fn an_observed_endpoint_means_what_it_says_and_is_written_as_observed() {
        for text in [observed!("endpoint-c0"), observed!("endpoint-c1"), observed!("endpoint-joining")] {
            let record: EndpointRecord = decode(text.as_bytes()).unwrap();
            let network: NetworkRecord = decode(observed!("network").as_bytes()).unwrap();
            let network = network.meaning().unwrap();
            let endpoint = record.meaning(network.id).unwrap();
            let again = EndpointRecord::of(&endpoint, &network.subnets[0], record.host_half());
            assert_eq!(String::from_utf8(encode(&again)).unwrap(), text);
        }
    }
}

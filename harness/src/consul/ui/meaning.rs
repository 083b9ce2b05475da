//! What Docker's values mean: whose an id is, which addresses of a pool are in use, which VNIs.

use ipnet::IpNet;
use overlay::docker::VNI_FIRST;
use overlay::ipam::Bits;
use overlay::kv::keys::Key;
use overlay::kv::record::{self, BitmapRecord, EndpointRecord, NetworkRecord};
use overlay::model::Net;
use serde::Serialize;

/// The most ranges that are shown; Docker hands out the lowest free number, so that there are few.
const RANGES: usize = 1000;

/// What is in use, or why nobody can say.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InUse {
    Known {
        /// `addresses of 192.168.0.0/24`, `VNIs`
        what: String,
        /// How many there could be.
        of: u64,
        /// How many there are.
        used: u64,
        /// First and last, as number and as text; none of them touches another.
        ranges: Vec<[(u64, String); 2]>,
        /// There are further ranges.
        more: bool,
    },
    Unknown(String),
}

/// What is in use by the value of a key; none: the key is no bit sequence's.
pub(super) fn in_use(key: &[u8], value: &[u8]) -> Option<InUse> {
    let key = Key::parse(str::from_utf8(key).ok()?)?;
    let known = match key {
        Key::Bitmap(pool) => known(value, format!("addresses of {pool}"), |number| address(pool, number)),
        Key::Vnis => known(value, "VNIs".to_owned(), |number| (u64::from(VNI_FIRST) + number).to_string()),
        _ => return None,
    };
    Some(known.unwrap_or_else(InUse::Unknown))
}

/// Whose the id is that a key ends in: a network's name, an endpoint's with its address.
pub(super) fn name(key: &[u8], value: &[u8]) -> Option<String> {
    match Key::parse(str::from_utf8(key).ok()?)? {
        Key::Network(_) => {
            let network = record::decode::<NetworkRecord>(value).ok()?.meaning().ok()?;
            Some(network.name)
        }
        Key::Endpoint(network, _) => {
            let endpoint = record::decode::<EndpointRecord>(value).ok()?.meaning(network).ok()?;
            Some(format!("{} {}", endpoint.name, endpoint.address.addr()))
        }
        _ => None,
    }
}

fn known(value: &[u8], what: String, name: impl Fn(u64) -> String) -> Result<InUse, String> {
    let record: BitmapRecord = record::decode(value).map_err(|wrong| wrong.to_string())?;
    let bits = Bits::decode(&record.sequence).map_err(|wrong| wrong.to_string())?;
    let named = |number| (number, name(number));
    let mut ranges = bits.ranges();
    let shown =
        ranges.by_ref().take(RANGES).map(|range| [named(*range.start()), named(*range.end())]).collect();
    let used = bits.len() - bits.free();
    Ok(InUse::Known { what, of: bits.len(), used, ranges: shown, more: ranges.next().is_some() })
}

/// The address of that number; of one that the pool is too small for, the number.
fn address(pool: IpNet, number: u64) -> String {
    fn nth<N: Net>(net: N, number: u64) -> Option<String> {
        (number < net.size()).then(|| net.nth(number).to_string())
    }
    let address = match pool {
        IpNet::V4(net) => nth(net, number),
        IpNet::V6(net) => nth(net, number),
    };
    address.unwrap_or_else(|| number.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use overlay::id::NetworkId;
    use overlay::ipam::{PoolRequest, reserve};
    use overlay::kv::keys;
    use overlay::model::{Network, Subnet};
    use std::collections::BTreeMap;

    fn said(key: &str, bits: &Bits) -> InUse {
        let record = BitmapRecord { id: String::new(), sequence: bits.encode() };
        in_use(key.as_bytes(), &record::encode(&record)).unwrap()
    }

    #[test]
    fn numbers_are_named_as_addresses_and_as_vnis() {
        let mut bits = Bits::new(256);
        assert!([0, 1, 2, 100, 255].iter().all(|number| bits.take(*number)));
        let pool = keys::bitmap("192.168.0.0/24".parse().unwrap());
        let range = |first: (u64, &str), last: (u64, &str)| {
            [(first.0, first.1.to_owned()), (last.0, last.1.to_owned())]
        };
        let alone = |one: (u64, &'static str)| range(one, one);
        let expected = InUse::Known {
            what: "addresses of 192.168.0.0/24".to_owned(),
            of: 256,
            used: 5,
            ranges: vec![
                range((0, "192.168.0.0"), (2, "192.168.0.2")),
                alone((100, "192.168.0.100")),
                alone((255, "192.168.0.255")),
            ],
            more: false,
        };
        assert_eq!(said(&pool, &bits), expected);
        let InUse::Known { ranges, .. } = said(keys::VNIS, &bits) else { panic!("it is one") };
        assert_eq!(ranges[0], range((0, "256"), (2, "258")));
        let InUse::Known { ranges, .. } = said(&keys::bitmap("fd00:1::/120".parse().unwrap()), &bits) else {
            panic!("it is one")
        };
        assert_eq!(ranges[1], alone((100, "fd00:1::64")));
    }

    #[test]
    fn ids_are_named_by_their_documents() {
        let network: NetworkId = "ab".repeat(32).parse().unwrap();
        let v4 = reserve(&PoolRequest::default(), &[], &[]).unwrap().pool;
        let of = Network {
            id: network,
            name: "demonet".to_owned(),
            created: String::new(),
            subnets: vec![Subnet { v4, v6: None, vni: None }],
            internal: false,
            attachable: false,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        let document = record::encode(&NetworkRecord::of(&[PoolRequest::default()], &of));
        let named = |key: &str, value: &[u8]| name(key.as_bytes(), value);
        assert_eq!(named(&keys::network(network), &document).as_deref(), Some("demonet"));
        assert_eq!(named(&keys::network(network), b"no JSON"), None);
        assert_eq!(named(&keys::endpoint_count(network), &document), None);
    }

    #[test]
    fn more_ranges_than_anybody_reads_are_said_to_be_there() {
        let mut bits = Bits::new(4096);
        assert!((0..4096).step_by(2).all(|number| bits.take(number)));
        let InUse::Known { ranges, more, used, .. } = said(keys::VNIS, &bits) else { panic!("it is one") };
        assert_eq!((ranges.len(), more, used), (RANGES, true, 2048));
    }

    #[test]
    fn nonsense_is_said_to_be_such_and_other_keys_mean_nothing() {
        let vnis = keys::VNIS.as_bytes();
        assert_eq!(
            in_use(vnis, br#"{"id":"","sequence":"AA=="}"#),
            Some(InUse::Unknown("not a bit sequence: too short".to_owned()))
        );
        assert!(matches!(in_use(vnis, b"no JSON"), Some(InUse::Unknown(_))));
        assert_eq!(in_use(b"docker/nodes", b""), None);
        assert_eq!(in_use(b"\xff", b""), None);
    }
}

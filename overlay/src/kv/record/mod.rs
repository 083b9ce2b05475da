//! The JSON values that Docker keeps in the store, field for field.
//!
//! They are written in the order and with the escapes of Go's encoder, so that what is read here and written
//! again is the same text.

mod endpoint;
mod gojson;
mod network;
mod pool;
mod port;

pub use endpoint::EndpointRecord;
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
    use super::*;

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
        assert_eq!(network.subnets[0].gateway.to_string(), "192.168.0.1");
        assert_eq!(network.mtu(), 1450);
        assert_eq!(
            String::from_utf8(encode(&NetworkRecord::of(&record.requests().unwrap(), &network))).unwrap(),
            observed!("network")
        );
    }

    #[test]
    fn an_observed_endpoint_means_what_it_says_and_is_written_as_observed() {
        for text in [observed!("endpoint-c0"), observed!("endpoint-c1"), observed!("endpoint-joining")] {
            let record: EndpointRecord = decode(text.as_bytes()).unwrap();
            let network = "da1d1a26f90657daf05c57390ac4dee60667218b4c431964b639273d3a4e0b0b".parse().unwrap();
            let endpoint = record.meaning(network).unwrap();
            let again = EndpointRecord::of(&endpoint, record.pool(), record.host_half());
            assert_eq!(String::from_utf8(encode(&again)).unwrap(), text);
        }
    }
}

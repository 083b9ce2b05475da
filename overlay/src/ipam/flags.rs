//! The flags of `docker network create`, each put to the subnet that it is of.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{PoolError, PoolRequest};

/// What was typed: `--subnet`, `--gateway`, `--ip-range` and `--aux-address`, each as often as one likes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolFlags {
    /// `--subnet`
    pub subnets: Vec<String>,
    /// `--gateway`
    pub gateways: Vec<String>,
    /// `--ip-range`
    pub ranges: Vec<String>,
    /// `--aux-address`, by name
    pub aux: BTreeMap<String, String>,
}

impl PoolFlags {
    /// A request a subnet, in their order; none, if nothing was typed. The checks are those that Docker's command line makes
    /// before it asks anybody (20.10: `cli/command/network/create.go`, `consolidateIpam`).
    pub fn requests(self) -> Result<Vec<PoolRequest>, PoolError> {
        let PoolFlags { subnets, gateways, ranges, aux } = self;
        if subnets.len() < ranges.len() || subnets.len() < gateways.len() {
            return Err(PoolError::SubnetNeeded);
        }
        let mut requests: Vec<PoolRequest> = Vec::new();
        for subnet in subnets {
            let overlaps = |other: &PoolRequest| {
                let other = other.subnet.as_deref().unwrap_or_default();
                covers(other, &subnet) || covers(&subnet, other)
            };
            if requests.iter().any(overlaps) {
                return Err(PoolError::OverlapsItself);
            }
            requests.push(PoolRequest { subnet: Some(subnet), ..PoolRequest::default() });
        }
        for range in ranges {
            let request = of(&mut requests, "range", &range)?;
            once("ranges", "on", &mut request.ip_range, range, request.subnet.as_deref())?;
        }
        for gateway in gateways {
            let request = of(&mut requests, "gateway", &gateway)?;
            once("gateways", "for", &mut request.gateway, gateway, request.subnet.as_deref())?;
        }
        for (name, ip) in aux {
            of(&mut requests, "aux-address", &ip)?.aux.insert(name, ip);
        }
        Ok(requests)
    }
}

/// The request whose subnet an address or a range is in. What is no address at all goes to the only one, whose check says so.
fn of<'a>(
    requests: &'a mut [PoolRequest],
    what: &'static str,
    value: &str,
) -> Result<&'a mut PoolRequest, PoolError> {
    let its = |request: &PoolRequest| covers(request.subnet.as_deref().unwrap_or_default(), value);
    let found = if requests.len() == 1 { Some(0) } else { requests.iter().position(its) };
    match found {
        Some(number) => Ok(&mut requests[number]),
        None => Err(PoolError::NoMatchingSubnet { what, value: value.to_owned() }),
    }
}

fn once(
    what: &'static str,
    whose: &'static str,
    place: &mut Option<String>,
    value: String,
    subnet: Option<&str>,
) -> Result<(), PoolError> {
    if let Some(first) = place {
        let (second, first) = (value, first.clone());
        let subnet = subnet.unwrap_or_default().to_owned();
        return Err(PoolError::Twice { what, whose, first, second, subnet });
    }
    *place = Some(value);
    Ok(())
}

/// Whether a subnet has the address of another, or of a host, in it. What is neither is in none.
fn covers(subnet: &str, other: &str) -> bool {
    let Ok(subnet) = subnet.parse::<IpNet>() else { return false };
    match (other.parse::<IpNet>(), other.parse::<IpAddr>()) {
        (Ok(net), _) => subnet.contains(&net.addr()),
        (_, Ok(ip)) => subnet.contains(&ip),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(subnets: &[&str], gateways: &[&str], ranges: &[&str], aux: &[(&str, &str)]) -> PoolFlags {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let aux = aux.iter().map(|(name, ip)| ((*name).to_owned(), (*ip).to_owned()));
        PoolFlags { subnets: all(subnets), gateways: all(gateways), ranges: all(ranges), aux: aux.collect() }
    }

    #[test]
    fn each_flag_goes_to_its_subnet() {
        let two = flags(
            &["10.70.0.0/24", "10.71.0.0/24"],
            &["10.71.0.254"],
            &["10.70.0.128/25"],
            &[("a", "10.71.0.5"), ("b", "10.70.0.5")],
        );
        let [first, second] = &two.requests().expect("they fit")[..] else { panic!("two subnets") };
        assert_eq!(first.ip_range.as_deref(), Some("10.70.0.128/25"));
        assert_eq!(
            (first.gateway.as_deref(), first.aux.get("b").map(String::as_str)),
            (None, Some("10.70.0.5"))
        );
        assert_eq!(second.gateway.as_deref(), Some("10.71.0.254"));
        assert_eq!(second.aux.get("a").map(String::as_str), Some("10.71.0.5"));
        assert_eq!(PoolFlags::default().requests(), Ok(vec![]));
    }

    #[test]
    fn flags_of_either_family_go_to_a_subnet_of_theirs() {
        let two = flags(
            &["fd00:1::/64", "10.73.0.0/24"],
            &["10.73.0.254", "fd00:1::fe"],
            &["fd00:1::100/120"],
            &[("a", "fd00:1::5")],
        );
        let [six, four] = &two.requests().expect("they fit")[..] else { panic!("two subnets") };
        assert_eq!(six.gateway.as_deref(), Some("fd00:1::fe"));
        assert_eq!(six.ip_range.as_deref(), Some("fd00:1::100/120"));
        assert_eq!(six.aux.get("a").map(String::as_str), Some("fd00:1::5"));
        assert_eq!(four.gateway.as_deref(), Some("10.73.0.254"));
        let foreign = flags(&["fd00:1::/64", "10.73.0.0/24"], &["fd00:2::1"], &[], &[]).requests();
        assert_eq!(
            foreign.map_err(|why| why.to_string()),
            Err("no matching subnet for gateway fd00:2::1".to_owned())
        );
    }

    #[test]
    fn what_fits_nowhere_is_refused_in_dockers_words() {
        let said = |flags: PoolFlags| flags.requests().expect_err("it is refused").to_string();
        let two = ["10.70.0.0/24", "10.71.0.0/24"];
        assert_eq!(said(flags(&two, &["10.99.0.1"], &[], &[])), "no matching subnet for gateway 10.99.0.1");
        assert_eq!(
            said(flags(&two, &[], &["10.99.0.0/25"], &[])),
            "no matching subnet for range 10.99.0.0/25"
        );
        assert_eq!(
            said(flags(&two, &[], &[], &[("a", "10.99.0.1")])),
            "no matching subnet for aux-address 10.99.0.1"
        );
        assert_eq!(
            said(flags(&["10.70.0.0/16", "10.70.3.0/24"], &[], &[], &[])),
            "multiple overlapping subnet configuration is not supported"
        );
        assert_eq!(
            said(flags(&[], &["10.70.0.1"], &[], &[])),
            "every ip-range or gateway must have a corresponding subnet"
        );
        assert_eq!(
            said(flags(&two, &["10.70.0.1", "10.70.0.2"], &[], &[])),
            "cannot configure multiple gateways (10.70.0.2, 10.70.0.1) for the same subnet (10.70.0.0/24)"
        );
    }
}

#![expect(clippy::unwrap_used, reason = "a test")]
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::*;

fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn asked(subnet: &str) -> PoolRequest {
    PoolRequest { subnet: Some(subnet.to_owned()), ..PoolRequest::default() }
}

fn said(request: &PoolRequest) -> String {
    reserve(request, &nets(&["192.168.0.0/24"]), &nets(&["10.0.0.0/24"])).unwrap_err().to_string()
}

#[test]
fn refusals_are_in_dockers_words() {
    let overlap = "Pool overlaps with other one on this address space";
    assert_eq!(said(&asked("192.168.0.0/24")), overlap);
    assert_eq!(said(&asked("192.168.0.0/16")), overlap);
    assert_eq!(said(&asked("10.0.0.0/24")), overlap);
    assert_eq!(
        said(&asked("300.1.1.0/24")),
        "Invalid subnet 300.1.1.0/24 : invalid CIDR address: 300.1.1.0/24"
    );
    let gateway = |gateway: &str| PoolRequest { gateway: Some(gateway.to_owned()), ..asked("10.72.0.0/24") };
    assert_eq!(said(&gateway("10.99.0.1")), "no matching subnet for gateway 10.99.0.1");
    assert_eq!(said(&gateway("zzz")), "invalid gateway address zzz in Ipam configuration");
    assert_eq!(said(&gateway("10.72.0.0")), "failed to allocate gateway (10.72.0.0): Address already in use");
    assert_eq!(
        said(&asked("10.72.0.0/32")),
        "failed to allocate gateway (): No available addresses on this pool"
    );
    assert_eq!(
        said(&asked("10.72.0.0/31")),
        "failed to allocate gateway (): No available addresses on this pool"
    );
    let aux = |ip: &str| PoolRequest {
        aux: BTreeMap::from([("a".to_owned(), ip.to_owned())]),
        ..gateway("10.72.0.9")
    };
    assert_eq!(
        said(&aux("10.72.0.9")),
        "failed to allocate secondary ip address (a:10.72.0.9): Address already in use"
    );
    assert_eq!(said(&aux("10.73.0.9")), "no matching subnet for aux-address 10.73.0.9");
}

#[test]
fn an_overlap_is_found_with_a_range_too() {
    let request = PoolRequest { ip_range: Some("192.168.0.64/26".to_owned()), ..asked("192.168.0.0/24") };
    assert_eq!(reserve(&request, &nets(&["192.168.0.0/24"]), &[]), Err(PoolError::Overlap));
}

#[test]
fn a_default_pool_is_the_first_that_overlaps_nothing() {
    let found = reserve(&PoolRequest::default(), &nets(&["10.0.1.0/24"]), &nets(&["10.0.0.0/24"])).unwrap();
    assert_eq!(found.pool.net, "10.0.2.0/24".parse().unwrap());
    assert_eq!(found.pool.gateway, Ipv4Addr::new(10, 0, 2, 1));
    assert_eq!(reserve(&PoolRequest::default(), &nets(&["10.0.0.0/8"]), &[]), Err(PoolError::Exhausted(4)));
}

#[test]
fn a_new_subnet_has_the_bits_that_docker_sets() {
    let found = reserve::<Ipv4Net>(&asked("192.168.0.0/24"), &[], &[]).unwrap();
    assert_eq!(
        found.bits.encode(),
        "AAAAAAAAAQAAAAAAAAAA/cAAAAAAAAAAAAAAAQAAAAAAAAAAAAAABgAAAAEAAAAAAAAAAQ=="
    );
}

#[test]
fn containers_are_served_from_the_bottom_and_within_the_range() {
    let Reserved { pool, mut bits } = reserve::<Ipv4Net>(&asked("192.168.0.0/24"), &[], &[]).unwrap();
    let hundred = Ipv4Addr::new(192, 168, 0, 100);
    assert_eq!(allocate(&mut bits, &pool, Some(hundred)), Ok(hundred));
    assert_eq!(allocate(&mut bits, &pool, None), Ok(Ipv4Addr::new(192, 168, 0, 2)));
    for taken in [
        hundred,
        Ipv4Addr::new(192, 168, 0, 1),
        Ipv4Addr::new(192, 168, 0, 0),
        Ipv4Addr::new(192, 168, 0, 255),
    ] {
        assert_eq!(allocate(&mut bits, &pool, Some(taken)), Err(PoolError::InUse));
    }
    let foreign = allocate(&mut bits, &pool, Some(Ipv4Addr::new(192, 168, 9, 1))).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "Invalid address 192.168.9.1: It does not belong to any of this network's subnets"
    );
    assert!(release(&mut bits, &pool, hundred) && !release(&mut bits, &pool, hundred));

    // As observed: `--ip-range 10.77.0.128/25 --aux-address a=10.77.0.5` gives the gateway .128, the container .129.
    let ranged = PoolRequest {
        ip_range: Some("10.77.0.128/25".to_owned()),
        aux: BTreeMap::from([("a".to_owned(), "10.77.0.5".to_owned())]),
        ..asked("10.77.0.0/24")
    };
    let Reserved { pool, mut bits } = reserve::<Ipv4Net>(&ranged, &[], &[]).unwrap();
    assert_eq!(pool.gateway, Ipv4Addr::new(10, 77, 0, 128));
    assert_eq!(allocate(&mut bits, &pool, None), Ok(Ipv4Addr::new(10, 77, 0, 129)));
}

#[test]
fn a_slash_30_has_room_for_one() {
    let Reserved { pool, mut bits } = reserve::<Ipv4Net>(&asked("10.9.0.0/30"), &[], &[]).unwrap();
    assert_eq!(allocate(&mut bits, &pool, None), Ok(Ipv4Addr::new(10, 9, 0, 2)));
    assert_eq!(allocate(&mut bits, &pool, None), Err(PoolError::NoRoom));
}

fn six(request: &PoolRequest) -> Result<Reserved<Ipv6Net>, PoolError> {
    reserve(request, &["fd00:9::/64".parse().unwrap()], &[])
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

#[test]
fn an_ipv6_pool_has_a_gateway_first_and_no_broadcast_address() {
    let Reserved { pool, mut bits } = six(&asked("fd00:1::/64")).unwrap();
    assert_eq!((pool.id().as_str(), pool.gateway), ("GlobalDefault/fd00:1::/64", ip("fd00:1::1")));
    // As observed: the first container has ::2.
    assert_eq!(allocate(&mut bits, &pool, None), Ok(ip("fd00:1::2")));
    let far = ip("fd00:1::dead:beef:0:1");
    assert_eq!(allocate(&mut bits, &pool, Some(far)), Ok(far));
    assert_eq!(allocate(&mut bits, &pool, Some(far)), Err(PoolError::InUse));
    assert_eq!(allocate(&mut bits, &pool, Some(ip("fd00:1::"))), Err(PoolError::InUse));
    assert_eq!(
        allocate(&mut bits, &pool, Some(ip("fd00:2::5"))).unwrap_err().to_string(),
        "Invalid address fd00:2::5: It does not belong to any of this network's subnets"
    );
    let last = ip("fd00:1::ffff:ffff:ffff:ffff");
    assert_eq!(allocate(&mut bits, &pool, Some(last)), Err(PoolError::OutOfRange));
    assert!(release(&mut bits, &pool, far) && !release(&mut bits, &pool, far));

    let Reserved { pool, mut bits } = six(&asked("fd00:1::/126")).unwrap();
    assert_eq!(allocate(&mut bits, &pool, None), Ok(ip("fd00:1::2")));
    assert_eq!(allocate(&mut bits, &pool, None), Ok(ip("fd00:1::3")));
    assert_eq!(allocate(&mut bits, &pool, None), Err(PoolError::NoRoom));
}

#[test]
fn an_ipv6_request_is_refused_in_dockers_words() {
    let said = |request: &PoolRequest| six(request).unwrap_err().to_string();
    assert_eq!(
        said(&PoolRequest::default()),
        "could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the network"
    );
    assert_eq!(said(&asked("fd00:9::/48")), "Pool overlaps with other one on this address space");
    assert_eq!(said(&asked("fd00::g/64")), "Invalid subnet fd00::g/64 : invalid CIDR address: fd00::g/64");
    assert_eq!(
        said(&asked("fd00:1::/128")),
        "failed to allocate gateway (): No available addresses on this pool"
    );
    let gateway = |gateway: &str| PoolRequest { gateway: Some(gateway.to_owned()), ..asked("fd00:1::/48") };
    assert_eq!(said(&gateway("fd00:2::1")), "no matching subnet for gateway fd00:2::1");
    assert_eq!(said(&gateway("10.0.0.1")), "invalid gateway address 10.0.0.1 in Ipam configuration");
    assert_eq!(
        said(&gateway("fd00:1:0:5::1")),
        "failed to allocate gateway (fd00:1:0:5::1): Requested address is out of range"
    );
}

#[test]
fn an_ipv6_range_serves_from_its_first_address() {
    let request = PoolRequest {
        ip_range: Some("fd00:1::100/120".to_owned()),
        aux: BTreeMap::from([("a".to_owned(), "fd00:1::101".to_owned())]),
        ..asked("fd00:1::/64")
    };
    let Reserved { pool, mut bits } = six(&request).unwrap();
    assert_eq!(pool.gateway, ip("fd00:1::100"));
    assert_eq!(pool.id(), "GlobalDefault/fd00:1::/64/fd00:1::100/120");
    assert_eq!(allocate(&mut bits, &pool, None), Ok(ip("fd00:1::102")));
}

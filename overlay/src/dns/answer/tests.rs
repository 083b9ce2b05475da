#![expect(clippy::unwrap_used, reason = "a test")]
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::message::{PLAIN, Question, Response};
use super::*;

/// Names of a table.
#[derive(Debug, Clone, Default)]
struct Table<const IS_AUTHORITY: bool>(BTreeMap<String, Vec<IpAddr>>);

impl<const AUTHORITY: bool> Names for Table<AUTHORITY> {
    const IS_AUTHORITY: bool = AUTHORITY;

    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.0.get(&name.to_lowercase()).cloned()
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.0.iter().find(|(_, all)| all.contains(&address)).map(|(name, _)| format!("{name}.demonet"))
    }
}

fn table<const AUTHORITY: bool>() -> Table<AUTHORITY> {
    let ip = |last| IpAddr::from([192, 168, 0, last]);
    Table(BTreeMap::from([
        ("c0".to_owned(), vec![ip(100)]),
        ("dual".to_owned(), vec![ip(101), "fd00:1::65".parse().unwrap()]),
        ("db".to_owned(), (1..=4).map(ip).collect()),
        ("crowd".to_owned(), (0..=255).map(ip).collect()),
    ]))
}

fn asked(name: &str, kind: Type) -> Vec<u8> {
    Question { name: name.to_owned(), kind }.encode(7).unwrap()
}

fn reply(names: &impl Names, name: &str, kind: Type) -> Response {
    match react(&asked(name, kind), names, Over::Udp, 1) {
        Reaction::Reply(bytes) => Response::read(&asked(name, kind), &bytes).unwrap(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn an_address_holds_for_ten_minutes() {
    let response = reply(&table::<false>(), "C0", Type::A);
    assert_eq!(response.answers, [Record { ttl: 600, data: Data::A([192, 168, 0, 100].into()) }]);
    assert!(!response.is_authoritative && !response.is_truncated);
}

#[test]
fn a_name_that_is_known_is_known_whatever_is_asked() {
    for kind in [Type::AAAA, Type::MX, Type::TXT, Type(65), Type(0)] {
        let response = reply(&table::<false>(), "c0", kind);
        assert_eq!((response.code, response.answers.len()), (Rcode::NOERROR, 0), "{kind}");
    }
    assert_eq!(reply(&table::<false>(), "c0", Type::ANY), reply(&table::<false>(), "c0", Type::A));
}

#[test]
fn an_address_has_a_name() {
    let response = reply(&table::<false>(), "100.0.168.192.in-addr.ARPA", Type::PTR);
    assert_eq!(response.answers, [Record { ttl: 600, data: Data::Ptr("c0.demonet".into()) }]);
    for other in [
        "9.9.168.192.in-addr.arpa",
        "0.168.192.in-addr.arpa",
        "1.100.0.168.192.in-addr.arpa",
        "c0",
        "in-addr.arpa",
    ] {
        let reaction = react(&asked(other, Type::PTR), &table::<false>(), Over::Udp, 1);
        assert_eq!(reaction, Reaction::Forward, "{other}");
    }
}

#[test]
fn each_family_is_asked_for_by_itself() {
    let data = |kind| {
        let answers = reply(&table::<false>(), "dual", kind).answers;
        answers.into_iter().map(|record| record.data).collect::<Vec<_>>()
    };
    assert_eq!(data(Type::A), [Data::A([192, 168, 0, 101].into())]);
    assert_eq!(data(Type::AAAA), [Data::Aaaa("fd00:1::65".parse().unwrap())]);
    assert_eq!(data(Type::ANY), data(Type::A));
}

#[test]
fn an_ipv6_address_has_a_name() {
    let question = Question::backwards("fd00:1::65".parse().unwrap());
    let name = "5.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(question, Question { name: name.to_owned(), kind: Type::PTR });
    let response = reply(&table::<false>(), &name.to_uppercase(), Type::PTR);
    assert_eq!(response.answers, [Record { ttl: 600, data: Data::Ptr("dual.demonet".into()) }]);
    for other in
        [&name[2..], &format!("0.{name}"), &name.replacen('5', "g", 1), &name.replacen("5.6", "56", 1)]
    {
        let reaction = react(&asked(other, Type::PTR), &table::<false>(), Over::Udp, 1);
        assert_eq!(reaction, Reaction::Forward, "{other}");
    }
}

#[test]
fn what_is_not_known_is_for_others_or_does_not_exist() {
    for kind in [Type::A, Type::AAAA, Type::TXT, Type::ANY] {
        let reaction = react(&asked("C1", kind), &table::<false>(), Over::Udp, 1);
        assert_eq!(reaction, Reaction::Forward, "{kind}");
    }
    let response = reply(&table::<true>(), "C1", Type::A);
    assert_eq!((response.code, response.is_authoritative), (Rcode::NXDOMAIN, true));
    let response = reply(&table::<true>(), "C0", Type::TXT);
    assert_eq!((response.code, response.answers.len()), (Rcode::NOERROR, 0));
    // Chaos is another world (RFC 1035, 3.2.4).
    let mut chaos = asked("c0", Type::A);
    let class = chaos.len() - 11 - 1;
    chaos[class] = 3;
    assert_eq!(react(&chaos, &table::<false>(), Over::Udp, 1), Reaction::Forward);
}

#[test]
fn seeds_draw_orders_and_the_same_seed_the_same() {
    let order = |seed| match react(&asked("db", Type::A), &table::<false>(), Over::Udp, seed) {
        Reaction::Reply(bytes) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(order(7), order(7));
    let orders: BTreeSet<Vec<u8>> = (0..100).map(order).collect();
    assert!(orders.len() > 10, "{} of 24 orders", orders.len());
}

#[test]
fn a_connection_holds_what_a_datagram_does_not() {
    let query = asked("crowd", Type::A);
    let over = |over| match react(&query, &table::<false>(), over, 1) {
        Reaction::Reply(bytes) => Response::read(&query, &bytes).unwrap(),
        other => panic!("{other:?}"),
    };
    let (datagram, connection) = (over(Over::Udp), over(Over::Tcp));
    assert!(datagram.is_truncated && datagram.answers.len() < 256);
    assert!(!connection.is_truncated && connection.answers.len() == 256);
}

#[test]
fn a_reply_from_outside_that_is_too_long_is_not_passed_on() {
    let query = asked("outside", Type::A);
    let long = vec![0; 2000];
    assert_eq!(fit(&query, long.clone(), Over::Tcp), long);
    let cut = Response::read(&query, &fit(&query, long, Over::Udp)).unwrap();
    assert!(cut.is_truncated && cut.answers.is_empty());
}

/// Queries as clients send them, with some bytes wrong, missing or too much.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec!["c0", "db", "crowd", "x.org", "100.0.168.192.in-addr.arpa"]);
    let wrong = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let tail = prop::collection::vec(any::<u8>(), 0..8);
    (name, any::<u16>(), wrong, any::<prop::sample::Index>(), any::<bool>(), tail).prop_map(
        |(name, kind, wrong, end, cut, tail)| {
            let mut bytes = asked(name, Type(kind % 40));
            for (place, byte) in wrong {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes.extend(tail);
            bytes
        },
    )
}

/// How long a reply by UDP may be, read off the bytes by nobody but the test: the largest that any EDNS could ask for.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    for over in [Over::Udp, Over::Tcp] {
        for reaction in [react(bytes, &table::<false>(), over, 1), react(bytes, &table::<true>(), over, 1)] {
            let Reaction::Reply(reply) = reaction else { continue };
            prop_assert!(reply.len() >= 12);
            prop_assert_eq!(&reply[..2], &bytes[..2], "the query's id");
            prop_assert!(reply[2] & 0x80 != 0, "QR");
            let limit = match (over, Query::read(bytes)) {
                (Over::Tcp, _) => LONGEST,
                (Over::Udp, Ok(query)) => query.limit(),
                (Over::Udp, Err(_)) => PLAIN,
            };
            prop_assert!(reply.len() <= limit, "{} bytes, {} allowed", reply.len(), limit);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_do_not_hurt(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
    }

    #[test]
    fn queries_that_went_wrong_do_not_hurt(bytes in mutated()) {
        check(&bytes)?;
    }
}

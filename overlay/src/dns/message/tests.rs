#![expect(clippy::unwrap_used, reason = "a test")]
use proptest::prelude::*;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Packet, PacketFlag, TYPE};

use super::*;

/// `C0`, type A, as a client without EDNS asks: an id, RD, one question.
const ASKED: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02C0\x00\x00\x01\x00\x01";

fn record(last: u8) -> Record {
    Record { ttl: 600, data: Data::A([192, 168, 0, last].into()) }
}

#[test]
fn a_reply_is_dockers_to_the_byte() {
    let query = Query::read(ASKED).unwrap();
    assert_eq!((query.name.as_deref(), query.kind, query.limit()), (Some("C0"), Type::A, PLAIN));
    let golden = b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x02C0\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x02\x58\x00\x04\xc0\xa8\x00\x64";
    assert_eq!(query.reply(Rcode::NOERROR, false, &[record(100)], PLAIN), golden);
}

#[test]
fn another_reader_understands_a_reply() {
    let query = Question { name: "web.demonet".into(), kind: Type::A }.encode(7).unwrap();
    let records: Vec<Record> = (1..5).map(record).collect();
    let reply = Query::read(&query).unwrap().reply(Rcode::NOERROR, true, &records, PLAIN);
    let packet = Packet::parse(&reply).unwrap();
    assert_eq!(packet.id(), 7);
    let flags = PacketFlag::RESPONSE | PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_AVAILABLE;
    assert!(packet.has_flags(flags) && !packet.has_flags(PacketFlag::TRUNCATION));
    assert_eq!(packet.opt().unwrap().udp_packet_size, 1232);
    assert_eq!(packet.questions[0].qname.to_string(), "web.demonet");
    let found = packet.answers.iter().map(|answer| match &answer.rdata {
        RData::A(a) => (answer.name.to_string(), answer.ttl, a.address.to_be_bytes()[3]),
        other => panic!("{other:?}"),
    });
    let want: Vec<_> = (1..5).map(|last| ("web.demonet".to_owned(), 600, last)).collect();
    assert_eq!(found.collect::<Vec<_>>(), want);
    // And we understand what it writes.
    let compressed = packet.build_bytes_vec_compressed().unwrap();
    assert_eq!(Response::read(&query, &compressed).unwrap().answers, records);
    assert_eq!(Response::read(ASKED, &compressed), None, "to another query");
}

#[test]
fn another_writers_query_is_understood_and_its_options_passed_over() {
    let mut packet = Packet::new_query(9);
    packet.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::CHECKING_DISABLED);
    let name = simple_dns::Name::new("x.Example.org").unwrap();
    packet.questions.push(simple_dns::Question::new(name, TYPE::SVCB.into(), CLASS::IN.into(), false));
    let cookie = simple_dns::rdata::OPTCode { code: 10, data: vec![1; 8].into() };
    *packet.opt_mut() =
        Some(simple_dns::rdata::OPT { opt_codes: vec![cookie], udp_packet_size: 4096, version: 0 });
    let bytes = packet.build_bytes_vec().unwrap();
    let query = Query::read(&bytes).unwrap();
    assert_eq!((query.name.as_deref(), query.kind, query.limit()), (Some("x.Example.org"), Type(64), 4096));
    let refused = refusal(&bytes, Rcode::SERVFAIL);
    assert_eq!(refused[..4], [0, 9, 0x81, 0x92], "RD and CD as asked");

    // By hand: the other writer has EDNS's version and code in places of its own (RFC 6891, 6.1.3).
    let mut bytes = Question { name: "c0".into(), kind: Type::A }.encode(9).unwrap();
    let version = bytes.len() - 5;
    bytes[version] = 1;
    assert_eq!(Query::read(&bytes).unwrap_err(), Unfit::Refuse(Rcode::BADVERS));
    let refused = refusal(&bytes, Rcode::BADVERS);
    assert_eq!(refused[3] & 0x0f, 0);
    assert_eq!(refused[refused.len() - 11..], [0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn what_does_not_fit_is_cut_and_said_so() {
    let records: Vec<Record> = (0..200).map(record).collect();
    let query = Query::read(ASKED).unwrap();
    let cut = query.reply(Rcode::NOERROR, false, &records, PLAIN);
    assert!(cut.len() <= PLAIN && cut.len() > PLAIN - 16, "{}", cut.len());
    let response = Response::read(ASKED, &cut).unwrap();
    assert!(response.is_truncated);
    assert_eq!(response.answers, records[..response.answers.len()]);
    assert_eq!(response.answers.len(), (PLAIN - ASKED.len()) / 16);
    assert!(Response::read(ASKED, &too_long(ASKED)).unwrap().is_truncated);
}

#[test]
fn what_is_no_query_is_answered_by_silence_or_a_reason() {
    let with = |at: usize, byte: u8| {
        let mut bytes = ASKED.to_vec();
        bytes[at] = byte;
        bytes
    };
    let unfit = |bytes: &[u8]| Query::read(bytes).unwrap_err();
    assert_eq!(unfit(&ASKED[..11]), Unfit::Silence, "no header");
    assert_eq!(unfit(&with(2, 0x81)), Unfit::Silence, "a reply");
    assert_eq!(unfit(&with(2, 0x29)), Unfit::Refuse(Rcode::NOTIMP), "an update");
    for (malformed, why) in [
        (with(5, 0), "no question"),
        (with(5, 2), "two of them"),
        (with(12, 3), "a label beyond the end"),
        (with(12, 0x42), "a kind of label that is none"),
        (with(11, 1), "a record that is missing"),
        (ASKED[..ASKED.len() - 1].to_vec(), "half a class"),
    ] {
        assert_eq!(unfit(&malformed), Unfit::Refuse(Rcode::FORMERR), "{why}");
    }
    let pointer = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
    assert_eq!(unfit(pointer), Unfit::Refuse(Rcode::FORMERR), "a name that is its own end");
    assert_eq!(refusal(pointer, Rcode::FORMERR), b"\0\0\x81\x81\0\0\0\0\0\0\0\0");
}

#[test]
fn names_are_as_long_as_may_be() {
    let label = "a".repeat(63);
    assert!(encode_name(&label).is_some() && encode_name(&"a".repeat(64)).is_none());
    assert!(encode_name("").is_none() && encode_name("a..b").is_none());
    assert!(encode_name(".").is_none() && encode_name("a..").is_none());
    assert_eq!(encode_name("a.b."), encode_name("a.b"));
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(encode_name(&longest).unwrap().len(), 255);
    assert!(encode_name(&format!("{longest}a")).is_none());
    let asked = Question { name: longest.clone(), kind: Type::A }.encode(1).unwrap();
    assert_eq!(Query::read(&asked).unwrap().name.unwrap(), longest);
    let dot = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03a.b\0\0\x01\0\x01";
    assert_eq!(Query::read(dot).unwrap().name, None, "a dot within a label is no dot between two");
}

#[test]
fn words_are_read_and_shown() {
    for (word, kind) in [("A", Type::A), ("ptr", Type::PTR), ("AAAA", Type::AAAA)] {
        assert_eq!(word.parse(), Ok(kind));
        assert_eq!(kind.to_string(), word.to_uppercase());
    }
    assert!("ANY".parse::<Type>().is_err());
    assert_eq!((Rcode::NXDOMAIN.to_string(), Rcode(9).to_string()), ("NXDOMAIN".into(), "RCODE9".into()));
}

proptest! {
    #[test]
    fn no_bytes_hurt_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Query::read(&bytes);
        let _ = Response::read(ASKED, &bytes);
        let _ = Response::read(&bytes.iter().copied().chain([0; 2]).collect::<Vec<_>>(), &bytes);
    }

    #[test]
    fn a_question_is_read_as_it_was_written(name in "[a-zA-Z0-9_-]{1,20}(\\.[a-z]{1,10}){0,3}", kind: u16, id: u16) {
        let question = Question { name: name.clone(), kind: Type(kind) };
        let bytes = question.encode(id).unwrap();
        let query = Query::read(&bytes).unwrap();
        prop_assert_eq!((query.name, query.kind), (Some(name), Type(kind)));
    }

    #[test]
    fn answers_are_read_as_they_were_written(lasts in prop::collection::vec(any::<u8>(), 0..20)) {
        let records: Vec<Record> = lasts.into_iter().map(record).collect();
        let reply = Query::read(ASKED).unwrap().reply(Rcode::NOERROR, false, &records, 4096);
        prop_assert_eq!(Response::read(ASKED, &reply).unwrap().answers, records);
    }
}

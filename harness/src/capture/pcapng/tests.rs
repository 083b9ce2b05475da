//! What is written is read again, and nothing else is believed.

use proptest::prelude::*;

use super::*;

fn all(bytes: &[u8]) -> std::io::Result<Vec<Block>> {
    // An error is not read past.
    Reader::new(bytes).collect()
}

fn a_packet(bytes: &[u8], comment: Option<&str>) -> Packet {
    Packet {
        interface: 0,
        at: Duration::from_nanos(1_700_000_000_123_456_789),
        outgoing: true,
        length: 1500,
        bytes: bytes.to_vec(),
        comment: comment.map(str::to_owned),
    }
}

#[test]
fn bytes_are_where_the_draft_has_them() {
    let section = section();
    assert_eq!(section[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert_eq!(section[8..16], [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
    assert_eq!(section[4..8], section[section.len() - 4..], "the length stands at both ends");
    // if_tsresol: code 9, one byte, 9, padded.
    assert!(interface("C0/eth0", 96).windows(8).any(|part| part == [9, 0, 1, 0, 9, 0, 0, 0]));
}

#[test]
fn what_cannot_be_said_in_an_option_is_cut_off() {
    let comment = "ä".repeat(70_000);
    let read = all(&packet(&a_packet(&[1], Some(&comment)))).expect("it is whole");
    let [Block::Packet(read)] = &read[..] else { panic!("{read:?}") };
    assert!(comment.starts_with(read.comment.as_deref().expect("there is one")));
}

#[test]
fn a_file_says_what_is_not_in_it() {
    let mut captured = crate::capture::Captured {
        interfaces: vec!["C0/eth0".into()],
        lost: 3,
        forgotten: 9,
        unseen: 2,
        ..Default::default()
    };
    let said =
        |captured: &crate::capture::Captured| match all(&captured.pcapng()).expect("it is whole").last() {
            Some(Block::Statistics { lost: 3, comment, .. }) => comment.clone(),
            other => panic!("{other:?}"),
        };
    assert_eq!(
        said(&captured).as_deref(),
        Some("of all interfaces; 9 older ones were forgotten; namespaces that could not be looked into: 2")
    );
    (captured.forgotten, captured.unseen) = (0, 0);
    assert_eq!(said(&captured).as_deref(), Some("of all interfaces"));
}

proptest! {
    #[test]
    fn a_packet_is_read_as_it_was_written(
        bytes in prop::collection::vec(any::<u8>(), 0..70),
        comment in prop::option::of("\\PC{0,20}"),
        outgoing: bool,
        nanoseconds: u64,
    ) {
        let at = Duration::from_nanos(nanoseconds);
        let one = Packet { at, outgoing, ..a_packet(&bytes, comment.as_deref()) };
        let file = [section(), interface("docker0/eth0", 96), packet(&one), statistics(0, at, 7, None)].concat();
        let expected = vec![
            Block::Interface { name: "docker0/eth0".into() },
            Block::Packet(one),
            Block::Statistics { interface: 0, lost: 7, comment: None },
        ];
        prop_assert_eq!(all(&file).expect("it is whole"), expected);
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0_u32..8) {
        let _ = all(&bytes);
        let padded = bytes.len().next_multiple_of(4);
        let mut body = bytes;
        body.resize(padded, 0);
        let _ = all(&block(kind, &body));
    }

    #[test]
    fn a_file_cut_off_is_an_error_or_ends_at_a_block(cut in 0_usize..200) {
        let file = [section(), interface("a", 96), packet(&a_packet(&[1, 2, 3], None))].concat();
        let whole = all(&file).expect("it is whole");
        if let Ok(some) = all(&file[..cut.min(file.len())]) {
            prop_assert!(whole.starts_with(&some));
        }
    }
}

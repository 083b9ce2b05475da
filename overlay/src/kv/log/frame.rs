//! Frames: what was written and synced in one go. One that is cut was never acknowledged; one that is damaged was.
//!
//! ```text
//! 0000002a 8c736521 1f3b7a90      length and CRC-32 of the body in hex, CRC-32 of these two as they stand here
//! {"index":5,…}                   the body: lines
//! ```

use std::fmt::Write as _;

/// Length of a frame's first line, in bytes, with its end.
const HEAD: usize = 27;
/// How much of it its own checksum is over.
const CHECKED: usize = 17;

/// What a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read<'a> {
    /// The bodies of the frames that are whole.
    pub(super) bodies: Vec<&'a [u8]>,
    /// Where the last of them ends: what follows was cut while it was written.
    pub(super) end: usize,
}

/// At this byte a file is not as it was written, though something behind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) usize);

/// A body as a frame.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let mut head = format!("{:08x} {:08x}", body.len(), crc32fast::hash(body));
    let check = crc32fast::hash(head.as_bytes());
    // Writing to a String cannot fail.
    let _ = writeln!(head, " {check:08x}");
    [head.as_bytes(), body].concat()
}

/// All frames of a file. Frames are synced one after the other, so that only the last may be cut: a bad one with a good one
/// behind it was damaged later.
pub(super) fn read(bytes: &[u8]) -> Result<Read<'_>, Damage> {
    let mut read = Read { bodies: Vec::new(), end: 0 };
    while let Some(body) = first(&bytes[read.end..]) {
        read.end += HEAD + body.len();
        read.bodies.push(body);
    }
    let rest = &bytes[read.end..];
    let damaged = (1..rest.len()).any(|at| head(&rest[at..]).is_some() && first(&rest[at..]).is_some());
    if damaged { Err(Damage(read.end)) } else { Ok(read) }
}

/// The body of the frame that begins here, if it is whole.
fn first(bytes: &[u8]) -> Option<&[u8]> {
    let (length, check) = head(bytes)?;
    let body = bytes[HEAD..].get(..length)?;
    (crc32fast::hash(body) == check).then_some(body)
}

/// Length and checksum of the body of the frame that begins here.
fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let line = bytes.get(..HEAD)?;
    let line = line.strip_suffix(b"\n").and_then(|line| str::from_utf8(line).ok())?;
    // What would be read as the same number and is not as it was written is damage, too: `A` for `a`, `+` for `0`.
    let number =
        |text: &str| u32::from_str_radix(text, 16).ok().filter(|number| format!("{number:08x}") == text);
    let mut numbers = line.split(' ').map(number);
    let (length, check, own) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let is_head = numbers.next().is_none() && crc32fast::hash(&bytes[..CHECKED]) == own;
    is_head.then_some((usize::try_from(length).ok()?, check))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn file(bodies: &[Vec<u8>]) -> Vec<u8> {
        bodies.iter().flat_map(|body| frame(body)).collect()
    }

    fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
        vec(vec(any::<u8>(), 0..40), 1..6)
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_anywhere_has_the_frames_before_the_cut(bodies in bodies(), cut in any::<prop::sample::Index>()) {
            let whole = file(&bodies);
            let cut = cut.index(whole.len() + 1);
            let read = read(&whole[..cut]).expect("a cut is no damage");
            let kept = bodies.iter().scan(0, |end, body| { *end += HEAD + body.len(); Some(*end) }).filter(|end| *end <= cut);
            prop_assert_eq!(read.bodies.len(), kept.clone().count());
            prop_assert_eq!(read.end, kept.last().unwrap_or(0));
            prop_assert!(read.bodies.iter().zip(&bodies).all(|(read, body)| read == body));
        }

        #[test]
        fn a_byte_that_changed_is_damage_but_in_the_last_frame_which_is_then_dropped(
            bodies in bodies(), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
        ) {
            let mut bytes = file(&bodies);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let last = bytes.len() - HEAD - bodies.last().map_or(0, Vec::len);
            match read(&bytes) {
                Ok(read) => {
                    prop_assert!(at >= last, "damage at {} was not seen", at);
                    prop_assert_eq!(read.end, last);
                }
                Err(Damage(found)) => prop_assert!(found <= at && at < last),
            }
        }

        #[test]
        fn a_digit_that_is_written_otherwise_is_damage(bodies in bodies()) {
            let whole = file(&bodies);
            let mut other = whole.clone();
            other[..HEAD].make_ascii_uppercase();
            prop_assert_eq!(read(&other).is_ok_and(|read| read.end == other.len()), other == whole);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}

//! Names and numbers in a message.

/// Longest name, its lengths and its end included (RFC 1035, 2.3.4).
const LONGEST: usize = 255;

/// Longest label (RFC 1035, 2.3.4).
const LABEL: usize = 63;

/// A name as it is sent; a dot at its end changes nothing. None: a part of it is empty, or it or a part of it is too long.
pub(in crate::dns) fn encode_name(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        if !(1..=LABEL).contains(&label.len()) {
            return None;
        }
        bytes.push(u8::try_from(label.len()).ok()?);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    (bytes.len() <= LONGEST).then_some(bytes)
}

/// How many questions, answers, authorities and other records a header announces.
pub(super) fn counts(bytes: &[u8]) -> Option<[u16; 4]> {
    Some([number(bytes, 4)?, number(bytes, 6)?, number(bytes, 8)?, number(bytes, 10)?])
}

pub(super) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The labels of the name at a place, and where what follows it begins. A pointer leads backwards, and not more of them are
/// followed than a name has labels, so that nobody is kept busy.
pub(super) fn labels(bytes: &[u8], start: usize) -> Option<(Vec<&[u8]>, usize)> {
    let (mut labels, mut at, mut first, mut next) = (Vec::new(), start, start, None);
    let mut pointers = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        match len {
            0 => return Some((labels, next.unwrap_or(at + 1))),
            1..=LABEL => {
                labels.push(bytes.get(at + 1..at + 1 + len)?);
                if wire_len(&labels) > LONGEST {
                    return None;
                }
                at += 1 + len;
            }
            0xc0.. => {
                next.get_or_insert(at + 2);
                at = usize::from(number(bytes, at)? & 0x3fff);
                pointers += 1;
                if at >= first || pointers > LONGEST / 2 {
                    return None;
                }
                first = at;
            }
            // Kinds of labels that nobody has (RFC 6891, 5).
            _ => return None,
        }
    }
}

/// How long these labels are as a name.
pub(super) fn wire_len(labels: &[&[u8]]) -> usize {
    labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1
}

/// A name in text. None: a dot is part of a label, or it is no text at all.
pub(super) fn text(labels: &[&[u8]]) -> Option<String> {
    let mut text = String::new();
    for label in labels {
        if label.contains(&b'.') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(std::str::from_utf8(label).ok()?);
    }
    Some(text)
}

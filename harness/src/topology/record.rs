//! What is recorded from the beginning, checked.

use super::check::Checker;
use super::file::RecordTable;
use super::model::Record;
use super::report::Mistake;
use crate::capture::{Filter, Interfaces, Request};
use crate::scenario::{check_filter, check_on};

/// Written where a filter could be: no packet is left out.
pub(super) const ALL: &str = "all";

/// Bytes that are kept of each packet: all headers, also in a tunnel, and the beginning of what they carry.
const SNAPSHOT: u32 = 256;

/// Checks what a file wants to be recorded; nothing, if it does not say.
pub(super) fn check_record(checker: &mut Checker, table: Option<&RecordTable>) -> Record {
    let Some(table) = table else { return Record::default() };
    if let (None, Some(span)) =
        (&table.packets, table.on.as_ref().map(|on| &on.span).or(table.snapshot.as_ref().map(|at| &at.span)))
    {
        let mistake = Mistake::new("no packets are recorded", span, "of which");
        checker.mistake(mistake.help("say which: `packets = \"all\"`, or a filter"));
    }
    if let Some(bytes) = table.snapshot.as_ref().filter(|bytes| bytes.value == 0) {
        checker.mistake(Mistake::new("nothing of a packet is kept", &bytes.span, "at least 1 byte"));
    }
    let packets = table.packets.as_ref().and_then(|text| {
        let filter = if **text == *ALL { Some(Filter::default()) } else { check_filter(checker, text) };
        let on = table.on.as_ref().map_or(Some(Interfaces::All), |on| check_on(checker, on));
        let snapshot = Some(table.snapshot.as_ref().map_or(SNAPSHOT, |bytes| bytes.value));
        Some(Request { on: on?, filter: filter?, snapshot, ..Request::default() })
    });
    Record { netlink: table.netlink, packets }
}

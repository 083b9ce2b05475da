//! What wires have done to frames, while somebody captures those.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::touch::Touch;
use crate::ring::{Item, Ring};

/// All wires' log. Clones are handles to one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    touched: Ring<Noted>,
    readers: Arc<AtomicUsize>,
}

/// Which direction of which wire: the number of its port, and whether from the host to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Side {
    pub(crate) port: u32,
    pub(crate) up: bool,
}

/// A frame that was touched, and where and when.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) side: Side,
    /// Since 1970.
    pub(crate) at: Duration,
    pub(crate) touch: Touch,
}

/// Somebody reads. As long as nobody does, nothing is noted.
#[derive(Debug)]
pub(crate) struct Reading {
    log: Log,
    from: u64,
}

impl Item for Noted {
    fn size(&self) -> usize {
        size_of::<Noted>() + self.touch.text.len()
    }
}

impl Log {
    /// Whether somebody reads.
    pub(super) fn is_read(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn note(&self, side: Side, touched: Vec<Touch>) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for touch in touched {
            self.touched.push(Noted { side, at, touch });
        }
    }

    /// From now on.
    pub(crate) fn read(&self) -> Reading {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reading { log: self.clone(), from: self.touched.next() }
    }
}

impl Reading {
    /// What was noted since it was last asked.
    pub(crate) fn take(&mut self) -> Vec<Noted> {
        let (noted, next) = self.log.touched.since(self.from);
        self.from = next;
        noted
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.log.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

//! What a lab records from its beginning to its end, since its topology asks for it.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::Lab;
use super::hear::Hearing;
use crate::capture::{Capture, Captured, Interfaces, Kept};
use crate::error::Result;

/// Bytes of packets that are kept, about: they are sent on in one line, should a step fail.
const ROOM: usize = 8 << 20;

/// What is recorded.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// Held so that kernels are listened to.
    hearing: Option<Arc<Hearing>>,
    packets: Option<Capture>,
}

/// Where a construction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The hosts are there, and nothing is on them.
    First,
    /// The containers are there, too.
    Populated,
}

impl Lab {
    /// Records what the topology asks for, from now on, as far as that is there by now. Nothing else is asked of any kernel.
    pub(super) async fn start_recording(&self, moment: Moment) -> Result<()> {
        let record = &self.topology().record;
        if record.netlink && moment == Moment::First {
            let hearing = self.hear().await?;
            self.recording().hearing = Some(hearing);
        }
        let Some(request) = &record.packets else { return Ok(()) };
        // Everywhere is what there is, and what comes; what is named has to be there.
        let due = if request.on == Interfaces::All { Moment::First } else { Moment::Populated };
        if due == moment {
            let packets = self.capture_into(request, Kept::with_room(ROOM)).await?;
            self.recording().packets = Some(packets);
        }
        Ok(())
    }

    /// The latest packets, if they are recorded: all that passed until now. They are recorded no more then.
    pub(crate) async fn recorded(&self) -> Result<Option<Captured>> {
        let packets = self.recording().packets.take();
        match packets {
            Some(packets) => packets.end().await.map(Some),
            None => Ok(None),
        }
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.0.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

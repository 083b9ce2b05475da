//! A capture that a test holds.

use std::sync::Arc;

use super::packet::Captured;
use super::record::{Order, Recorder};
use super::sink::Kept;
use crate::error::Result;

/// A capture that goes on, into memory: about 64 MiB of packets, of more the latest. Dropped, it ends.
#[derive(Debug)]
#[must_use = "dropping it ends the capture"]
pub struct Capture {
    recorder: Arc<Recorder>,
    kept: Arc<Kept>,
}

impl Capture {
    pub(crate) fn new(recorder: Arc<Recorder>, kept: Arc<Kept>) -> Capture {
        Capture { recorder, kept }
    }

    /// What was captured so far, but for the latest tenth of a second, which is not in order yet.
    pub fn so_far(&self) -> Captured {
        self.kept.so_far()
    }

    /// Ends it: all that passed until now.
    pub async fn end(self) -> Result<Captured> {
        self.recorder.tell(Order::End);
        self.recorder.ended().await;
        Ok(self.kept.so_far())
    }

    /// Waits until it has ended by itself, since it was asked for so many packets or for so long: what there was.
    pub async fn finished(self) -> Result<Captured> {
        self.recorder.ended().await;
        Ok(self.kept.so_far())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Others hold the recorder, too, as long as it records.
        self.recorder.tell(Order::End);
    }
}

//! Work that can be held up, and let go on, as a stopped process can.

use std::future::Future;
use std::pin::pin;

use tokio::select;
use tokio::sync::watch;

/// A gate. Clones are handles to one gate; it begins open.
#[derive(Clone, Debug, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// Holds up all work behind it, at the next point where it waits for something.
    pub fn close(&self) {
        self.0.send_replace(true);
    }

    /// Lets it go on.
    pub fn open(&self) {
        self.0.send_replace(false);
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is open.
    pub async fn pass(&self) {
        // The sender is `self`, so it does not go away.
        let _ = self.0.subscribe().wait_for(|closed| !closed).await;
    }

    /// Does `work`, but no step of it while the gate is closed: neither its timers nor what its sockets hear are looked at.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut closed = self.0.subscribe();
        loop {
            self.pass().await;
            select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => {}
                done = &mut work => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn nothing_goes_on_while_the_gate_is_closed() {
        let gate = Gate::default();
        let (say, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
        let work = tokio::spawn({
            let gate = gate.clone();
            async move { gate.run(async move { while heard.recv().await.is_some() {} }).await }
        });
        gate.close();
        assert!(gate.is_closed());
        tokio::task::yield_now().await;
        drop(say);
        let mut work = work;
        assert!(timeout(Duration::from_millis(20), &mut work).await.is_err(), "it went on");
        gate.open();
        timeout(Duration::from_secs(5), work).await.expect("it goes on").expect("it ends");
    }
}

//! Echo servers that a step opens at the far end, for as long as it lasts.

use std::net::SocketAddr;

use kernel::Netns;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::error::{Error, Kind, Result};
use crate::underlay::{echo_datagrams, echo_streams};

/// An echo server. Dropping it closes it; [`close`](Echo::close) returns when that is done.
#[derive(Debug)]
pub(crate) struct Echo(JoinSet<()>);

impl Echo {
    /// Answers connections.
    pub(crate) fn tcp(netns: &Netns, at: SocketAddr) -> Result<Echo> {
        let listener = TcpListener::from_std(netns.listen(at)?).map_err(|e| failed(at, &e))?;
        Ok(Echo::of(echo_streams(listener)))
    }

    /// Answers datagrams.
    pub(crate) fn udp(netns: &Netns, at: SocketAddr) -> Result<Echo> {
        let socket = UdpSocket::from_std(netns.udp(at)?).map_err(|e| failed(at, &e))?;
        Ok(Echo::of(echo_datagrams(socket)))
    }

    fn of(service: impl Future<Output = ()> + Send + 'static) -> Echo {
        let mut tasks = JoinSet::new();
        tasks.spawn(service);
        Echo(tasks)
    }

    /// Closes it, sockets included.
    pub(crate) async fn close(mut self) {
        self.0.shutdown().await;
    }
}

fn failed(at: SocketAddr, why: &std::io::Error) -> Error {
    Error::new(Kind::Machine, format_args!("cannot listen at {at}: {why}"))
}

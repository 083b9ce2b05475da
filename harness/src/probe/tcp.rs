//! A TCP connection, from a namespace to an address.

use std::net::SocketAddr;
use std::time::Duration;

use kernel::Netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Answer, plain};
use crate::error::Result;

/// How long a connection, and then its answer, is waited for. The kernel sends a lost SYN once more after one second
/// (RFC 6298, 2.1), so one loss is survived.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest answer that is kept.
const LONGEST: u64 = 1 << 20;

/// Connects; if there is something to send, sends it, says that this was all, and reads what is answered. An answer is
/// complete when the far end closes, or says nothing more.
pub(crate) async fn tcp(from: &Netns, to: SocketAddr, send: Option<&str>) -> Result<Answer> {
    let socket = TcpSocket::from_std_stream(from.tcp_to(to.ip())?.into());
    let mut stream = match timeout(PATIENCE, socket.connect(to)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => return Ok(Err(plain(&why))),
        Err(_) => return Ok(Err(format!("no connection within {} s", PATIENCE.as_secs()))),
    };
    let Some(text) = send else { return Ok(Ok(String::new())) };
    let mut reply = Vec::new();
    let spoken = timeout(PATIENCE, converse(&mut stream, text, &mut reply)).await;
    if !reply.is_empty() {
        return Ok(Ok(String::from_utf8_lossy(&reply).into_owned()));
    }
    Ok(Err(match spoken {
        Ok(Err(why)) => format!("connected, then {}", plain(&why)),
        Ok(Ok(())) => "connected, then it was closed without an answer".to_owned(),
        Err(_) => format!("connected, but no answer within {} s", PATIENCE.as_secs()),
    }))
}

async fn converse(stream: &mut TcpStream, text: &str, reply: &mut Vec<u8>) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let say = async {
        writer.write_all(text.as_bytes()).await?;
        writer.shutdown().await
    };
    // Both at once: what is sent may be more than the wire holds.
    let mut limited = (&mut reader).take(LONGEST);
    let (said, heard) = tokio::join!(say, limited.read_to_end(reply));
    said?;
    heard.map(drop)
}

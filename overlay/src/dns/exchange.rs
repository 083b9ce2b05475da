//! A query to one server, and its reply.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use kernel::Netns;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::timeout;

use super::answer::Over;
use super::message::Response;

/// The port of name servers (RFC 1035, 4.2).
pub(super) const PORT: u16 = 53;

/// Largest UDP datagram.
const DATAGRAM: usize = 65_535;

/// Sends a query from a namespace, and returns the reply to it. What else comes is passed over. A datagram is sent again whenever
/// that time has gone by without a reply.
pub(super) async fn exchange(
    from: &Netns,
    server: Ipv4Addr,
    query: &[u8],
    over: Over,
    again: Duration,
) -> io::Result<Vec<u8>> {
    let to = SocketAddr::new(IpAddr::V4(server), PORT);
    match over {
        Over::Udp => by_udp(from, to, query, again).await,
        Over::Tcp => by_tcp(from, to, query).await,
    }
}

async fn by_udp(from: &Netns, to: SocketAddr, query: &[u8], again: Duration) -> io::Result<Vec<u8>> {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let socket = UdpSocket::from_std(from.udp(any).map_err(io::Error::other)?)?;
    // Connected, so that only this server is heard, and the kernel hands over a refusal.
    socket.connect(to).await?;
    loop {
        socket.send(query).await?;
        if let Ok(reply) = timeout(again, reply_to(query, &socket)).await {
            return reply;
        }
    }
}

async fn reply_to(query: &[u8], socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let read = socket.recv(&mut buffer).await?;
        if Response::read(query, &buffer[..read]).is_some() {
            buffer.truncate(read);
            return Ok(buffer);
        }
    }
}

async fn by_tcp(from: &Netns, to: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = TcpSocket::from_std_stream(from.tcp().map_err(io::Error::other)?.into());
    let mut stream = socket.connect(to).await?;
    write(&mut stream, query).await?;
    loop {
        let reply = read(&mut stream).await?;
        if Response::read(query, &reply).is_some() {
            return Ok(reply);
        }
    }
}

/// Reads a message from a connection: two bytes say how long it is (RFC 1035, 4.2.2).
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes a message to a connection, in one piece.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend(message);
    stream.write_all(&bytes).await
}

//! Many connections that have each done one request and then do nothing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] =
    b"GET /bench/_doc/1 HTTP/1.1\r\nhost: bench\r\nauthorization: Basic ZWxhc3RpYzpjaGFuZ2VtZQ==\r\n\r\n";

/// Opens the connections a hundred at a time, prints how many have their answer, then waits for the
/// end of stdin and says how many are still open.
pub(crate) async fn hold(to: SocketAddr, connections: usize) -> anyhow::Result<()> {
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        let wave = (connections - open.len()).min(100);
        let opening: Vec<_> = (0..wave).map(|_| tokio::spawn(one(to))).collect();
        for connection in opening {
            let opened = connection.await?;
            open.push(opened.with_context(|| format!("connection {}", open.len() + 1))?);
        }
    }
    println!("{{\"connections\": {}}}", open.len());
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    let idle = |stream: &&TcpStream| {
        let unread = stream.try_read(&mut [0]);
        unread.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    println!("{{\"still_open\": {}}}", open.iter().filter(idle).count());
    Ok(())
}

async fn one(to: SocketAddr) -> io::Result<TcpStream> {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(REQUEST).await?;
        let mut answer = Vec::with_capacity(512);
        while !is_whole(&answer) {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        match answer.starts_with(b"HTTP/1.1 200") {
            true => Ok(stream),
            false => Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
        }
    };
    tokio::time::timeout(Duration::from_secs(30), exchange).await?
}

/// The benchmarks' backend ends every answer's body with these two bytes; a refusal has none.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"\"}") || (!answer.is_empty() && !answer.starts_with(b"HTTP/1.1 200"))
}

//! Requests that no client library sends: cut off, not waited for, several at once.

use std::{io::Write as _, net::SocketAddr, time::Duration};

use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: source\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The same in chunks of a few bytes.
pub fn chunked(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: source\r\n{headers}transfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for chunk in body.chunks(7) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Sends all of it at once and waits for so many answers, or until the source has nothing to say any more.
pub async fn pipelined(address: SocketAddr, requests: &[Vec<u8>]) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    if socket.write_all(&requests.concat()).await.is_err() {
        return;
    }
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let answers = |seen: &[u8]| seen.windows(9).filter(|w| w.starts_with(b"HTTP/1.1 ")).count();
    while answers(&seen) < requests.len() {
        match tokio::time::timeout(Duration::from_secs(10), socket.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => seen.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
}

/// Sends bytes, and goes away without a word.
pub async fn abandoned(address: SocketAddr, bytes: &[u8]) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
}

//! A server that costs as little as one can: it finds where requests end, and answers 300 bytes.
//!
//! All connections read into one scratch buffer, so that ten thousand idle ones hold nothing. It
//! knows `content-length` and nothing else of HTTP: anything but that closes the connection.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

pub(crate) const SCRATCH: usize = 256 << 10;
pub(crate) const HEAD_LIMIT: usize = 64 << 10;
/// Bytes of an answer after its head.
const BODY: usize = 300;

/// Serves until the process ends. One thread; run it in a current-thread runtime.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let listener = socket.listen(16_384)?;
    let local = tokio::task::LocalSet::new();
    let answer = answer();
    let scratch = std::rc::Rc::new(RefCell::new(vec![0; SCRATCH]));
    local
        .run_until(async {
            loop {
                let (client, _) = listener.accept().await?;
                let (answer, scratch) = (answer.clone(), scratch.clone());
                tokio::task::spawn_local(async move {
                    if let Err(error) = converse(&client, &answer, &scratch).await {
                        // A load generator ends by closing; anything else is worth a line.
                        if error.kind() != io::ErrorKind::ConnectionReset {
                            eprintln!("backend: {error}");
                        }
                    }
                });
            }
        })
        .await
}

fn answer() -> std::rc::Rc<[u8]> {
    let mut text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BODY}\r\n\r\n"
    );
    text.push_str("{\"_index\":\"bench\",\"_id\":\"1\",\"filler\":\"");
    let filled = BODY - "{\"_index\":\"bench\",\"_id\":\"1\",\"filler\":\"".len() - 2;
    text.extend(std::iter::repeat_n('x', filled));
    text.push_str("\"}");
    text.into_bytes().into()
}

async fn converse(client: &TcpStream, answer: &[u8], scratch: &RefCell<Vec<u8>>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reading = Requests::default();
    loop {
        client.readable().await?;
        let ended = {
            let mut scratch = scratch.borrow_mut();
            match client.try_read(&mut scratch) {
                Ok(0) => return Ok(()),
                Ok(length) => reading.advance(scratch.get(..length).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
        };
        for _ in 0..ended {
            write_all(client, answer).await?;
        }
    }
}

pub(crate) async fn write_all(client: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match client.try_write(bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where in the stream of requests a connection is.
#[derive(Default)]
struct Requests {
    /// The beginning of a head whose end has not come.
    head: Vec<u8>,
    /// Bytes of the body still to come.
    body: usize,
}

impl Requests {
    /// Reads on; returns how many requests ended in `input`.
    fn advance(&mut self, mut input: &[u8]) -> io::Result<usize> {
        let mut ended = 0;
        while !input.is_empty() {
            if self.body > 0 {
                let now = self.body.min(input.len());
                self.body -= now;
                input = input.get(now..).unwrap_or_default();
                ended += usize::from(self.body == 0);
                continue;
            }
            let length = if self.head.is_empty() {
                let Some(end) = end_of_head(input) else {
                    self.head = input.to_vec();
                    break;
                };
                let (head, rest) = input.split_at(end);
                input = rest;
                content_length(head)?
            } else {
                let before = self.head.len();
                self.head.extend_from_slice(input);
                let Some(end) = end_of_head(&self.head) else { break };
                let head = std::mem::take(&mut self.head);
                input = input.get(end.saturating_sub(before)..).unwrap_or_default();
                content_length(head.get(..end).unwrap_or_default())?
            };
            self.body = length;
            ended += usize::from(length == 0);
        }
        if self.head.len() > HEAD_LIMIT {
            return Err(io::Error::other("a head of more than 64 KiB"));
        }
        Ok(ended)
    }
}

pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

pub(crate) fn content_length(head: &[u8]) -> io::Result<usize> {
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(io::Error::other("no transfer-encoding is taken"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let text = std::str::from_utf8(value).map_err(io::Error::other)?;
            return text.parse().map_err(io::Error::other);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_however_they_are_cut() {
        let text = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST /i HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n";
        for cut in 0..text.len() {
            let mut requests = Requests::default();
            let (first, second) = text.split_at(cut);
            let ended = requests.advance(first).unwrap() + requests.advance(second).unwrap();
            assert_eq!((ended, requests.body, requests.head.len()), (3, 0, 0), "cut at {cut}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(Requests::default().advance(chunked).is_err());
        assert!(
            Requests::default().advance(b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n").is_err()
        );
    }
}

//! A target that only counts: it takes every `_bulk`, keeps nothing, and says that all went well.
//!
//! ```text
//! GET /           an OpenSearch 2.19          GET /_sink      what was counted
//! GET /<index>    not there                   …/_bulk         a success for each two lines
//! …/_search       no hits
//! ```
//! Everything else is acknowledged. As little of HTTP as the backend knows: `content-length` alone.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::{TcpSocket, TcpStream};

use crate::backend::{HEAD_LIMIT, SCRATCH, content_length, end_of_head, write_all};

const INFO: &str = r#"{"name":"sink","cluster_name":"sink","cluster_uuid":"sink","version":{"distribution":"opensearch","number":"2.19.0"}}"#;
const PAGE: &[u8] = br#"{"_scroll_id":"s","hits":{"hits":[]}}"#;
const CREATED: &[u8] =
    br#"{"_index":"made","_id":"1","_version":1,"result":"created","_seq_no":0,"_primary_term":1}"#;
const ITEM: &[u8] = br#"{"index":{"status":201}}"#;

/// Serves until the process ends. One thread; run it in a current-thread runtime.
pub(crate) async fn serve(listen: SocketAddr, connections: usize) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let listener = socket.listen(1024)?;
    let shared = Shared::default();
    shared.counted.borrow_mut().newest = vec![None; connections];
    let shared = Rc::new(shared);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let (client, _) = listener.accept().await?;
                let shared = Rc::clone(&shared);
                tokio::task::spawn_local(async move {
                    if let Err(error) = converse(&client, &shared).await {
                        eprintln!("sink: {error}");
                    }
                });
            }
        })
        .await
}

/// What all connections use, one after the other.
struct Shared {
    scratch: RefCell<Vec<u8>>,
    counted: RefCell<Counted>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { scratch: RefCell::new(vec![0; SCRATCH]), counted: RefCell::default() }
    }
}

#[derive(Default)]
struct Counted {
    requests: u64,
    documents: u64,
    bytes: u64,
    /// The newest document of each captured connection of made traffic.
    newest: Vec<Option<u64>>,
    /// Documents that came after a younger one of their connection.
    violations: u64,
}

impl Counted {
    /// A document of made traffic came: its number says which connection was its.
    fn place(&mut self, number: u64) {
        let connections = self.newest.len() as u64;
        if connections == 0 {
            return;
        }
        if let Some(newest) = self.newest.get_mut((number % connections) as usize) {
            self.violations += u64::from(newest.is_some_and(|before| before >= number));
            *newest = Some(number);
        }
    }
}

async fn converse(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut reading, mut answers) = (Reading::default(), Vec::new());
    loop {
        client.readable().await?;
        {
            let mut scratch = shared.scratch.borrow_mut();
            let mut input = match client.try_read(&mut scratch) {
                Ok(0) => return Ok(()),
                Ok(length) => scratch.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            while let Some(request) = reading.advance(&mut input)? {
                answer(&request, &mut shared.counted.borrow_mut(), &mut answers)?;
            }
        }
        write_all(client, &answers).await?;
        answers.clear();
    }
}

fn answer(request: &Request, counted: &mut Counted, out: &mut Vec<u8>) -> io::Result<()> {
    let (status, body) = match request.asked {
        Asked::Info => ("200 OK", INFO.as_bytes().to_vec()),
        Asked::Counted => {
            let Counted { requests, documents, bytes, violations, .. } = counted;
            let body = serde_json::json!({
                "requests": requests, "documents": documents, "bytes": bytes, "violations": violations,
            });
            ("200 OK", body.to_string().into_bytes())
        }
        Asked::Definition => ("404 Not Found", br#"{"status":404}"#.to_vec()),
        Asked::Search => ("200 OK", PAGE.to_vec()),
        Asked::Document(number) => {
            counted.requests += 1;
            counted.documents += 1;
            counted.bytes += request.bytes;
            counted.place(number);
            ("201 Created", CREATED.to_vec())
        }
        Asked::Other => ("200 OK", br#"{"acknowledged":true}"#.to_vec()),
        Asked::Bulk => {
            counted.requests += 1;
            counted.documents += request.lines / 2;
            counted.bytes += request.bytes;
            ("200 OK", all_went_well(request.lines / 2))
        }
    };
    write!(
        out,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )?;
    out.extend_from_slice(&body);
    Ok(())
}

fn all_went_well(items: u64) -> Vec<u8> {
    let mut body = br#"{"took":1,"errors":false,"items":["#.to_vec();
    for item in 0..items {
        if item > 0 {
            body.push(b',');
        }
        body.extend_from_slice(ITEM);
    }
    body.extend_from_slice(b"]}");
    body
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    Info,
    Counted,
    Definition,
    Bulk,
    Search,
    /// Its id, a number.
    Document(u64),
    #[default]
    Other,
}

/// A request that was read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Request {
    asked: Asked,
    /// Of the body.
    bytes: u64,
    lines: u64,
}

/// Where in the stream of requests a connection is.
#[derive(Default)]
struct Reading {
    /// The beginning of a head whose end has not come.
    head: Vec<u8>,
    /// The request whose body is being read, and how much of it is to come.
    body: Option<(Request, usize)>,
}

impl Reading {
    /// Takes from `input` what belongs to the next request; `None`: more of it is to come.
    fn advance(&mut self, input: &mut &[u8]) -> io::Result<Option<Request>> {
        loop {
            if let Some((mut request, left)) = self.body.take() {
                let (now, rest) = input.split_at(left.min(input.len()));
                *input = rest;
                request.bytes += now.len() as u64;
                if request.asked == Asked::Bulk {
                    request.lines += memchr::memchr_iter(b'\n', now).count() as u64;
                }
                if now.len() == left {
                    return Ok(Some(request));
                }
                self.body = Some((request, left - now.len()));
                return Ok(None);
            }
            if input.is_empty() {
                return Ok(None);
            }
            if self.head.is_empty()
                && let Some(end) = end_of_head(input)
            {
                let (head, rest) = input.split_at(end);
                *input = rest;
                self.body = Some(begin(head)?);
                continue;
            }
            let before = self.head.len();
            self.head.extend_from_slice(input);
            let Some(end) = end_of_head(&self.head) else {
                *input = &[];
                if self.head.len() > HEAD_LIMIT {
                    return Err(io::Error::other("a head of more than 64 KiB"));
                }
                return Ok(None);
            };
            *input = input.get(end.saturating_sub(before)..).unwrap_or_default();
            let head = std::mem::take(&mut self.head);
            self.body = Some(begin(head.get(..end).unwrap_or_default())?);
        }
    }
}

fn begin(head: &[u8]) -> io::Result<(Request, usize)> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let number = || {
        let (_, id) = path.split_at_checked(path.iter().rposition(|byte| *byte == b'/')? + 1)?;
        std::str::from_utf8(id).ok()?.parse().ok()
    };
    let is_document = memchr::memmem::find(path, b"/_doc/").is_some();
    let asked = match (method, path) {
        (b"GET", b"/") => Asked::Info,
        (b"GET", b"/_sink") => Asked::Counted,
        (b"POST" | b"PUT", path) if path.ends_with(b"/_bulk") => Asked::Bulk,
        (b"PUT", _) if is_document => number().map_or(Asked::Other, Asked::Document),
        (b"GET" | b"POST", path) if path.ends_with(b"/_search") => Asked::Search,
        (b"GET" | b"HEAD", _) => Asked::Definition,
        _ => Asked::Other,
    };
    if memchr::memmem::find(&head.to_ascii_lowercase(), b"\r\ncontent-encoding:").is_some() {
        return Err(io::Error::other("the sink counts lines: no content-encoding"));
    }
    Ok((Request { asked, ..Request::default() }, content_length(head)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"GET / HTTP/1.1\r\n\r\nPOST /i/_bulk?filter_path=took HTTP/1.1\r\nContent-Length: 8\r\n\r\n{}\n{}\n\n\nGET /i HTTP/1.1\r\n\r\n";

    #[test]
    fn lines_are_counted_however_they_are_cut() {
        let bulk = Request { asked: Asked::Bulk, bytes: 8, lines: 4 };
        let of = |asked| Request { asked, ..Request::default() };
        for cut in 0..TEXT.len() {
            let mut reading = Reading::default();
            let mut found = Vec::new();
            for mut part in <[&[u8]; 2]>::from(TEXT.split_at(cut)) {
                while let Some(request) = reading.advance(&mut part).unwrap() {
                    found.push(request);
                }
            }
            assert_eq!(found, [of(Asked::Info), bulk, of(Asked::Definition)], "cut at {cut}");
        }
    }

    #[test]
    fn a_bulk_is_answered_item_by_item() {
        let mut counted = Counted::default();
        let request = Request { asked: Asked::Bulk, bytes: 9, lines: 4 };
        let mut out = Vec::new();
        answer(&request, &mut counted, &mut out).unwrap();
        let end = end_of_head(&out).unwrap();
        assert_eq!(content_length(&out[..end]).unwrap(), out.len() - end);
        let body: serde_json::Value = serde_json::from_slice(&out[end..]).unwrap();
        assert_eq!(body["items"].as_array().unwrap().len(), 2);
        assert_eq!((counted.requests, counted.documents, counted.bytes), (1, 2, 9));
    }

    #[test]
    fn what_is_compressed_is_refused() {
        assert!(begin(b"POST /_bulk HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n").is_err());
    }
}

//! Captured traffic for replays: so many requests on so many connections, evenly in time.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    time::Duration,
};

use clap::{Args, ValueEnum};
use codec::record::Direction;
use testbed::Traffic;

/// What traffic is wished for.
#[derive(Args)]
pub(crate) struct Wanted {
    /// Where to, file:///FOLDER or kafka://HOST:PORT/TOPIC.
    #[arg(long)]
    journal: journal::JournalUrl,
    #[arg(long, value_enum, default_value_t = Kind::Document)]
    kind: Kind,
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// Requests of all connections.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// Requests a second, in the source's time.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Bytes of a request's body, about.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Leave every connection open and its last request unanswered.
    #[arg(long)]
    open: bool,
    /// Write the requests into a file of GoReplay's too.
    #[arg(long)]
    goreplay_file: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One document a request.
    Document,
    /// Documents of 1 KB, many a request.
    Bulk,
}

/// 2026-09-21, when no test was run.
const BEGAN: u64 = 1_790_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const TOOK: Duration = Duration::from_millis(1);

/// Writes the journal.
pub(crate) async fn write(wanted: Wanted) -> anyhow::Result<()> {
    let mut traffic = Traffic::new(&wanted.journal)?;
    let text = "abcdefghijklmnopqrstuvwxyz012345".repeat(wanted.size / 32 + 1);
    let mut made = 0;
    let mut beside = match &wanted.goreplay_file {
        Some(path) => Some(BufWriter::new(File::create(path)?)),
        None => None,
    };
    for number in 0..wanted.requests {
        let at = BEGAN + number * SECOND / wanted.rate.max(1);
        if number % wanted.rate.max(1) == 0 {
            traffic.heartbeat(at).await?;
        }
        let connection = format!("made-{:06}", number % wanted.connections.max(1));
        let (request, answer) = match wanted.kind {
            Kind::Document => document(number, &text[..wanted.size.saturating_sub(40)]),
            Kind::Bulk => bulk(&mut made, wanted.size, &text),
        };
        if let Some(file) = &mut beside {
            // Kind 1 is a request; an id; when it came, in nanoseconds; how long it took. Then what ends it.
            write!(file, "1 {number:024x} {at} 0\n{request}\n🐵🙈🙉\n")?;
        }
        let last = wanted.open && number + wanted.connections >= wanted.requests;
        if last {
            traffic.half(&connection, Direction::Read, at, request.as_bytes()).await?;
        } else {
            traffic.exchange(&connection, at, TOOK, request.as_bytes(), answer.as_bytes()).await?;
        }
    }
    if let Some(mut file) = beside {
        file.flush()?;
    }
    traffic.heartbeat(BEGAN + (wanted.requests / wanted.rate.max(1) + 10) * SECOND).await?;
    if wanted.open { traffic.leave() } else { traffic.end().await }
}

fn document(number: u64, text: &str) -> (String, String) {
    let body = format!(r#"{{"number":{number},"text":"{text}"}}"#);
    let answer = format!(
        r#"{{"_index":"made","_type":"_doc","_id":"{number}","_version":1,"result":"created","_shards":{{"total":2,"successful":1,"failed":0}},"_seq_no":{number},"_primary_term":1}}"#
    );
    let request = format!(
        "PUT /made/_doc/{number} HTTP/1.1\r\nHost: source:9200\r\nUser-Agent: elasticsearch-py/7.17.9 (Python 3.11.2)\r\n\
         Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    (request, answered("201 Created", &answer))
}

fn bulk(made: &mut u64, size: usize, text: &str) -> (String, String) {
    let (mut body, mut items) = (String::with_capacity(size + 2048), String::new());
    while body.len() < size {
        let number = *made;
        *made += 1;
        let _ = write!(
            body,
            "{{\"index\":{{\"_index\":\"made\",\"_id\":\"{number}\"}}}}\n{{\"number\":{number},\"text\":\"{}\"}}\n",
            &text[..text.len().min(960)]
        );
        let comma = if items.is_empty() { "" } else { "," };
        let _ = write!(
            items,
            r#"{comma}{{"index":{{"_index":"made","_type":"_doc","_id":"{number}","_version":1,"result":"created","_shards":{{"total":2,"successful":1,"failed":0}},"_seq_no":{number},"_primary_term":1,"status":201}}}}"#
        );
    }
    let request = format!(
        "POST /_bulk HTTP/1.1\r\nHost: source:9200\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    (request, answered("200 OK", &format!(r#"{{"took":3,"errors":false,"items":[{items}]}}"#)))
}

fn answered(status: &str, body: &str) -> String {
    let head = "content-type: application/json; charset=UTF-8";
    format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

//! Ambiguous requests to a real server: what it did is what the journal says, or is held and called opaque.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use codec::http1::{
    Assembled, DEFAULT_HEAD_LIMIT, Method, RequestAssembler, RequestMessage, ResponseAssembler,
};
use settings::Span;
use testbed::{Ambiguous, ScriptedSource, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::Stage;
use super::framed::{Framed, OnRecord, by_connection};

const INDEX: &str = "ambiguous";

/// Sends all of them through a proxy.
pub async fn executes_what_the_journal_says(server: &Server) {
    let nobody = ScriptedSource::silent().await.unwrap();
    let stage = Stage::with(nobody, |flags| {
        flags.source = Some(server.url());
        // A server that waits for more gives no answer.
        flags.answer_patience = Some(Span(Duration::from_secs(2)));
    })
    .await;
    let stage = Arc::new(stage);
    let streams = Ambiguous::all(INDEX);
    for some in streams.chunks(400) {
        let mut clients = JoinSet::new();
        for stream in some {
            clients.spawn(send(Arc::clone(&stage), stream.bytes.clone()));
        }
        clients.join_all().await;
    }
    let captured = Arc::into_inner(stage).unwrap().finish().await;
    captured.assert_complete();
    let written = written(server).await;
    let by_id: BTreeMap<&str, &Ambiguous> =
        streams.iter().map(|stream| (stream.id.as_str(), stream)).collect();
    let on_record: BTreeMap<Vec<u8>, OnRecord> =
        by_connection(&captured).into_values().map(|one| (one.requests.clone(), one)).collect();
    let mut tally = Tally::default();
    for stream in &streams {
        let one = on_record.get(&stream.bytes);
        let one = one.unwrap_or_else(|| panic!("{}: not as it was sent", stream.name));
        tally.add(stream, one, written.contains(&stream.id));
    }
    for id in &written {
        let stream = by_id[id.as_str()];
        let put = format!("PUT /{INDEX}/_doc/{id} ");
        let at = stream.bytes.windows(put.len()).position(|window| window == put.as_bytes());
        let unheld = Framed::of(&stream.bytes).unheld;
        assert!(at.unwrap() >= unheld, "{}: written, and not held", stream.name);
    }
    println!("{} {}: {tally:?}", server.version(), server.url());
    assert!(tally.framed > 100 && tally.opaque > 700 && tally.written_in_opaque > 0, "{tally:?}");
}

/// Reads until the server closes; one that waits for more gets no more.
async fn send(stage: Arc<Stage>, bytes: Vec<u8>) {
    let mut client = stage.client().await;
    if client.write_all(&bytes).await.is_ok() {
        let mut answers = Vec::new();
        let all = client.read_to_end(&mut answers);
        let _ = tokio::time::timeout(Duration::from_secs(2), all).await;
    }
}

/// The ids that the server has.
async fn written(server: &Server) -> BTreeSet<String> {
    let ask = |path: String| async move {
        let answer = reqwest::get(format!("{}{path}", server.url())).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.bytes().await.unwrap()).unwrap()
    };
    ask(format!("/{INDEX}/_refresh")).await;
    let found = ask(format!("/{INDEX}/_search?size=10000&_source=false")).await;
    let hits = found["hits"]["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect()
}

#[derive(Debug, Default)]
struct Tally {
    framed: usize,
    /// Of the framed: every request has its answer.
    answered: usize,
    /// The others, with the answers that there were.
    left: Vec<(String, Vec<u16>)>,
    opaque: usize,
    written_as_framed: usize,
    written_in_opaque: usize,
}

impl Tally {
    fn add(&mut self, stream: &Ambiguous, one: &OnRecord, written: bool) {
        if one.opaque {
            self.opaque += 1;
            self.written_in_opaque += usize::from(written);
            return;
        }
        self.framed += 1;
        let requests = requests(&one.requests);
        let answers = answers(&one.answers, &requests);
        let text = || {
            let (asked, said) = (&one.requests, &one.answers);
            let (asked, said) = (String::from_utf8_lossy(asked), String::from_utf8_lossy(said));
            format!("{}: {asked:?}\n{said:?}", stream.name)
        };
        assert!(answers.len() <= requests.len(), "more answers than requests: {}", text());
        match answers.len() == requests.len() {
            true => self.answered += 1,
            false => self.left.push((stream.name.clone(), answers.clone())),
        }
        let path = format!("/{INDEX}/_doc/{}", stream.id);
        let said = requests
            .iter()
            .position(|request| request.method == Method::Put && request.target == path.as_bytes());
        match said {
            Some(at) if answers.get(at).is_some_and(|status| (200..300).contains(status)) => {
                assert!(written, "the journal has a write that didn't happen: {}", text());
                self.written_as_framed += 1;
            }
            Some(at) => assert!(!written || answers.len() <= at, "refused, and there: {}", text()),
            None => assert!(!written, "the journal doesn't know of it: {}", text()),
        }
    }
}

fn requests(bytes: &[u8]) -> Vec<RequestMessage> {
    let mut assembler = RequestAssembler::new(DEFAULT_HEAD_LIMIT, 1 << 20);
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    while let Some(Assembled::Message(request)) = assembler.next(&mut rest) {
        found.push(request);
    }
    found
}

/// The statuses of the answers, less the interim ones.
fn answers(bytes: &[u8], requests: &[RequestMessage]) -> Vec<u16> {
    let mut assembler = ResponseAssembler::new(DEFAULT_HEAD_LIMIT, 1 << 20);
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    loop {
        let method = requests.get(found.len()).map_or(Method::Other, |request| request.method);
        match assembler.next(&mut rest, method) {
            Some(Assembled::Message(answer)) if answer.interim => {}
            Some(Assembled::Message(answer)) => found.push(answer.status),
            _ => return found,
        }
    }
}

//! Ambiguous requests: the source gets what the client sent, the journal has what the source got, and
//! nothing that could be a write passes before it is durable.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng};
use stage::framed::{Framed, by_connection};
use stage::{Stage, read_all, send_cut};
use testbed::{Ambiguous, ScriptedSource, Step};
use tokio::task::JoinSet;

const INDEX: &str = "ambiguous";

/// Never answers, and closes behind the last request of a stream.
async fn listener() -> ScriptedSource {
    let last = Ambiguous::last_request(INDEX);
    let script = move |seen: testbed::Seen<'_>| match seen.received.ends_with(&last) {
        true => vec![Step::Close],
        false => vec![],
    };
    ScriptedSource::new(script).await.unwrap()
}

/// Sends each stream on a connection of its own, cut as `cuts` says.
async fn check(streams: Vec<Ambiguous>, mut cuts: impl FnMut(&[u8]) -> Vec<usize>) {
    let stage = Arc::new(Stage::new(listener().await).await);
    for some in streams.chunks(64) {
        let mut clients = JoinSet::new();
        for stream in some {
            let (bytes, at, stage) =
                (stream.bytes.clone(), cuts(&stream.bytes), Arc::clone(&stage));
            clients.spawn(async move {
                let mut client = stage.client().await;
                send_cut(&mut client, &bytes, &at).await;
                assert_eq!(read_all(&mut client).await, b"");
            });
        }
        clients.join_all().await;
    }
    let mut sent: Vec<Vec<u8>> = streams.iter().map(|stream| stream.bytes.clone()).collect();
    sent.sort_unstable();
    let stage = Arc::into_inner(stage).unwrap();
    let of_source = |connection| stage.source.received(connection);
    let mut received: Vec<Vec<u8>> = (0..stage.source.connections()).map(of_source).collect();
    received.sort_unstable();
    assert_same(&received, &sent, "the source received");
    let captured = stage.finish().await;
    captured.assert_complete();
    let on_record = by_connection(&captured);
    let mut recorded: Vec<Vec<u8>> = on_record.values().map(|one| one.requests.clone()).collect();
    recorded.sort_unstable();
    assert_same(&recorded, &sent, "the journal has");
    let mut opaque = 0;
    for one in on_record.values() {
        let framed = Framed::of(&one.requests);
        let text = String::from_utf8_lossy(&one.requests);
        assert_eq!(one.opaque, framed.opaque || framed.may_switch, "{text:?}");
        // What was framed before it turned opaque is the same however it came.
        if !framed.may_switch {
            assert_eq!(one.ends, framed.requests, "{text:?}");
        }
        opaque += usize::from(one.opaque);
    }
    println!("{} streams, {opaque} of them opaque", streams.len());
    assert!(opaque * 10 > streams.len() * 7, "most are ambiguous: {opaque}");
}

fn assert_same(found: &[Vec<u8>], sent: &[Vec<u8>], what: &str) {
    let differing = sent.iter().zip(found).find(|(sent, found)| sent != found);
    if let Some((sent, found)) = differing {
        let (sent, found) = (String::from_utf8_lossy(sent), String::from_utf8_lossy(found));
        panic!("{what}\n{found:?}\nin place of\n{sent:?}");
    }
    assert_eq!(found.len(), sent.len(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_they_arrive_and_are_recorded_as_sent() {
    check(Ambiguous::all(INDEX), |_| vec![]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_anywhere_they_arrive_and_are_recorded_as_sent() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let random = move |bytes: &[u8]| {
        let mut cuts: Vec<usize> = (0..4).map(|_| rng.random_range(1..bytes.len())).collect();
        cuts.sort_unstable();
        cuts
    };
    check(Ambiguous::all(INDEX), random).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_everywhere_they_arrive_and_are_recorded_as_sent() {
    let some = Ambiguous::all(INDEX).into_iter().step_by(9).collect();
    check(some, |bytes| (1..bytes.len()).collect()).await;
}

/// The journal takes nothing: what reaches the source was not held.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_reads_passes_before_it_is_durable() {
    let full = |flags: &mut capture_proxy::Flags| {
        flags.journal_limit = Some(settings::Size(200));
        // A refusal waits for the answers to the reads in front, and this source gives none.
        flags.answer_patience = Some(settings::Span(Duration::from_millis(5)));
    };
    let stage = Stage::with(listener().await, full).await;
    let mut passed = 0;
    for (number, stream) in Ambiguous::all(INDEX).iter().enumerate() {
        let mut client = stage.client().await;
        // Cut where the reads end, if that is within: what is behind them comes by itself.
        let unheld = Framed::of(&stream.bytes).unheld;
        let cut = Some(unheld).filter(|cut| (1..stream.bytes.len()).contains(cut));
        send_some(&mut client, &stream.bytes, cut).await;
        read_all(&mut client).await;
        drop(client);
        // Either the proxy has closed, or the source, which got the whole stream.
        let ended = stage.source.wait_for_end(number).await;
        let received = ended.unwrap_or_else(|_| stage.source.received(number));
        assert!(stream.bytes.starts_with(&received), "{}", stream.name);
        assert!(
            received.len() <= unheld,
            "{}: {:?}",
            stream.name,
            String::from_utf8_lossy(&received)
        );
        passed += usize::from(!received.is_empty());
    }
    assert!(passed > 80, "reads pass: {passed}");
}

/// As [`send_cut`]; the proxy may close before all is sent.
async fn send_some(client: &mut tokio::net::TcpStream, bytes: &[u8], cut: Option<usize>) {
    use tokio::io::AsyncWriteExt as _;
    let (first, second) = bytes.split_at(cut.unwrap_or(bytes.len()));
    if client.write_all(first).await.is_ok() {
        tokio::task::yield_now().await;
        let _ = client.write_all(second).await;
    }
}

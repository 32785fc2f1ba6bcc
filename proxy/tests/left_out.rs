//! What is passed on and not recorded.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use capture_proxy::Flags;
use stage::{Stage, read_exact, send_cut};
use testbed::{ScriptedSource, Step};
use tokio::io::AsyncWriteExt;

const WRITE: &str = "PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const PROBE: &str = "GET /_cluster/health?wait=1s HTTP/1.1\r\nhost: a\r\nx-probe: yes\r\n\r\n";
const LEFT_OUT_WRITE: &str = "POST /logs/_doc HTTP/1.1\r\nhost: a\r\nx-probe: yes\r\ntransfer-encoding: chunked\r\n\r\n\
     2\r\n{}\r\n0\r\n\r\n";

fn answer(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

fn without_probes(flags: &mut Flags) {
    flags.leave_out_headers = vec!["X-Probe=y.s".into()];
}

#[tokio::test]
async fn left_out_requests_and_their_answers_pass_and_are_not_in_the_journal_wherever_reads_are_cut()
 {
    let answers = ["first", "second", "third", "fourth"].map(answer);
    let source = ScriptedSource::answering_each(answers.to_vec()).await.unwrap();
    let stage = Stage::with(source, without_probes).await;
    let all = [PROBE, WRITE, LEFT_OUT_WRITE, WRITE].concat();
    let cuts: Vec<usize> = (1..all.len()).step_by(3).collect();
    for (connection, cut) in cuts.iter().enumerate() {
        let mut client = stage.client().await;
        send_cut(&mut client, all.as_bytes(), &[*cut]).await;
        assert_eq!(read_exact(&mut client, answers.concat().len()).await, answers.concat());
        assert_eq!(stage.source.received(connection), all.as_bytes());
    }
    let metrics = stage.metrics().await;
    for writes in ["true", "false"] {
        let labels = format!("reason=\"pattern\",writes=\"{writes}\"");
        let line = format!("left_out_requests_total{{{labels}}} {}\n", cuts.len());
        assert!(metrics.contains(&line), "{metrics}");
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.ends(), 2 * cuts.len());
    let recorded = [answer("second"), answer("fourth")].concat();
    for (connection, cut) in cuts.iter().enumerate() {
        let requests = String::from_utf8(captured.requests(connection)).unwrap();
        assert_eq!(requests, [WRITE, WRITE].concat(), "cut at {cut}");
        assert_eq!(captured.answers(connection), recorded, "cut at {cut}");
    }
}

#[tokio::test]
async fn what_loses_its_framing_inside_a_left_out_request_is_recorded_from_there_on() {
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), without_probes).await;
    let head =
        "POST /logs/_doc HTTP/1.1\r\nhost: a\r\nx-probe: yes\r\ntransfer-encoding: chunked\r\n\r\n";
    let broken = "2\r\n{}no chunk ends so\r\n";
    let mut client = stage.client().await;
    client.write_all(head.as_bytes()).await.unwrap();
    stage.source.wait_for(0, head.len()).await.unwrap();
    client.write_all(broken.as_bytes()).await.unwrap();
    stage.source.wait_for(0, head.len() + broken.len()).await.unwrap();
    drop(client);
    stage.source.act(0, Step::Close).unwrap();
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.requests(0), broken.as_bytes());
}

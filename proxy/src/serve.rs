//! One client's connection from its first byte to its last.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::accept::{Accepted, Client};
use crate::break_off::break_off;
use crate::connection::Connection;
use crate::metrics::Metrics;
use crate::pass::send;
use crate::refusal::Refusal;
use crate::requests::{self, Ended};
use crate::responses;
use crate::source::Source;
use crate::tape::now;

/// Serves a connection, recorded or not: both ways at once, until one is done with.
pub(crate) async fn serve(
    connection: &Connection<'_>,
    Accepted { stream: client, from }: Accepted,
    source: io::Result<Source>,
) {
    connection.tape.connect(now(), from);
    match source {
        Ok(Source::Plain(source)) => exchange(connection, client, source.into_split()).await,
        Ok(Source::Tls(source)) => exchange(connection, client, tokio::io::split(source)).await,
        Err(error) => {
            tracing::warn!(%error, "the source can't be reached");
            connection.metrics.source_failures.with_label_values(&["connect"]).inc();
            connection.tape.exception(&format!("source: {error}"));
            refuse(connection.metrics, client, Refusal::Source).await;
        }
    }
    connection.tape.close();
    connection.tape.drained(connection.settings.journal_patience).await;
}

async fn exchange(
    connection: &Connection<'_>,
    client: Client,
    (mut from_source, mut to_source): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let ended = {
        let answers = responses::forward(connection, &mut from_source, &mut to_client);
        tokio::pin!(answers);
        let ended = tokio::select! {
            biased;
            answers = &mut answers => {
                note_failure(connection, "read", answers.as_ref().err());
                None
            }
            ended = requests::forward(connection, &mut from_client, &mut to_source) => Some(ended),
        };
        if let Some(ended) = &ended {
            let rest = last_answers(connection, ended, answers, &mut from_client);
            if tokio::time::timeout(connection.settings.answer_patience, rest).await.is_err() {
                connection.metrics.source_failures.with_label_values(&["answer"]).inc();
            }
        }
        ended
    };
    if connection.is_to_break() {
        if let Some(Ended::Refused(refusal)) = &ended {
            connection.metrics.refused.with_label_values(&[refusal.reason()]).inc();
        }
        break_off(from_client.unsplit(to_client));
        let _ = to_source.shutdown().await;
        return;
    }
    // Of a request whose last fields don't come the source has all else: nobody knows what it does about it.
    let is_untold = |refusal| matches!(refusal, Refusal::Head) && connection.is_midway();
    match &ended {
        Some(Ended::Refused(refusal)) if connection.may_answer() && !is_untold(*refusal) => {
            let client = from_client.unsplit(to_client);
            refuse(connection.metrics, client, *refusal).await;
        }
        Some(Ended::Refused(refusal)) => {
            connection.metrics.refused.with_label_values(&[refusal.reason()]).inc();
        }
        Some(Ended::Failed(error)) => {
            let client = connection.sender();
            tracing::debug!(%error, ?client, "a client's connection broke");
        }
        Some(Ended::SourceFailed(_)) => {
            let _ = to_client.shutdown().await;
            see_out(&mut from_client).await;
        }
        Some(Ended::Closed | Ended::Drained) | None => {
            let _ = to_client.shutdown().await;
            let _ = to_source.shutdown().await;
            if connection.is_last() || ended.is_none() && connection.is_in_request() {
                see_out(&mut from_client).await;
            }
        }
    }
}

/// No more requests are sent on: what the source says to those that were.
async fn last_answers(
    connection: &Connection<'_>,
    ended: &Ended,
    answers: Pin<&mut impl Future<Output = io::Result<()>>>,
    from_client: &mut (impl AsyncRead + Unpin),
) {
    let opaque = connection.opaque().is_some();
    match ended {
        Ended::Closed if opaque => {
            // The source has been told; the client may wait for what it says to that.
            tokio::select! {
                biased;
                answers = answers => note_failure(connection, "read", answers.as_ref().err()),
                () = connection.drained() => {}
            }
        }
        Ended::Closed | Ended::Failed(_)
            if connection.awaits_answers() || connection.is_sending() =>
        {
            // The journal shall have the answer, though the client may not want it.
            let enough = || !connection.awaits_answers() && !connection.is_sending();
            let _ = until(answers, enough).await;
        }
        Ended::Refused(_) if !opaque => {
            // Of the requests before: theirs come first.
            let before = until(answers, || !connection.owes_answers()).await;
            note_failure(connection, "read", before.as_ref().err());
        }
        Ended::SourceFailed(error) => {
            note_failure(connection, "write", Some(error));
            // What it said before it hung up, which may be why. The client may send to the end before it reads; what breaks the
            // answers too is the same failure.
            tokio::select! {
                biased;
                _ = answers => {}
                () = async {
                    swallow(from_client).await;
                    std::future::pending().await
                } => {}
            }
        }
        Ended::Closed | Ended::Failed(_) | Ended::Refused(_) | Ended::Drained => {}
    }
}

/// Lets answers go on until they end or `enough` of them have come; that changes with them only.
async fn until(
    mut answers: Pin<&mut impl Future<Output = io::Result<()>>>,
    enough: impl Fn() -> bool,
) -> io::Result<()> {
    poll_fn(|context| match answers.as_mut().poll(context) {
        Poll::Pending if enough() => Poll::Ready(Ok(())),
        polled => polled,
    })
    .await
}

fn note_failure(connection: &Connection<'_>, kind: &str, error: Option<&io::Error>) {
    let Some(error) = error else { return };
    tracing::debug!(%error, kind, "the source's connection broke");
    connection.metrics.source_failures.with_label_values(&[kind]).inc();
    connection.tape.exception(&format!("source: {error}"));
}

/// Answers for the source, and closes.
async fn refuse(metrics: &Metrics, mut client: Client, refusal: Refusal) {
    metrics.refused.with_label_values(&[refusal.reason()]).inc();
    if send(&mut client, refusal.answer()).await.is_ok() {
        let _ = client.shutdown().await;
        see_out(&mut client).await;
    }
}

/// Waits for the client to go, for a moment: one that is still sending would see a reset before it has read the answer.
async fn see_out(client: &mut (impl AsyncRead + Unpin)) {
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), swallow(client)).await;
}

/// Reads what goes nowhere, to the end.
async fn swallow(client: &mut (impl AsyncRead + Unpin)) {
    let mut rest = vec![0; 4096];
    while matches!(AsyncReadExt::read(client, &mut rest).await, Ok(read) if read > 0) {}
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use tokio::io::DuplexStream;

    use super::*;
    use crate::rig::Rig;

    const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}";

    /// Takes nothing, and has said why by then.
    struct HangsUp(Option<DuplexStream>);

    impl AsyncWrite for HangsUp {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            if let Some(mut answers) = self.0.take() {
                let said = Pin::new(&mut answers).poll_write(context, TOO_LARGE);
                assert!(matches!(said, Poll::Ready(Ok(written)) if written == TOO_LARGE.len()));
            }
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_the_source_said_before_it_hung_up_reaches_the_client_and_the_journal() {
        let rig = Rig::new(|_| {});
        let connection = rig.connection();
        let (mut client, accepted) = tokio::io::duplex(1 << 16);
        let (from_source, answers) = tokio::io::duplex(1 << 16);
        let half = b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n{";
        client.write_all(half).await.unwrap();
        let reading = async {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            drop(client);
            answer
        };
        let source = (from_source, HangsUp(Some(answers)));
        let serving = exchange(&connection, Box::new(accepted), source);
        let (answer, ()) = tokio::join!(reading, serving);
        assert_eq!(answer, TOO_LARGE);
        let failures = |kind| rig.metrics.source_failures.with_label_values(&[kind]).get();
        assert_eq!((failures("write"), failures("read")), (1, 0));
        assert_eq!(rig.answers().await, TOO_LARGE);
    }

    /// It has said so while something was on its way to it.
    #[tokio::test]
    async fn a_client_that_says_no_more_gets_all_that_another_protocol_has_for_it() {
        const UPGRADE: &[u8] =
            b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
        const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
            connection: Upgrade\r\n\r\n";
        let rig = Rig::new(|_| {});
        let connection = rig.connection();
        let (mut client, accepted) = tokio::io::duplex(256);
        let (mut source, connected) = tokio::io::duplex(1 << 16);
        let [first, rest] = [SWITCHED.len() + 1000, 10_000];
        let answer = [SWITCHED, &vec![b'x'; 1000 + rest]].concat();
        let script = async {
            client.write_all(UPGRADE).await.unwrap();
            source.read_exact(&mut [0; UPGRADE.len()]).await.unwrap();
            source.write_all(&answer[..first]).await.unwrap();
            // More has been read than the client has room for.
            let mut came = vec![0; SWITCHED.len()];
            client.read_exact(&mut came).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(source.read(&mut [0]).await.unwrap(), 0);
            came.resize(first, 0);
            client.read_exact(&mut came[SWITCHED.len()..]).await.unwrap();
            let saying = async {
                // Fails if nobody listens, and then it doesn't come.
                let _ = source.write_all(&answer[first..]).await;
                drop(source);
            };
            let (_, read) = tokio::join!(saying, client.read_to_end(&mut came));
            read.unwrap();
            drop(client);
            came
        };
        let serving = exchange(&connection, Box::new(accepted), tokio::io::split(connected));
        let (came, ()) = tokio::join!(script, serving);
        assert_eq!(came.len(), answer.len());
        assert_eq!(came, answer);
        assert_eq!(rig.answers().await, answer);
    }
}

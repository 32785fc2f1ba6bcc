//! One client's connection from its first byte to its last.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::accept::{Accepted, Client};
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
        let requests = requests::forward(connection, &mut from_client, &mut to_source);
        tokio::pin!(answers, requests);
        tokio::select! {
            biased;
            answers = &mut answers => {
                note_failure(connection, answers.err());
                None
            }
            ended = &mut requests => {
                let gone = matches!(ended, Ended::Closed | Ended::Failed(_));
                let patience = connection.settings.answer_patience;
                if gone && connection.awaits_answers() {
                    // The journal shall have the answer, though the client won't.
                    let rest = async {
                        while connection.awaits_answers() {
                            tokio::select! {
                                biased;
                                _ = &mut answers => return,
                                () = connection.next_answer() => {}
                            }
                        }
                    };
                    if tokio::time::timeout(patience, rest).await.is_err() {
                        note_no_answer(connection);
                    }
                } else if matches!(ended, Ended::Closed) && connection.opaque().is_some() {
                    // The source has been told; the client may wait for what it says to that.
                    tokio::select! {
                        biased;
                        answers = tokio::time::timeout(patience, &mut answers) => match answers {
                            Ok(answers) => note_failure(connection, answers.err()),
                            Err(_) => note_no_answer(connection),
                        },
                        () = connection.drained() => {}
                    }
                }
                Some(ended)
            }
        }
    };
    match ended {
        Some(Ended::Refused(refusal)) if connection.may_answer(refusal.has_begun()) => {
            let client = from_client.unsplit(to_client);
            refuse(connection.metrics, client, refusal).await;
        }
        Some(Ended::Refused(refusal)) => {
            connection.metrics.refused.with_label_values(&[refusal.reason()]).inc();
        }
        Some(Ended::Failed(error)) => {
            let client = connection.sender();
            tracing::debug!(%error, ?client, "a client's connection broke");
        }
        Some(Ended::Closed | Ended::Drained) | None => {
            let _ = to_client.shutdown().await;
            let _ = to_source.shutdown().await;
            if connection.is_last() {
                see_out(&mut from_client).await;
            }
        }
    }
}

fn note_failure(connection: &Connection<'_>, error: Option<io::Error>) {
    let Some(error) = error else { return };
    tracing::debug!(%error, "the source's connection broke");
    connection.metrics.source_failures.with_label_values(&["read"]).inc();
    connection.tape.exception(&format!("source: {error}"));
}

fn note_no_answer(connection: &Connection<'_>) {
    connection.metrics.source_failures.with_label_values(&["answer"]).inc();
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
    let mut rest = vec![0; 4096];
    let drain = async {
        while matches!(
            tokio::io::AsyncReadExt::read(client, &mut rest).await,
            Ok(read) if read > 0
        ) {}
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), drain).await;
}

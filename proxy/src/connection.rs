//! One client's connection from its first byte to its last.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use codec::http1::{Method, Reason};
use codec::record::Nanos;
use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, watch};

use crate::Settings;
use crate::metrics::Metrics;
use crate::pass::{pass_all, send};
use crate::refusal::Refusal;
use crate::requests::{self, Ended, RequestSide};
use crate::responses;
use crate::source::Source;
use crate::tape::{Tape, now};

/// A request whose answer has not ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outstanding {
    pub method: Method,
    pub held: bool,
    pub since: Nanos,
    /// Whether the client may wait for 100 before it sends the body.
    pub expects: bool,
    /// Whether the request itself has ended.
    pub ended: bool,
}

/// What both ways of a captured connection share. All locks are held for a moment, by one task.
pub(crate) struct Connection<'a> {
    pub settings: &'a Settings,
    pub metrics: &'a Metrics,
    pub tape: &'a Tape,
    pub requests: Mutex<RequestSide>,
    outstanding: Mutex<VecDeque<Outstanding>>,
    opaque: Mutex<Option<Reason>>,
    draining: watch::Receiver<bool>,
    answered: Notify,
    /// Whether the client has a part of an answer: then it can't be given another.
    answering: AtomicBool,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        metrics: &'a Metrics,
        tape: &'a Tape,
        draining: watch::Receiver<bool>,
    ) -> Connection<'a> {
        Connection {
            settings,
            metrics,
            tape,
            requests: Mutex::new(RequestSide::new(settings.head_limit)),
            outstanding: Mutex::default(),
            opaque: Mutex::new(None),
            draining,
            answered: Notify::new(),
            answering: AtomicBool::new(false),
        }
    }

    /// A request has begun.
    pub(crate) fn begun(&self, request: Outstanding) {
        let mut outstanding = self.outstanding.lock();
        outstanding.push_back(request);
        self.note_open_write(&outstanding);
    }

    /// The request that began last has ended.
    pub(crate) fn ended(&self) {
        if let Some(last) = self.outstanding.lock().back_mut() {
            last.ended = true;
        }
    }

    /// The answer to the oldest request has ended; whether that was a write.
    pub(crate) fn answered(&self) -> bool {
        let mut outstanding = self.outstanding.lock();
        let request = outstanding.pop_front();
        self.note_open_write(&outstanding);
        drop(outstanding);
        self.answered.notify_one();
        if request.is_some_and(|request| request.expects && !request.ended) {
            // Answered without 100: some servers read what follows as the body, some as the next
            // request.
            self.turned_opaque(Reason::UnmetExpectation);
        }
        request.is_some_and(|request| request.held)
    }

    fn note_open_write(&self, outstanding: &VecDeque<Outstanding>) {
        let oldest = outstanding.iter().find(|request| request.held);
        self.tape.seat().open_write(oldest.map_or(0, |request| request.since));
    }

    /// Whether a part of an answer went to the client, and not all of it.
    pub(crate) fn answering(&self, in_progress: bool) {
        self.answering.store(in_progress, Ordering::Relaxed);
    }

    /// Whether the proxy may answer for the source: nothing else is on its way to the client.
    fn may_answer(&self) -> bool {
        !self.answering.load(Ordering::Relaxed) && self.outstanding.lock().len() <= 1
    }

    /// The method whose answer comes next.
    pub(crate) fn awaited(&self) -> Option<Method> {
        self.outstanding.lock().front().map(|request| request.method)
    }

    /// Whether a request that was sent whole has no answer yet.
    pub(crate) fn awaits_answers(&self) -> bool {
        let opaque = self.opaque.lock().is_some();
        !opaque && self.outstanding.lock().iter().any(|request| request.ended)
    }

    /// Where requests or answers begin and end is not known from here on. What one direction
    /// doesn't know, the other can't pair.
    pub(crate) fn turned_opaque(&self, reason: Reason) {
        let mut opaque = self.opaque.lock();
        if opaque.is_some() {
            return;
        }
        *opaque = Some(reason);
        self.metrics.opaque.with_label_values(&[reason.as_str()]).inc();
        self.tape.exception(&format!("opaque: {}", reason.as_str()));
    }

    /// Why the connection is opaque, if it is.
    pub(crate) fn opaque(&self) -> Option<Reason> {
        *self.opaque.lock()
    }

    /// Resolves when the proxy drains and nothing is in progress here.
    pub(crate) async fn drained(&self) {
        let mut draining = self.draining.clone();
        if draining.wait_for(|draining| *draining).await.is_err() {
            return std::future::pending().await;
        }
        loop {
            if self.requests.lock().is_idle() && self.outstanding.lock().is_empty() {
                return;
            }
            self.answered.notified().await;
        }
    }
}

/// Serves a connection with capture: both ways at once, until one is done with.
pub(crate) async fn serve(connection: &Connection<'_>, client: Stream, source: io::Result<Source>) {
    connection.tape.connect(now());
    match source {
        Ok(Source::Plain(source)) => exchange(connection, client, source).await,
        Ok(Source::Tls(source)) => exchange(connection, client, source).await,
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
    client: Stream,
    source: impl AsyncRead + AsyncWrite + Unpin,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_source, mut to_source) = tokio::io::split(source);
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
                if gone && connection.awaits_answers() {
                    // The journal shall have the answer, though the client won't.
                    let patience = connection.settings.answer_patience;
                    let rest = async {
                        while connection.awaits_answers() {
                            tokio::select! {
                                biased;
                                _ = &mut answers => return,
                                () = connection.answered.notified() => {}
                            }
                        }
                    };
                    if tokio::time::timeout(patience, rest).await.is_err() {
                        connection.metrics.source_failures.with_label_values(&["answer"]).inc();
                    }
                }
                Some(ended)
            }
        }
    };
    match ended {
        Some(Ended::Refused(refusal)) if connection.may_answer() => {
            let client = from_client.unsplit(to_client);
            refuse(connection.metrics, client, refusal).await;
        }
        Some(Ended::Refused(refusal)) => {
            connection.metrics.refused.with_label_values(&[refusal.reason()]).inc();
        }
        Some(Ended::Failed(error)) => tracing::debug!(%error, "a client's connection broke"),
        Some(Ended::Closed | Ended::Drained) | None => {
            let _ = to_client.shutdown().await;
            let _ = to_source.shutdown().await;
        }
    }
}

fn note_failure(connection: &Connection<'_>, error: Option<io::Error>) {
    let Some(error) = error else { return };
    tracing::debug!(%error, "the source's connection broke");
    connection.metrics.source_failures.with_label_values(&["read"]).inc();
    connection.tape.exception(&format!("source: {error}"));
}

/// Answers for the source, and closes.
async fn refuse(metrics: &Metrics, mut client: Stream, refusal: Refusal) {
    metrics.refused.with_label_values(&[refusal.reason()]).inc();
    if send(&mut client, refusal.answer()).await.is_ok() {
        let _ = client.shutdown().await;
        // A client that is still sending would see a reset before it has read the answer.
        let mut rest = [0; 4096];
        let drain = async {
            while matches!(
                tokio::io::AsyncReadExt::read(&mut client, &mut rest).await,
                Ok(read) if read > 0
            ) {}
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), drain).await;
    }
}

/// Serves a connection without capture: bytes pass, nobody looks at them.
pub(crate) async fn pass(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    client: Stream,
    source: io::Result<Source>,
) {
    match source {
        Ok(Source::Plain(source)) => both_ways(settings, metrics, client, source).await,
        Ok(Source::Tls(source)) => both_ways(settings, metrics, client, source).await,
        Err(error) => {
            tracing::warn!(%error, "the source can't be reached");
            metrics.source_failures.with_label_values(&["connect"]).inc();
            refuse(metrics, client, Refusal::Source).await;
        }
    }
}

async fn both_ways(
    settings: &Settings,
    metrics: &Metrics,
    client: Stream,
    source: impl AsyncRead + AsyncWrite + Unpin,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_source, mut to_source) = tokio::io::split(source);
    let requests =
        pass_all(&mut from_client, &mut to_source, settings.read_size, &metrics.request_bytes);
    let answers =
        pass_all(&mut from_source, &mut to_client, settings.read_size, &metrics.response_bytes);
    if let Err(error) = tokio::try_join!(requests, answers) {
        tracing::debug!(%error, "a connection broke");
    }
}

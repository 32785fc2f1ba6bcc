//! Requests to the target, with patience.

mod gzip;

use std::borrow::Cow;

use cluster::{Cluster, ClusterError, Pool, Repeat, Reply, Request};
use codec::reads::{Class, endpoint_class};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    circuit::{Change, Circuit},
    metrics::Metrics,
};

/// Answers of one request that are kept for its tuple: the first ones; the last is kept always.
const ANSWERS_KEPT: usize = 8;

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) target: Cluster,
    pool: Pool,
    circuit: Mutex<Circuit>,
    /// Bodies go out compressed.
    gzip: bool,
    metrics: Metrics,
}

/// The answers to one request, in order.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kept: Vec<Reply>,
    /// Between the first ones and the last.
    left_out: usize,
    /// When the first attempt was made.
    sent_at: Option<Instant>,
}

impl Answers {
    fn push(&mut self, reply: Reply) {
        if self.kept.len() >= ANSWERS_KEPT {
            self.kept.pop();
            self.left_out += 1;
        }
        self.kept.push(reply);
    }

    pub(crate) fn all(&self) -> &[Reply] {
        &self.kept
    }

    pub(crate) fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }
}

impl Sender {
    /// `connections`: those of the pool.
    pub(crate) fn new(
        target: Cluster,
        pool: Pool,
        connections: usize,
        gzip: bool,
        metrics: Metrics,
    ) -> Self {
        metrics.allowed.set(i64::try_from(connections).unwrap_or(i64::MAX));
        Self { target, pool, circuit: Mutex::new(Circuit::new(connections)), gzip, metrics }
    }

    /// What was sent at `sent` was answered with items that the target had no room for.
    pub(crate) fn refused(&self, sent: Instant) {
        let change = self.circuit.lock().refused(sent, Instant::now());
        self.change(change);
    }

    fn change(&self, change: Option<Change>) {
        let Some(Change { allowed, slowing }) = change else { return };
        self.pool.allow(allowed);
        self.metrics.allowed.set(i64::try_from(allowed).unwrap_or(i64::MAX));
        if let Some(slowing) = slowing {
            Metrics::count(&self.metrics.slowed, slowing.as_str());
            tracing::info!(
                reason = slowing.as_str(),
                allowed,
                "the target has too much to do: fewer requests at once"
            );
        }
    }

    /// Sends once, when there is room.
    async fn send(
        &self,
        class: Class,
        request: &Request,
        answers: &mut Answers,
    ) -> Result<Reply, ClusterError> {
        let lease = self.pool.lease().await;
        let sent = Instant::now();
        answers.sent_at.get_or_insert(sent);
        let outcome = lease.send(request).await;
        drop(lease);
        if let Ok(reply) = &outcome {
            let now = Instant::now();
            let mut circuit = self.circuit.lock();
            let change = match reply.status {
                429 => circuit.refused(sent, now),
                _ => circuit.answered(class, sent, now),
            };
            drop(circuit);
            self.change(change);
        }
        outcome
    }

    /// Sends until there is an answer other than "not now". `settled` says whether to be content with a transient
    /// status all the same (as when the source answered so too). `Err`: the target was waited for in vain.
    pub(crate) async fn deliver<'a>(
        &self,
        request: &Request,
        repeat: Repeat,
        settled: impl Fn(&Reply) -> bool,
        answers: &'a mut Answers,
    ) -> Result<&'a Reply, ClusterError> {
        let retry = self.target.patience();
        let start = Instant::now();
        let class = endpoint_class(request.method.as_str().as_bytes(), request.path.as_bytes());
        let wire = match self.gzip {
            true => gzip::packed(request).await,
            false => Cow::Borrowed(request),
        };
        let mut attempt = 0;
        loop {
            let outcome = self.send(class, &wire, answers).await;
            let again = match &outcome {
                Ok(reply) => {
                    let transient = match repeat {
                        Repeat::Safe => reply.is_transient(),
                        Repeat::OnlyIfRefused => reply.status == 429,
                    };
                    transient && !settled(reply)
                }
                Err(error) if repeat == Repeat::Safe => error.is_transient(),
                Err(error) => error.never_arrived(),
            };
            let done = outcome.map(|reply| answers.push(reply));
            if !again || start.elapsed() > retry.give_up_after {
                done?;
                return Ok(answers.kept.last().expect("invariant: it has just been pushed"));
            }
            if attempt == 0 {
                tracing::warn!(path = request.path, "the target isn't ready: waiting for it");
            }
            self.metrics.retries.inc();
            tokio::time::sleep(retry.wait(attempt)).await;
            attempt += 1;
        }
    }
}

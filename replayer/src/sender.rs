//! Requests to the target, with patience.

use cluster::{Cluster, ClusterError, Repeat, Reply, Request};
use tokio::{sync::Semaphore, time::Instant};

use crate::metrics::Metrics;

/// Answers of one request that are kept for its tuple: the first ones; the last is kept always.
const ANSWERS_KEPT: usize = 8;

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) target: Cluster,
    permits: Semaphore,
    metrics: Metrics,
}

/// The answers to one request, in order.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<Reply>);

impl Answers {
    fn push(&mut self, reply: Reply) {
        if self.0.len() >= ANSWERS_KEPT {
            self.0.pop();
        }
        self.0.push(reply);
    }

    pub(crate) fn all(&self) -> &[Reply] {
        &self.0
    }
}

impl Sender {
    /// `connections`: requests in flight at most.
    pub(crate) fn new(target: Cluster, connections: usize, metrics: Metrics) -> Self {
        Self { target, permits: Semaphore::new(connections), metrics }
    }

    /// Sends until there is an answer other than "not now". `settled` says whether to be content with a transient
    /// status all the same (as when the source answered so too). `Err`: the target was waited for in vain.
    pub(crate) async fn deliver(
        &self,
        request: &Request,
        repeat: Repeat,
        settled: impl Fn(&Reply) -> bool,
        answers: &mut Answers,
    ) -> Result<Reply, ClusterError> {
        let retry = self.target.patience();
        let start = Instant::now();
        let mut attempt = 0;
        loop {
            let outcome = {
                // The semaphore is never closed.
                let _permit = self.permits.acquire().await;
                self.target.send(request.clone()).await
            };
            let again = match &outcome {
                Ok(reply) => {
                    answers.push(reply.clone());
                    let transient = match repeat {
                        Repeat::Safe => reply.is_transient(),
                        Repeat::OnlyIfRefused => reply.status == 429,
                    };
                    transient && !settled(reply)
                }
                Err(error) if repeat == Repeat::Safe => error.is_transient(),
                Err(error) => error.never_arrived(),
            };
            if !again || start.elapsed() > retry.give_up_after {
                return outcome;
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

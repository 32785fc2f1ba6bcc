//! Threads that have the compiled rules: one for each core that there is.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ::rules::{Engine, NoWorker, Rules, Worker};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

/// What a rule may be late, when it has to wait for a core.
const GRACE: Duration = Duration::from_secs(30);
/// Threads that may be left behind.
const MOST_LEFT: u32 = 3;
const MOST_THREADS: usize = 8;

pub(super) struct Pool {
    rules: Arc<Rules>,
    idle: Mutex<Vec<Worker>>,
    /// As many as there are threads, at work or not.
    permits: Semaphore,
    /// Left behind, each in a rule that never ended.
    left: AtomicU32,
    grace: Duration,
}

/// The rules can't be applied to a request, for a reason that is theirs and not the request's.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRules {
    #[error("a rule never ended, inside of one built-in function, and had to be left behind")]
    Hung,
    #[error("a rule never ended on {MOST_LEFT} requests, where no limit can end it; correct it")]
    GivenUp,
    #[error(transparent)]
    Worker(#[from] NoWorker),
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Pool {
    /// Compiles the rules in each thread.
    pub(super) fn start(rules: Arc<Rules>) -> Result<Self, NoWorker> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = cores.min(MOST_THREADS);
        let idle = (0..threads).map(|_| Worker::start(&rules)).collect::<Result<Vec<_>, _>>()?;
        let (left, permits) = (AtomicU32::new(0), Semaphore::new(threads));
        Ok(Self { rules, idle: Mutex::new(idle), permits, left, grace: GRACE })
    }

    /// Has something done by the rules, and waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, NoRules> {
        if self.left.load(Ordering::Relaxed) >= MOST_LEFT {
            return Err(NoRules::GivenUp);
        }
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let idle = self.idle.lock().pop();
        let worker = match idle {
            Some(worker) => worker,
            // One was left behind, or broke.
            None => {
                let rules = Arc::clone(&self.rules);
                let started = tokio::task::spawn_blocking(move || Worker::start(&rules)).await;
                started.map_err(|_| NoWorker::Broken)??
            }
        };
        let (done, is_done) = oneshot::channel();
        worker.give(move |engine| drop(done.send(act(engine))))?;
        let patience = self.rules.limits().time.saturating_add(self.grace);
        match tokio::time::timeout(patience, is_done).await {
            Ok(Ok(made)) => {
                self.idle.lock().push(worker);
                Ok(made)
            }
            Ok(Err(_)) => Err(NoWorker::Broken.into()),
            Err(_) => {
                self.left.fetch_add(1, Ordering::Relaxed);
                Err(NoRules::Hung)
            }
        }
    }

    #[cfg(test)]
    pub(super) fn impatient(mut self) -> Self {
        self.grace = Duration::from_millis(200);
        self
    }
}

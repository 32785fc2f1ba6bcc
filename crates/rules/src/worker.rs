//! Compiled rules in a thread of their own.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use thiserror::Error;

use crate::{Engine, Rules, RulesError};

/// Stack of the thread besides what rules may use of it.
const STACK: usize = 4 << 20;

type Job = Box<dyn FnOnce(&mut Engine) + Send>;

/// A thread with an engine. Dropped, it ends after the jobs that it has; one that hangs inside of a built-in function,
/// where no limit ends it, is left behind.
pub struct Worker {
    jobs: mpsc::Sender<Job>,
}

/// There is no thread, or no longer one, that applies rules.
#[derive(Debug, Error)]
pub enum NoWorker {
    #[error("no thread for the rules: {0}")]
    Thread(#[from] io::Error),
    #[error("{0}")]
    Rules(#[from] RulesError),
    #[error("the rules' engine broke on a message; this is a bug")]
    Broken,
}

impl Worker {
    /// Starts a thread, and compiles the rules there.
    ///
    /// # Errors
    /// When there is no thread to be had, or the rules can't be compiled.
    pub fn start(rules: &Arc<Rules>) -> Result<Self, NoWorker> {
        let (jobs, received) = mpsc::channel::<Job>();
        let (compiled, is_compiled) = mpsc::channel();
        let stack = rules.limits().stack.saturating_add(STACK);
        let rules = Arc::clone(rules);
        let work = move || {
            let mut engine = match Engine::new(&rules) {
                Ok(engine) => engine,
                Err(error) => return drop(compiled.send(Err(error))),
            };
            if compiled.send(Ok(())).is_err() {
                return;
            }
            while let Ok(job) = received.recv() {
                job(&mut engine);
            }
        };
        thread::Builder::new().name("rules".into()).stack_size(stack).spawn(work)?;
        is_compiled.recv().map_err(|_| NoWorker::Broken)??;
        Ok(Self { jobs })
    }

    /// Has something done with the engine, after what it was given before. How much waits is the caller's to bound.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn give(&self, job: impl FnOnce(&mut Engine) + Send + 'static) -> Result<(), NoWorker> {
        self.jobs.send(Box::new(job)).map_err(|_| NoWorker::Broken)
    }
}

//! What this process has done: for its metrics and its last words.

use std::time::Instant;

use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::accounts::Accounts;

/// Counts of this process; those of the run are with the coordinator.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) registry: Registry,
    documents: IntCounterVec,
    bytes: IntCounter,
    accounts: Mutex<Accounts>,
    since: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let documents = IntCounterVec::new(
            Opts::new(
                "godwit_backfill_documents_total",
                "Documents come to, by what became of them (written, superseded, skipped, or why they failed)",
            ),
            &["result"],
        )
        .expect("a name and a label that are valid");
        let bytes = IntCounter::new("godwit_backfill_source_bytes_total", "Bytes of _source read")
            .expect("a valid name");
        registry.register(Box::new(documents.clone())).expect("registered once");
        registry.register(Box::new(bytes.clone())).expect("registered once");
        let accounts = Mutex::new(Accounts::default());
        Self { registry, documents, bytes, accounts, since: Instant::now() }
    }

    pub(crate) fn add(&self, accounts: &Accounts) {
        let add = |result: &str, count: u64| {
            if count > 0 {
                self.documents.with_label_values(&[result]).inc_by(count);
            }
        };
        add("written", accounts.written);
        add("superseded", accounts.superseded);
        accounts.failed.iter().for_each(|(class, count)| add(class, *count));
        accounts.skipped.iter().for_each(|(reason, count)| add(reason, *count));
        self.bytes.inc_by(accounts.bytes);
        let mut all = self.accounts.lock();
        if let Ok(sum) = all.plus(accounts) {
            *all = sum;
        }
    }

    /// What this process has done, and in how many seconds.
    pub(crate) fn so_far(&self) -> (Accounts, f64) {
        (self.accounts.lock().clone(), self.since.elapsed().as_secs_f64())
    }
}

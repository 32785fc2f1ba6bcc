//! Many workers on many hosts, one plan: who does what, and how far it is.
//!
//! A run is an index, `.godwit-backfill-RUN`, on the target or another cluster: one document for the run, one
//! for each unit. A worker takes a unit, and writes its progress, by compare-and-set on the document's
//! `_seq_no` and `_primary_term`; whoever wrote last knows that nobody else has.
//!
//! ```text
//!          plan                claim                  complete
//!   (none) ────▶ waiting ───────────────▶ leased ────────────────▶ done
//!                 ▲ ▲        release         │ ▲ │   refuse      │
//!                 │ └────────────────────────┘ └─┘ ──────────────▶ refused
//!                 │                         takeover               │
//!                 └────────────────────────────────────────────────┘
//!                    restart: by hand, `backfill retry --reread`
//! ```
//!
//! Invariants:
//! - No clock of another machine is ever compared. A lease may be taken over when its document hasn't changed
//!   for the lease's length *since the observer first saw it so*, on the observer's monotonic clock. The holder
//!   counts from before it *sent* its last confirmed write, and stops a margin earlier.
//! - Position and accounts of a unit change together, and only by who holds it: each document is in
//!   the accounts exactly once, whatever workers die or stall. When nobody can hold it any more (`done` or
//!   `refused`), a retry moves documents from `failed` to `written` and `superseded`, by the same compare-and-set.
//! - No worker leaves `done` and `refused` again, so a search that is behind shows too little of them, unless units
//!   are restarted meanwhile. A worker refreshes before it believes that nothing is left: it can only miss what
//!   is restarted after that, and says in the end that the run isn't finished. So a run is started once more after
//!   units were restarted.
//!
//! A host that was suspended may not notice, since its clock stood still as well. Then it goes on for as long as
//! one write takes, which is refused; what it sent to the target meanwhile is sent again by its successor.

mod claim;
mod documents;
mod error;
mod keeper;
mod lease;
mod plan;
mod settle;
mod status;
mod store;
mod time_text;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cluster::Cluster;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use claim::{Claim, RunState};
pub use documents::{Holder, Planned, RunSettings, State};
pub use error::{CoordinatorError, Difference, LeaseError, Lost};
pub use lease::Lease;
pub use settle::SeenUnit;
pub use status::{RunStatus, ShardStatus, Units, WorkerStatus};

use crate::work::RunName;
use documents::Version;
use store::Store;

/// The shortest lease: less than that, and an ordinary pause of a cluster loses it.
pub const SHORTEST_LEASE: Duration = Duration::from_millis(500);

/// The longest lease: what a dead worker held is left alone for as long.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// How this process takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long others leave a unit alone whose document doesn't change. Renewed after a third of it; given up by
    /// the holder itself after five sixths without a confirmed renewal. Workers may differ in it.
    pub lease: Duration,
    pub holder: Holder,
    /// For what is displayed. No decision is made by it.
    pub clock: fn() -> jiff::Timestamp,
}

impl Settings {
    /// This host and process, and leases of a minute.
    pub fn here() -> Self {
        Self { lease: Duration::from_secs(60), holder: Holder::here(), clock: jiff::Timestamp::now }
    }
}

/// One run, as one process sees it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Coordinator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    run: RunName,
    settings: Settings,
    /// Leases of others, and since when their documents are as they are.
    watched: Mutex<HashMap<String, Watched>>,
    /// Tokens of this process's leases that ended without giving their unit back, by unit. Nobody works under
    /// them any more, so this process needn't wait for their end.
    ended: Mutex<HashMap<String, String>>,
    /// How many the plan has, once it is known to be complete.
    units: OnceLock<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    version: Version,
    since: Instant,
}

impl Coordinator {
    /// Takes part in a run; nothing is asked or written yet.
    pub fn new(
        cluster: Cluster,
        run: RunName,
        settings: Settings,
    ) -> Result<Self, CoordinatorError> {
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&settings.lease) {
            return Err(CoordinatorError::LeaseLength(settings.lease));
        }
        let store = Store::new(cluster, &run, settings.lease / 6);
        let (watched, ended, units) = (Mutex::default(), Mutex::default(), OnceLock::new());
        Ok(Self { inner: Arc::new(Inner { store, run, settings, watched, ended, units }) })
    }

    pub fn run(&self) -> &RunName {
        &self.inner.run
    }

    /// The index that holds the run.
    pub fn index(&self) -> &str {
        self.inner.store.index()
    }
}

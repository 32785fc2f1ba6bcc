//! How far a run is, for people and for the exit code.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Coordinator, CoordinatorError, Holder, Planned, RunSettings, State,
    documents::{RUN, UnitDocument, Version},
};
use crate::{
    accounts::{Accounts, AccountsError},
    sweep::Sweep,
};

/// Documents of a page: one is about a kilobyte.
const PAGE: usize = 2000;

/// A run at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    pub run: String,
    pub settings: RunSettings,
    pub plan: Planned,
    /// `false`: its units are still being written.
    pub planned: bool,
    /// Ordered by index and shard.
    pub shards: Vec<ShardStatus>,
    pub workers: Vec<WorkerStatus>,
    pub units: Units,
    pub accounts: Accounts,
    /// The sweep of deletes after the last document; `None`: it has to be done (again).
    pub sweep: Option<Sweep>,
    /// Of the run's own document, from before the units were read.
    #[serde(skip)]
    pub(crate) version: Version,
}

/// Units by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Units {
    pub waiting: u64,
    pub leased: u64,
    pub done: u64,
    pub refused: u64,
}

/// One shard of the snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct ShardStatus {
    pub index: String,
    pub target_index: String,
    pub uuid: String,
    pub shard: u32,
    /// Of all its units.
    pub bytes: u64,
    /// Of all its units, deleted and nested ones included.
    pub documents: u64,
    pub units: Units,
    pub accounts: Accounts,
    /// Why units were refused, by unit.
    pub refused: BTreeMap<String, String>,
    /// Units that were taken again and again without progress, and how often.
    pub fruitless: BTreeMap<String, u32>,
    /// All of the run's units are there, so that these are all of the shard's.
    known: bool,
    /// Deletes that the target may have forgotten were sent again.
    pub swept: bool,
}

/// A process that holds units. Whether it is alive shows only while it is watched: the times are by its own
/// clock, and for display.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerStatus {
    #[serde(flatten)]
    pub holder: Holder,
    pub units: Vec<String>,
    #[serde(serialize_with = "super::time_text::serialize")]
    pub since: jiff::Timestamp,
    #[serde(serialize_with = "super::time_text::serialize")]
    pub renewed: jiff::Timestamp,
    /// Grows while it lives.
    pub renewals: u64,
}

impl Units {
    pub fn total(&self) -> u64 {
        self.waiting + self.leased + self.done + self.refused
    }

    fn count(&mut self, state: State) {
        let counted = match state {
            State::Waiting => &mut self.waiting,
            State::Leased => &mut self.leased,
            State::Done => &mut self.done,
            State::Refused => &mut self.refused,
        };
        *counted += 1;
    }
}

impl ShardStatus {
    /// Every document of the shard was read, and is on the target or superseded there; and none came back that was
    /// deleted beside.
    pub fn is_complete(&self) -> bool {
        self.is_written() && self.swept
    }

    /// Complete but for the sweep of deletes.
    pub fn is_written(&self) -> bool {
        self.known
            && self.units.done == self.units.total()
            && self.accounts.passed() == self.documents
            && self.accounts.failures() == 0
            && self.accounts.is_balanced()
    }
}

impl RunStatus {
    /// Nothing is left to do, successfully or not.
    pub fn is_finished(&self) -> bool {
        self.planned && self.units.done + self.units.refused == self.plan.units
    }

    /// The same with the sweep done.
    pub(crate) fn after(mut self, sweep: Sweep) -> Self {
        self.sweep = Some(sweep);
        let swept = self.is_swept();
        self.shards.iter_mut().for_each(|shard| shard.swept = swept);
        self
    }

    /// Every delete that a replay noted beside was sent again, after the last document.
    pub fn is_swept(&self) -> bool {
        self.sweep.is_some_and(|sweep| sweep.unresolved == 0)
    }

    /// Every shard is complete, and all of them are there.
    pub fn is_complete(&self) -> bool {
        self.is_finished()
            && !self.settings.is_partial()
            && self.shards.iter().all(ShardStatus::is_complete)
    }
}

impl Coordinator {
    /// Reads every unit.
    pub async fn status(&self) -> Result<RunStatus, CoordinatorError> {
        let store = &self.inner.store;
        let (run, version) = self.read_run().await?;
        let mut status = RunStatus {
            run: self.inner.run.to_string(),
            settings: run.settings,
            plan: run.plan,
            planned: run.planned,
            shards: Vec::new(),
            workers: Vec::new(),
            units: Units::default(),
            accounts: Accounts::default(),
            sweep: None,
            version,
        };
        let (mut shards, mut workers) = (BTreeMap::new(), BTreeMap::new());
        let mut scan = store.cluster().scan(store.index(), PAGE).await?;
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                break;
            }
            for document in page.iter().filter(|document| document.id != RUN) {
                let unit: UnitDocument = serde_json::from_slice(&document.source)
                    .map_err(|e| store.damaged(&document.id, e))?;
                count_worker(&mut workers, &unit);
                let counted = status.count(&mut shards, unit);
                counted.map_err(|e| store.damaged(&document.id, e))?;
            }
        }
        let known = run.planned && status.units.total() == status.plan.units;
        status.shards = shards.into_values().map(|s| ShardStatus { known, ..s }).collect();
        status.workers = workers.into_values().collect();
        Ok(match run.sweep {
            Some(sweep) => status.after(sweep),
            None => status,
        })
    }
}

/// By index, UUID and shard.
type Shards = BTreeMap<(String, String, u32), ShardStatus>;

impl RunStatus {
    fn count(&mut self, shards: &mut Shards, read: UnitDocument) -> Result<(), AccountsError> {
        let UnitDocument { unit, state, accounts, error, fruitless, .. } = read;
        let key = (unit.index.clone(), unit.uuid.clone(), unit.shard);
        let shard = shards.entry(key).or_insert_with(|| ShardStatus {
            index: unit.index,
            target_index: unit.target_index,
            uuid: unit.uuid,
            shard: unit.shard,
            bytes: 0,
            documents: 0,
            units: Units::default(),
            accounts: Accounts::default(),
            refused: BTreeMap::new(),
            fruitless: BTreeMap::new(),
            known: false,
            swept: false,
        });
        shard.bytes = shard.bytes.saturating_add(unit.bytes);
        shard.documents = shard.documents.saturating_add(unit.documents);
        shard.accounts = shard.accounts.plus(&accounts)?;
        shard.units.count(state);
        if state == State::Refused {
            shard.refused.insert(unit.id.clone(), error.unwrap_or_default());
        }
        if fruitless > 0 {
            shard.fruitless.insert(unit.id, fruitless);
        }
        self.units.count(state);
        self.accounts = self.accounts.plus(&accounts)?;
        Ok(())
    }
}

fn count_worker(workers: &mut BTreeMap<Holder, WorkerStatus>, document: &UnitDocument) {
    let (Some(lease), State::Leased) = (&document.lease, document.state) else { return };
    let worker = workers.entry(lease.holder.clone()).or_insert_with(|| WorkerStatus {
        holder: lease.holder.clone(),
        units: Vec::new(),
        since: lease.since,
        renewed: lease.renewed,
        renewals: 0,
    });
    worker.units.push(document.unit.id.clone());
    worker.since = worker.since.min(lease.since);
    worker.renewed = worker.renewed.max(lease.renewed);
    worker.renewals = worker.renewals.saturating_add(lease.renewals);
}

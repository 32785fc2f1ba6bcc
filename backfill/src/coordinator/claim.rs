//! Taking the next unit: one that waits, or one whose holder is dead.

use std::{collections::HashSet, time::Duration};

use rand::seq::SliceRandom;
use tokio::time::Instant;

use super::{
    Coordinator, CoordinatorError, Lease, State, Watched,
    documents::{LeaseMark, Stored, UnitDocument, nonce},
    store::{Replaced, View},
};

/// How many of the largest waiting units a worker chooses among, so that many don't fight over one.
const CHOICE: usize = 32;

/// Leased units that are watched at a time.
const WATCHED: usize = 1000;

/// Searches after which somebody else was faster each time; then it is better to come back later.
const ROUNDS: usize = 8;

/// What there is for a worker.
#[derive(Debug)]
pub enum Claim {
    Leased(Box<Lease>),
    /// Everything that is left is leased elsewhere. Look again then: it may have been given back, or its
    /// holder be dead.
    Wait(Instant),
    /// Nothing is left.
    Finished(RunState),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunState {
    pub done: u64,
    pub refused: u64,
}

impl Coordinator {
    /// Takes a unit that waits, the larger ones first, or else one whose holder is dead. Never waits for
    /// others; waits for the coordinator as long as its patience says.
    pub async fn claim(&self) -> Result<Claim, CoordinatorError> {
        let store = &self.inner.store;
        let planned = self.planned().await?;
        for _ in 0..ROUNDS {
            let View { mut hits, .. } = store.search(State::Waiting, CHOICE).await?;
            if hits.is_empty() {
                // So that what was released or leased a moment ago is seen.
                store.refresh().await?;
                let view = store.search(State::Leased, WATCHED).await?;
                if view.count(State::Waiting) > 0 {
                    continue;
                }
                if let Some(claim) = self.take_over_or_wait(view, planned).await? {
                    return Ok(claim);
                }
                continue;
            }
            hits.shuffle(&mut rand::rng());
            for stored in hits {
                if let Some(lease) = self.take(stored).await? {
                    return Ok(Claim::Leased(Box::new(lease)));
                }
            }
            // All of them were taken since the last refresh.
            store.refresh().await?;
        }
        Ok(Claim::Wait(Instant::now() + self.inner.settings.lease / 3))
    }

    /// How many units there are. Asked for once: a complete plan doesn't change.
    async fn planned(&self) -> Result<u64, CoordinatorError> {
        if let Some(units) = self.inner.units.get() {
            return Ok(*units);
        }
        let (run, _) = self.read_run().await?;
        if !run.planned {
            return Err(CoordinatorError::NotPlanned { index: self.index().to_owned() });
        }
        Ok(*self.inner.units.get_or_init(|| run.plan.units))
    }

    /// Nothing waits. `None`: look again at once.
    async fn take_over_or_wait(
        &self,
        view: View,
        planned: u64,
    ) -> Result<Option<Claim>, CoordinatorError> {
        let now = Instant::now();
        let (mut ready, earliest) = self.watch(&view.hits, now);
        ready.shuffle(&mut rand::rng());
        let tried = !ready.is_empty();
        for stored in ready {
            if let Some(lease) = self.take(stored).await? {
                return Ok(Some(Claim::Leased(Box::new(lease))));
            }
        }
        if let Some(earliest) = earliest {
            // Not only then: a holder that renews once more and dies is to be noticed soon.
            let soon = now + self.inner.settings.lease / 3;
            return Ok(Some(Claim::Wait(earliest.min(soon))));
        }
        if tried || view.count(State::Leased) > 0 {
            return Ok(None);
        }
        let (done, refused) = (view.count(State::Done), view.count(State::Refused));
        let found = done.saturating_add(refused);
        match found == planned {
            true => Ok(Some(Claim::Finished(RunState { done, refused }))),
            false => {
                let index = self.index().to_owned();
                Err(CoordinatorError::UnitsMissing { index, found, planned })
            }
        }
    }

    /// Those whose holders haven't written for the length of their lease, or have ended in this process; and when
    /// the first of the others may be taken.
    fn watch(&self, leased: &[Stored], now: Instant) -> (Vec<Stored>, Option<Instant>) {
        let mut watched = self.inner.watched.lock();
        let ended = self.inner.ended.lock();
        let there: HashSet<&str> =
            leased.iter().map(|stored| stored.document.unit.id.as_str()).collect();
        watched.retain(|id, _| there.contains(id.as_str()));
        let (mut ready, mut earliest) = (Vec::new(), None::<Instant>);
        for stored in leased {
            let Stored { document, version } = stored;
            let (id, lease) = (&document.unit.id, document.lease.as_ref());
            let ours = lease.is_some_and(|lease| ended.get(id) == Some(&lease.token));
            if ours {
                ready.push(stored.clone());
                continue;
            }
            let length = lease.map_or(self.inner.settings.lease, LeaseMark::length);
            let seen = Watched { version: *version, since: now };
            let watched = watched.entry(id.clone()).or_insert(seen);
            if watched.version != *version {
                *watched = seen;
            }
            let until = watched.since + length;
            if until <= now {
                ready.push(stored.clone());
            } else {
                earliest = Some(earliest.map_or(until, |earliest| earliest.min(until)));
            }
        }
        (ready, earliest)
    }

    /// Makes a unit ours; `None` when somebody else was faster.
    async fn take(&self, stored: Stored) -> Result<Option<Lease>, CoordinatorError> {
        let Stored { document, version } = stored;
        let settings = &self.inner.settings;
        let now = (settings.clock)();
        let token = nonce();
        let taken_over = document.state == State::Leased;
        if let Some(from) = document.lease.as_ref().filter(|_| taken_over) {
            let unit = &document.unit.id;
            tracing::info!(
                unit,
                host = from.holder.host,
                process = from.holder.process,
                "take over"
            );
        }
        let document = UnitDocument {
            state: State::Leased,
            lease: Some(LeaseMark {
                token: token.clone(),
                holder: settings.holder.clone(),
                milliseconds: u64::try_from(settings.lease.as_millis()).unwrap_or(u64::MAX),
                renewals: 0,
                since: now,
                renewed: now,
            }),
            fruitless: document.fruitless.saturating_add(u32::from(taken_over)),
            nonce: nonce(),
            ..document
        };
        // Counted from before the write: whoever sees it, sees it later.
        let began = Instant::now();
        let until = began + held_for(settings.lease);
        match self.inner.store.replace(version, &document, until).await {
            Ok(Replaced::Theirs(_)) => Ok(None),
            Ok(Replaced::Ours(version)) => {
                self.inner.ended.lock().remove(&document.unit.id);
                Ok(Some(Lease::begin(self.inner.clone(), document, version, token, until)))
            }
            Err(error) => {
                // It may be ours all the same; nobody works under it.
                self.inner.ended.lock().insert(document.unit.id, token);
                Err(error)
            }
        }
    }
}

/// How long a holder trusts a confirmed write: others wait for the whole length.
pub(super) fn held_for(length: Duration) -> Duration {
    length - length / 6
}

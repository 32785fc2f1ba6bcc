//! How long requests wait for others that they have to follow, here and in other replayers.

use tokio::time::Instant;

use super::{Conductor, Freed};
use crate::exchange::Job;

/// What a request waits for that could go otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// Others of this replayer, on other connections.
    Order,
    /// The word that nothing older is to come, from here or from what other replayers read.
    Journal,
    /// Other replayers, to finish what goes before a control, or to give the turn away.
    Replayers,
}

impl WaitsFor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Journal => "journal",
            Self::Replayers => "replayers",
        }
    }
}

impl Conductor {
    /// A request that the source received at `began` has its turn: counts what it was kept for.
    pub(super) fn count_wait(&self, began: u64, entered: Instant, freed: Freed) {
        let what = if freed.waited { WaitsFor::Order } else { WaitsFor::Journal };
        let schedule = &self.context.schedule;
        // Before its moment it would not have gone either.
        let since = match schedule.horizon() {
            None => entered,
            Some(_) => {
                let now = Instant::now();
                entered.max(now.checked_sub(schedule.late(began)).unwrap_or(entered))
            }
        };
        self.count(what, since, freed.at);
    }

    /// A control whose moment has come is looked at again: counts what it was held up for since the last time.
    pub(super) fn count_hold(&self, job: &mut Job) {
        if let Some((since, what)) = job.held.take() {
            self.count(what, since, Instant::now());
        }
    }

    fn count(&self, what: WaitsFor, since: Instant, until: Instant) {
        let waited = until.saturating_duration_since(since).as_secs_f64();
        self.context.metrics.waited.with_label_values(&[what.as_str()]).inc_by(waited);
    }
}

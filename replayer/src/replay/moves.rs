//! Partitions that come and go.
//!
//! Of one that goes everything is forgotten that another replayer reads again: connections with their half-read requests,
//! exchanges that wait, doubts that aren't resolved. Nothing of it was committed, so whoever gets the partition begins at
//! what is needed. What is on its way to the target goes on; the other sends it too, which changes nothing.

use std::sync::Arc;

use converge::{Meaning, Selection};

use super::Conductor;
use crate::{
    exchange::{Job, What},
    offsets::Place,
};

impl Conductor {
    pub(super) async fn gain(&mut self, partitions: &[i32]) {
        tracing::info!(?partitions, "this replayer reads these partitions now");
        for partition in partitions {
            self.low_water.begin(*partition);
            if let Some(share) = &mut self.share {
                share.gain(*partition);
            }
        }
        self.at_end = None;
        self.ends_here = false;
        self.publish();
        self.look_for_end().await;
    }

    pub(super) fn lose_partitions(&mut self, partitions: &[i32]) {
        tracing::info!(?partitions, "another replayer reads these partitions now");
        for partition in partitions {
            self.context.offsets.forget(*partition);
            self.low_water.end(*partition);
            self.held_back.lose(*partition);
            if let Some(share) = &mut self.share {
                share.lose(*partition);
            }
        }
        for (key, weight) in self.connections.forget(partitions) {
            self.hand_over(key, false, Vec::new());
            self.held = self.held.saturating_sub(weight);
        }
        self.forget_jobs();
        let held_back = &mut self.held_back;
        self.doubts.retain(|waiting| held_back.stays(waiting));
        self.later.retain(|(_, waiting)| held_back.stays(waiting));
        self.deletes.retain(|_, deletes| {
            deletes.retain(|kept| kept.receipt.is_current());
            !deletes.is_empty()
        });
        self.publish();
    }

    /// Exchanges that haven't begun.
    fn forget_jobs(&mut self) {
        let offsets = &self.context.offsets;
        let stale = |place: Option<Place>| place.is_some_and(|place| !offsets.is_current(place));
        let gone: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, pending)| stale(pending.job.captured.claims.first()))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            let Some(pending) = self.jobs.remove(&key) else { continue };
            let connection = Arc::clone(&pending.job.captured.connection);
            if let Some(line) = self.lines.get_mut(&connection) {
                line.waiting.retain(|waiting| *waiting != key);
                if line.waiting.is_empty() && line.running.is_none() {
                    self.lines.remove(&connection);
                }
            }
            self.held = self.held.saturating_sub(pending.job.captured.weight);
            self.hand_over(key, pending.ready.is_some(), deletes_of(&pending.job.meaning));
        }
        // Controls whose moment has come, but not their turn.
        let mut waiting: Vec<_> = self.passed.drain().map(|(_, waiting)| waiting).collect();
        if let Some(share) = &mut self.share {
            for _ in 0..share.waiting().len() {
                self.pacer.again();
            }
            waiting.append(share.waiting());
        }
        for (job, moment) in waiting {
            self.begin_control(job, moment);
        }
    }

    /// A control whose moment has come, of a partition that has gone in the meantime.
    pub(super) fn forget_control(&mut self, job: &Job) {
        self.running -= 1;
        self.pacer.done();
        let connection = &job.captured.connection;
        if let Some(line) = self.lines.get_mut(connection) {
            line.running = None;
        }
        self.held = self.held.saturating_sub(job.captured.weight);
        self.hand_over(job.captured.key, true, deletes_of(&job.meaning));
        let connection = Arc::clone(connection);
        self.start_next(&connection);
    }
}

fn deletes_of(what: &What) -> Vec<Selection> {
    match what {
        What::Converge(Meaning::Control(control)) => control.deletes.clone(),
        _ => Vec::new(),
    }
}

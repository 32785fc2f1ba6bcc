//! What runs: each connection's exchanges one after the other, as soon as the order lets them.

use std::sync::Arc;

use super::{Conductor, Pending, Report};
use crate::{
    context::RunError,
    exchange::{self, Job},
    metrics::Metrics,
};

impl Conductor {
    pub(super) fn start_what_is_ready(&mut self) {
        self.start_reading();
        self.start_resending();
        loop {
            let ready = self.order.take_ready();
            if ready.is_empty() {
                return;
            }
            for ready in ready {
                if self.reading.as_ref().is_some_and(|(key, _)| *key == ready.key) {
                    self.run_reading();
                    continue;
                }
                if self.run_resending(ready.key) {
                    continue;
                }
                let Some(pending) = self.jobs.get_mut(&ready.key) else { continue };
                pending.ready = Some(ready.overlaps_deletion);
                let connection = Arc::clone(&pending.captured.connection);
                self.start_next(&connection);
            }
        }
    }

    /// Starts a connection's next exchange if it is free to run.
    fn start_next(&mut self, connection: &Arc<str>) {
        if self.context.shutdown.is_draining() {
            return;
        }
        let Some(line) = self.lines.get_mut(connection) else { return };
        if line.running.is_some() {
            return;
        }
        let Some(key) = line.waiting.front().copied() else {
            self.lines.remove(connection);
            return;
        };
        let Some(overlaps_deletion) = self.jobs.get(&key).and_then(|pending| pending.ready) else {
            return;
        };
        let Some(Pending { captured, exchange, what, .. }) = self.jobs.remove(&key) else { return };
        line.waiting.pop_front();
        line.running = Some((captured.weight, captured.ended));
        self.running += 1;
        let job = Job { captured, exchange, meaning: what, overlaps_deletion };
        let (context, reports) = (Arc::clone(&self.context), self.reports.0.clone());
        let connection = Arc::clone(connection);
        tokio::spawn(async move {
            let left = exchange::replay(context, job).await;
            // The conductor is gone only when the run is over.
            let _ = reports.send(Report::Done { key, connection, left });
        });
    }

    pub(super) fn take(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::Done { key, connection, left } => {
                self.running -= 1;
                let running = self.lines.get_mut(&connection).and_then(|line| line.running.take());
                let (weight, answered) = running.unwrap_or_default();
                self.held = self.held.saturating_sub(weight);
                self.context.metrics.held_bytes.set(i64::try_from(self.held).unwrap_or(i64::MAX));
                let left = left?;
                if left.abandoned {
                    return Ok(());
                }
                for line in left.failed {
                    self.note(line);
                }
                if !left.doubts.is_empty() {
                    self.doubts.entry(answered).or_default().extend(left.doubts);
                }
                self.order.finished(key);
                self.keep_deletes(answered, left.deletes);
                self.start_next(&connection);
            }
            Report::Resent { key, resent } => {
                self.resending = None;
                self.order.finished(key);
                for line in resent? {
                    Metrics::count(&self.context.metrics.failed, "delete sent again");
                    self.note(line);
                }
            }
            Report::Read { key, resolved, swept } => {
                self.swept = Some(swept);
                self.order.finished(key);
                for (waiting, why) in resolved?.left {
                    self.leave(&waiting, &why);
                }
            }
        }
        Ok(())
    }
}

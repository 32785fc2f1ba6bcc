//! What runs: each connection's exchanges one after the other, as soon as the order lets them.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Conductor, Freed, Pending, Report, Running, nanos, shared::Share, waits::WaitsFor};
use crate::{context::RunError, exchange::Job, lateness::Stations, metrics::Metrics, pacer::Turn};
use converge::order::ExchangeKey;

impl Conductor {
    pub(super) fn start_what_is_ready(&mut self) {
        let elsewhere = self.share.as_ref().map_or(u64::MAX, Share::held);
        self.held_back.settle(nanos(self.context.settings.clock_skew), elsewhere);
        self.start_reading();
        self.start_resending();
        self.start_listing();
        loop {
            let ready = self.order.take_ready();
            if ready.is_empty() {
                return;
            }
            for ready in ready {
                if self.is_remote(ready) || self.run_ready(ready.key) {
                    continue;
                }
                if let Some((job, moment)) = self.passed.remove(&ready.key) {
                    self.begin_control(job, moment);
                    continue;
                }
                let Some(pending) = self.jobs.get_mut(&ready.key) else { continue };
                pending.ready = Some(Freed::now(ready, self.swept.is_none()));
                let connection = Arc::clone(&pending.job.captured.connection);
                self.start_next(&connection);
            }
        }
    }

    /// Runs a reading, or deletes that are sent again; whether `key` stands for them.
    pub(super) fn run_ready(&mut self, key: ExchangeKey) -> bool {
        let is_reading = self.reading.as_ref().is_some_and(|(reading, _)| *reading == key);
        if !is_reading && self.resending.as_ref().is_none_or(|(resending, _)| *resending != key) {
            return false;
        }
        if self.begin_reading(key) {
            match is_reading {
                true => self.run_reading(),
                false => drop(self.run_resending(key)),
            }
        }
        true
    }

    /// Starts a connection's next exchange if it is free to run.
    pub(super) fn start_next(&mut self, connection: &Arc<str>) {
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
        let Some(freed) = self.jobs.get(&key).and_then(|pending| pending.ready) else {
            return;
        };
        let Some(mut pending) = self.jobs.remove(&key) else { return };
        line.waiting.pop_front();
        line.running = Some(Running {
            number: pending.job.captured.number,
            weight: pending.job.captured.weight,
            began: pending.job.captured.began,
            answered: pending.job.captured.ended,
            place: pending.job.captured.claims.first(),
        });
        self.reconsider(&mut pending);
        let Pending { mut job, entered, .. } = pending;
        self.running += 1;
        self.count_wait(job.captured.began, entered, freed);
        job.overlaps_deletion = freed.overlaps_deletion;
        let stations = Stations {
            entered,
            ready: freed.at,
            turn: Instant::now(),
            waited: freed.waited,
            reading: freed.reading,
            full: self.full,
        };
        self.pacer.give(Turn { job, stations });
    }

    /// The moment of a control has come; it goes now, or when what has come in front of it is done.
    pub(super) fn begin_control(&mut self, mut job: Box<Job>, moment: Instant) {
        self.count_hold(&mut job);
        let key = job.captured.key;
        let place = job.captured.claims.first();
        if place.is_some_and(|place| !self.context.offsets.is_current(place)) {
            return self.forget_control(&job);
        }
        if !self.begin_turn(key, job.captured.ended) {
            job.held = Some((Instant::now(), WaitsFor::Replayers));
            return self.wait_for_turn(job, moment);
        }
        if self.order.begin(key) {
            self.pacer.begin(job, moment);
        } else {
            self.end_turn(key);
            job.held = Some((Instant::now(), WaitsFor::Order));
            self.passed.insert(key, (job, moment));
        }
    }

    pub(super) fn take(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::Done { key, connection, left } => {
                self.running -= 1;
                self.pacer.done();
                self.end_turn(key);
                let running = self.lines.get_mut(&connection).and_then(|line| line.running.take());
                let Running { number, weight, began, answered, place } =
                    running.unwrap_or_default();
                self.held = self.held.saturating_sub(weight);
                self.context.metrics.held_bytes.set(i64::try_from(self.held).unwrap_or(i64::MAX));
                let mut left = left?;
                if left.abandoned {
                    return Ok(());
                }
                if place.is_some_and(|place| !self.context.offsets.is_current(place)) {
                    // Another replayer reads it again, and finds the same.
                    (left.doubts, left.deletes, left.failed) = Default::default();
                } else if !self.connections.replayed(&connection, number) {
                    self.context.metrics.disorder.inc();
                }
                self.held_back.open((began, key), left.doubts.len());
                if !left.failed.is_empty() {
                    self.held_back.failed((began, key), place);
                }
                for line in left.failed {
                    self.note(line);
                }
                left.doubts.into_iter().for_each(|doubt| self.doubts.put(doubt));
                self.finish(key);
                self.keep_deletes(answered, left.deletes);
                self.start_next(&connection);
            }
            Report::Listed { listed } => self.take_listed(listed)?,
            Report::Moment { job, moment } => self.begin_control(job, moment),
            // It is taken where it may be waited for.
            Report::View { .. } => {}
            Report::Resent { key, resent } => {
                self.resending = None;
                self.end_turn(key);
                self.order.finished(key);
                match resent? {
                    Ok(batch) => {
                        for (answered, kept) in batch {
                            self.held_back.done(answered, kept.receipt);
                        }
                    }
                    Err(failed) => {
                        for line in failed {
                            Metrics::count(&self.context.metrics.failed, "delete sent again");
                            self.note(line);
                        }
                    }
                }
            }
            Report::Read { key, began, resolved, swept } => {
                self.swept = Some(swept);
                self.end_turn(key);
                self.order.finished(key);
                self.take_resolved(began, resolved)?;
            }
        }
        Ok(())
    }
}

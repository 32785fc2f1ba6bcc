//! How far behind its schedule the replay is, looked at each second.

use std::time::Duration;

use codec::record::Nanos;

use super::{Conductor, QUIET_TICKS, TICK};
use crate::{indices, lateness::Cause};

/// More than a metric's seconds since 1970 can't tell apart.
const A_MOMENT: Nanos = 1_000_000;

impl Conductor {
    pub(super) fn look_at_lag(&self) {
        let metrics = &self.context.metrics;
        // What has begun has told of itself; here is what hasn't, and should have.
        let oldest = self.jobs.values().map(|pending| pending.job.captured.began).min();
        let running = self.lines.values().filter_map(|line| line.running.as_ref());
        let running = running.map(|running| running.began).min().unwrap_or(u64::MAX);
        // The proxies are gone: nothing comes that is older than what was read last.
        let is_quiet = self.quiet_ticks >= QUIET_TICKS && self.has_room();
        let read = if is_quiet { self.mark().max(self.newest + A_MOMENT) } else { self.mark() };
        // A doubt that waits to be read from the source isn't dealt with, nor is what failed.
        let open = self.held_back.oldest().unwrap_or(u64::MAX);
        let until = read.min(open).min(running).min(oldest.unwrap_or(u64::MAX));
        metrics.replayed_until.set(Duration::from_nanos(until).as_secs_f64());
        let left = oldest.is_some() || running.min(open) != u64::MAX;
        // Not even a heartbeat has come since the last look, although there was room.
        let is_all = !left && self.quiet_ticks > 0 && self.has_room() && self.is_time_to_read();
        // At first nothing is known of the journal at all.
        let lag = if is_all || until == 0 { 0 } else { indices::now().saturating_sub(until) };
        metrics.lag.set(Duration::from_nanos(lag).as_secs_f64());
        let late = oldest.map(|at| self.context.schedule.late(at)).filter(|late| *late >= TICK);
        let cause = if self.is_reading_idle() { Cause::Target } else { Cause::SourceReads };
        let (lag, growing) = self.context.lateness.look(late.map(|late| (late, cause)));
        self.context.metrics.schedule_lag.set(lag.as_secs_f64());
        if let Some(growing) = growing {
            growing.tell();
        }
    }
}

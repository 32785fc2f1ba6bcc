//! How far behind its schedule the replay is, looked at each second.

use super::{Conductor, TICK};
use crate::lateness::Cause;

impl Conductor {
    pub(super) fn look_at_lag(&self) {
        // What has begun has told of itself; here is what hasn't, and should have.
        let oldest = self.jobs.values().map(|pending| pending.captured.began).min();
        let late = oldest.map(|at| self.context.schedule.late(at)).filter(|late| *late >= TICK);
        let cause = if self.is_reading_idle() { Cause::Target } else { Cause::SourceReads };
        let (lag, growing) = self.context.lateness.look(late.map(|late| (late, cause)));
        self.context.metrics.schedule_lag.set(lag.as_secs_f64());
        if let Some(growing) = growing {
            growing.tell();
        }
    }
}

//! How far ahead of what is sent the journal is read.

use super::{Conductor, shared::Share};

/// What a doubt that waits takes of the memory for looking ahead, about: its addresses, and the records that it claims.
const DOUBT: usize = 1 << 10;

/// Captured bytes that a cache holds, about: what is sent while it is still in one costs 60 % of what it costs later.
const ENOUGH: usize = 4 << 20;

impl Conductor {
    /// Bytes held are bounded, but what runs must not wait for what can't be read.
    pub(super) fn has_room(&self) -> bool {
        let held = self.held < self.context.settings.lookahead_bytes || self.running == 0;
        held && !self.unlisted.is_full() && !self.has_enough() && !self.has_doubts_enough()
    }

    /// Whether more doubts wait than may, while some are being resolved. Otherwise they may wait for what is still to be
    /// read.
    fn has_doubts_enough(&self) -> bool {
        let most = self.context.settings.lookahead_bytes / DOUBT;
        !self.is_reading_idle() && self.doubts.len() + self.later.len() >= most
    }

    /// Whether more would only lie in memory: without a rhythm, when as many run as can, and more wait behind them.
    fn has_enough(&self) -> bool {
        if self.held < ENOUGH {
            return false;
        }
        // A control may wait for what is still to be read, here or elsewhere.
        let waiting = self.passed.len() + self.share.as_ref().map_or(0, Share::controls);
        let sent = self.running.saturating_sub(waiting);
        let most = self.context.settings.target_connections.min(self.connections.open());
        let is_busy = sent > 0 && sent * 2 >= most && self.jobs.len() >= most * 4;
        is_busy && self.context.schedule.horizon().is_none()
    }

    /// What is far ahead of its moment can be read later.
    pub(super) fn is_time_to_read(&self) -> bool {
        let horizon = self.context.schedule.horizon();
        self.running == 0 || horizon.is_none_or(|horizon| self.newest <= horizon)
    }
}

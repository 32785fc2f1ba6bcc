//! What a retry came to.

use std::fmt;

use serde::Serialize;

use crate::failed::Resent;

/// What became of the failed documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetrySummary {
    pub written: u64,
    pub superseded: u64,
    /// They failed again, and are kept.
    pub failed: u64,
    /// They can only be read from the snapshot again, and are kept.
    pub unreadable: u64,
    /// Counted as failed in units that were settled, and kept nowhere: they can only be read from the snapshot
    /// again.
    pub missing: u64,
    /// Units whose accounts say so now.
    pub settled: u64,
    /// Units that have no accounts, since the coordinator has no such run or it has no such unit.
    pub unsettled: u64,
    /// Units that were left as they are: a worker has them or will, or another retry was faster.
    pub left_alone: u64,
    /// Units that wait again, to be read from their beginning by `backfill run`.
    pub restarted: u64,
    /// A replay beside has noted deletes, which have to be sent again after what was written, by `backfill run`.
    pub to_sweep: bool,
    /// Asked to stop before the end: there are more.
    pub stopped: bool,
}

impl fmt::Display for RetrySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, superseded, failed, unreadable, missing, .. } = self;
        if self.unsettled > 0 {
            let units = self.unsettled;
            writeln!(
                f,
                "no accounts were settled of {units} units: the coordinator doesn't have them in a run of this name"
            )?;
        }
        if self.left_alone > 0 {
            let units = self.left_alone;
            writeln!(
                f,
                "left alone: {units} units that are still worked on, or that another retry has changed; retry again"
            )?;
        }
        if *missing > 0 {
            writeln!(f, "missing: {missing} documents are counted as failed and kept nowhere")?;
        }
        if unreadable + missing > 0 {
            writeln!(f, "`backfill retry --reread`, then `backfill run`, reads their units again")?;
        }
        if self.to_sweep && self.restarted == 0 {
            writeln!(f, "deletes of a replay are to be swept once more: start `backfill run`")?;
        }
        if self.restarted > 0 {
            let units = self.restarted;
            writeln!(f, "{units} units wait to be read again: start `backfill run`")?;
        }
        write!(
            f,
            "written={written} superseded={superseded} failed={failed} unreadable={unreadable}"
        )?;
        if self.stopped {
            write!(f, " (stopped before the end)")?;
        }
        Ok(())
    }
}

impl RetrySummary {
    /// No failed document is left, but in units that are to be read again.
    pub fn is_complete(&self) -> bool {
        self.failed + self.unreadable + self.missing + self.left_alone == 0 && !self.stopped
    }

    pub(super) fn add(&mut self, resent: &Resent) {
        self.written += resent.written;
        self.superseded += resent.superseded;
        self.failed += resent.failed;
        self.unreadable += resent.unreadable;
    }
}

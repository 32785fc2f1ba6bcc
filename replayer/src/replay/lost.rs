//! Losses on their way to the list: the records that showed them are claimed until the list has them.

use std::sync::Arc;

use codec::record::{Heartbeat, Switched};

use super::{Conductor, Report};
use crate::{
    context::RunError,
    losses::{Loss, Reason},
    offsets::{Claims, Place},
};

/// Losses that may wait to be listed before nothing more is read.
const WAITING: usize = 10_000;

/// Losses that aren't listed yet.
#[derive(Debug, Default)]
pub(super) struct Unlisted {
    waiting: Vec<Loss>,
    claims: Claims,
    /// A batch is on its way.
    listing: bool,
}

impl Unlisted {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.listing
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }
}

impl Conductor {
    /// Something can't be found again, as the record at `place` shows, which is claimed by somebody now.
    pub(super) fn lose(&mut self, reason: Reason, place: Place, captured: u64, what: String) {
        tracing::error!(reason = reason.as_str(), what, "lost");
        self.context.offsets.claim(&mut self.unlisted.claims, place);
        self.unlisted.waiting.push(self.context.losses.loss(reason, place, captured, what));
    }

    /// A heartbeat that says that capture was switched off: what clients wrote then is nowhere.
    pub(super) fn note_switch(&mut self, beat: &Heartbeat, node: &str, place: Place) {
        if let Some(Switched { off, on: 0 }) = beat.switched {
            let what = format!("proxy {node} was told to capture nothing from then on");
            self.lose(Reason::CaptureOff, place, off, what);
        }
    }

    /// Lists what waits, one batch at a time.
    pub(super) fn start_listing(&mut self) {
        if self.unlisted.listing || self.unlisted.waiting.is_empty() {
            return;
        }
        self.unlisted.listing = true;
        let batch = std::mem::take(&mut self.unlisted.waiting);
        let claims = std::mem::take(&mut self.unlisted.claims);
        let (context, reports) = (Arc::clone(&self.context), self.reports.0.clone());
        tokio::spawn(async move {
            let listed = context.losses.keep(&batch).await.map_err(RunError::from);
            let _ = reports.send(Report::Listed { listed: listed.map(|()| claims) });
        });
    }

    pub(super) fn take_listed(&mut self, listed: Result<Claims, RunError>) -> Result<(), RunError> {
        self.unlisted.listing = false;
        self.context.offsets.release(listed?);
        Ok(())
    }
}

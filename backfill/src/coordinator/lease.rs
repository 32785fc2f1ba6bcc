//! A unit that is ours for the time being.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, LeaseError, Lost,
    documents::{UnitDocument, Version},
    keeper::Keeper,
};
use crate::{
    accounts::Accounts,
    work::{Position, Unit},
};

/// The longest error text that is kept of a unit.
const LONGEST_ERROR: usize = 4096;

/// A unit to work on, for as long as [`Lease::lost`] isn't cancelled. A task of its own renews it.
///
/// Dropping it without [`complete`](Self::complete), [`release`](Self::release) or [`refuse`](Self::refuse)
/// is what dying looks like to others: they wait for the lease's length. This process doesn't, so all work
/// under the lease must have ended by then.
#[derive(Debug)]
pub struct Lease {
    inner: Arc<Inner>,
    shared: Arc<Shared>,
    unit: Unit,
    token: String,
    position: Option<Position>,
    accounts: Accounts,
    fruitless: u32,
}

/// What a lease and its keeper have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) pending: Mutex<Pending>,
    /// There is something to write.
    pub(super) wake: Notify,
    /// The lease is dropped.
    pub(super) closed: CancellationToken,
    lost: CancellationToken,
}

/// What is to be written next; a later checkpoint takes the place of an earlier one.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) position: Option<Position>,
    /// All of the unit's, up to the position.
    pub(super) accounts: Accounts,
    pub(super) end: Option<Ending>,
    /// Until when the holder may believe in its lease.
    pub(super) deadline: Instant,
    reason: Option<Lost>,
    ended: bool,
}

#[derive(Debug)]
pub(super) struct Ending {
    pub(super) end: End,
    pub(super) written: oneshot::Sender<()>,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    Complete,
    Release,
    Refuse(String),
}

impl Shared {
    /// Ends the lease for everybody who works under it. Only the first reason counts.
    pub(super) fn lose(&self, reason: Lost) {
        let mut pending = self.pending.lock();
        if pending.ended || pending.reason.is_some() {
            return;
        }
        tracing::warn!(%reason, "lease lost");
        pending.reason = Some(reason);
        pending.end = None;
        drop(pending);
        self.lost.cancel();
    }

    /// What was asked for at the end is written.
    pub(super) fn end(&self) {
        self.pending.lock().ended = true;
    }
}

impl Lease {
    pub(super) fn begin(
        inner: Arc<Inner>,
        document: UnitDocument,
        version: Version,
        token: String,
        deadline: Instant,
    ) -> Self {
        let (position, accounts) = (document.position, document.accounts.clone());
        let shared = Arc::new(Shared {
            pending: Mutex::new(Pending {
                position,
                accounts: accounts.clone(),
                end: None,
                deadline,
                reason: None,
                ended: false,
            }),
            wake: Notify::new(),
            closed: CancellationToken::new(),
            lost: CancellationToken::new(),
        });
        let (unit, fruitless) = (document.unit.clone(), document.fruitless);
        let keeper = Keeper::new(inner.clone(), shared.clone(), document, version);
        tokio::spawn(keeper.keep());
        Self { inner, shared, unit, token, position, accounts, fruitless }
    }

    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Where to begin; `None`: at the unit's beginning.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Of what is before [`Lease::position`], by earlier holders.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// How many holders in a row, before this one, have lost or dropped it without a checkpoint. A unit that
    /// takes its workers down with it is found by this; the caller may refuse it.
    pub fn fruitless(&self) -> u32 {
        self.fruitless
    }

    /// Cancelled when the lease is lost. The work must stop then.
    pub fn lost(&self) -> CancellationToken {
        self.shared.lost.clone()
    }

    /// Why it is lost, or `None` while it is held. Looks at the clock as well, for a process that was
    /// stopped and doesn't know it yet.
    pub fn reason(&self) -> Option<Lost> {
        let overdue = Instant::now() >= self.shared.pending.lock().deadline;
        if overdue {
            let reason = "no renewal was confirmed before its margin began".into();
            self.shared.lose(Lost::NotRenewed { unit: self.unit.id.clone(), reason });
        }
        self.shared.pending.lock().reason.clone()
    }

    /// Everything before `position` is done, and `delta` is what came of it since the last checkpoint. Returns
    /// at once; both are written together, as soon as the write before is through.
    ///
    /// # Errors
    /// When the lease is lost, or the numbers can't be true.
    pub fn checkpoint(&self, position: Position, delta: &Accounts) -> Result<(), LeaseError> {
        self.add(Some(position), delta)?;
        self.shared.wake.notify_one();
        Ok(())
    }

    /// The unit is done, and `delta` is what came of the rest of it.
    ///
    /// # Errors
    /// When the lease is lost. When documents are missing in the accounts: then the unit is refused.
    pub async fn complete(self, delta: &Accounts) -> Result<(), LeaseError> {
        self.add(None, delta)?;
        let passed = self.shared.pending.lock().accounts.passed();
        let (unit, documents) = (self.unit.id.clone(), self.unit.documents);
        if passed != documents {
            let error = LeaseError::Unread { unit, documents, passed };
            self.end(End::Refuse(error.to_string())).await?;
            return Err(error);
        }
        Ok(self.end(End::Complete).await?)
    }

    /// Gives the unit back, as far as the last checkpoint, so that others take it at once.
    pub async fn release(self) -> Result<(), Lost> {
        self.end(End::Release).await
    }

    /// The unit can't be done, by nobody; the run goes on without it and doesn't become complete.
    pub async fn refuse(self, error: &str) -> Result<(), Lost> {
        let mut end = error.len().min(LONGEST_ERROR);
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        self.end(End::Refuse(error.get(..end).unwrap_or_default().to_owned())).await
    }

    fn add(&self, position: Option<Position>, delta: &Accounts) -> Result<(), LeaseError> {
        if let Some(reason) = self.reason() {
            return Err(reason.into());
        }
        let unit = || self.unit.id.clone();
        let wrong = |error| LeaseError::Accounts { unit: unit(), error };
        delta.check().map_err(wrong)?;
        let mut pending = self.shared.pending.lock();
        if let (Some(next), Some(last)) = (&position, &pending.position)
            && next.is_before(last)
        {
            return Err(LeaseError::Backwards { unit: unit() });
        }
        pending.accounts = pending.accounts.plus(delta).map_err(wrong)?;
        pending.position = position.or(pending.position);
        Ok(())
    }

    async fn end(&self, end: End) -> Result<(), Lost> {
        if let Some(reason) = self.reason() {
            return Err(reason);
        }
        let (written, answer) = oneshot::channel();
        {
            // Under one lock: a keeper that has lost the lease takes no more orders.
            let mut pending = self.shared.pending.lock();
            if let Some(reason) = &pending.reason {
                return Err(reason.clone());
            }
            pending.end = Some(Ending { end, written });
        }
        self.shared.wake.notify_one();
        // Dropped unanswered when the lease is lost.
        if answer.await.is_ok() {
            return Ok(());
        }
        let gone = || Lost::NotRenewed {
            unit: self.unit.id.clone(),
            reason: "the process is shutting down".into(),
        };
        Err(self.shared.pending.lock().reason.clone().unwrap_or_else(gone))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.shared.pending.lock().ended {
            self.inner.ended.lock().insert(self.unit.id.clone(), self.token.clone());
        }
        self.shared.closed.cancel();
        // Whoever still works under it has no lease any more.
        self.shared.lost.cancel();
    }
}

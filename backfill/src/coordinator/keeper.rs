//! The task that writes for a lease: renewals, checkpoints and the end, one at a time.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{
    CoordinatorError, Inner, Lost, State,
    claim::held_for,
    documents::{Stored, UnitDocument, Version, nonce},
    lease::{End, Ending, Shared},
    store::Replaced,
};

#[derive(Debug)]
pub(super) struct Keeper {
    inner: Arc<Inner>,
    shared: Arc<Shared>,
    /// As last confirmed.
    document: UnitDocument,
    version: Version,
    /// When the last confirmed write was begun.
    written: Instant,
}

impl Keeper {
    pub(super) fn new(
        inner: Arc<Inner>,
        shared: Arc<Shared>,
        document: UnitDocument,
        version: Version,
    ) -> Self {
        let written = Instant::now();
        Self { inner, shared, document, version, written }
    }

    /// Until the lease ends, is lost or is dropped.
    pub(super) async fn keep(mut self) {
        let closed = self.shared.closed.clone();
        loop {
            let renewal = self.written + self.inner.settings.lease / 3;
            tokio::select! {
                biased;
                () = closed.cancelled() => return,
                () = self.shared.wake.notified() => {}
                () = sleep_until(renewal) => {}
            }
            let (next, ending, deadline) = self.next();
            let began = Instant::now();
            if began >= deadline {
                let reason = "the process was stopped for longer than the lease stands".into();
                return self.shared.lose(Lost::NotRenewed { unit: next.unit.id, reason });
            }
            let outcome = tokio::select! {
                () = closed.cancelled() => return,
                outcome = self.inner.store.replace(self.version, &next, deadline) => outcome,
            };
            match outcome {
                Ok(Replaced::Ours(version)) => {
                    (self.document, self.version, self.written) = (next, version, began);
                    self.shared.pending.lock().deadline =
                        began + held_for(self.inner.settings.lease);
                }
                Ok(Replaced::Theirs(there)) => {
                    return self.shared.lose(taken_over(next.unit.id, there));
                }
                Err(error) => return self.shared.lose(not_written(next.unit.id, &error)),
            }
            if let Some(Ending { written, .. }) = ending {
                self.shared.end();
                // The lease is dropped with its answer unread when its caller was cancelled.
                let _ = written.send(());
                return;
            }
        }
    }

    /// What is to be written, made of what is there and what is pending.
    fn next(&self) -> (UnitDocument, Option<Ending>, Instant) {
        let mut next = UnitDocument { nonce: nonce(), ..self.document.clone() };
        let mut pending = self.shared.pending.lock();
        if next.position != pending.position {
            next.fruitless = 0;
        }
        next.position = pending.position;
        next.accounts.clone_from(&pending.accounts);
        if let Some(lease) = next.lease.as_mut() {
            lease.renewals = lease.renewals.saturating_add(1);
            lease.renewed = (self.inner.settings.clock)();
        }
        let ending = pending.end.take();
        let end = ending.as_ref().map(|ending| ending.end.clone());
        next.state = match &end {
            None => State::Leased,
            Some(End::Complete) => State::Done,
            Some(End::Release) => State::Waiting,
            Some(End::Refuse(_)) => State::Refused,
        };
        if end.is_some() {
            next.lease = None;
        }
        if let Some(End::Refuse(error)) = end {
            next.error = Some(error);
        }
        (next, ending, pending.deadline)
    }
}

fn taken_over(unit: String, there: Option<Box<Stored>>) -> Lost {
    let Some(there) = there else { return Lost::Gone { unit } };
    let by = match there.document.lease {
        Some(lease) => format!("process {} on {}", lease.holder.process, lease.holder.host),
        None => format!("somebody, and is {} now", there.document.state.as_str()),
    };
    Lost::TakenOver { unit, by }
}

fn not_written(unit: String, error: &CoordinatorError) -> Lost {
    let reason = error.to_string();
    match error.is_transient() {
        true => Lost::NotRenewed { unit, reason },
        false => Lost::Refused { unit, reason },
    }
}

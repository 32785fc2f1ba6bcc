//! Units that nobody works on any more: settling their accounts after a retry, and giving them back to be read
//! again.
//!
//! Both are one compare-and-set against the document as it was *before* the parts of its failed documents were
//! listed. While it stands no worker has written a part of the unit, so whoever succeeds knows that what was listed
//! is all there was, and that every other retry of that time fails: what was listed and doesn't count now may be
//! deleted.

use tokio::time::Instant;

use super::{
    Coordinator, CoordinatorError, State,
    documents::{RUN, Stored, UnitDocument, nonce},
    store::Replaced,
};
use crate::{
    accounts::Accounts,
    failed::{PartName, Resent},
    send::Class,
    work::Unit,
};

/// Documents of a page: one is about a kilobyte.
const PAGE: usize = 2000;

/// A unit as it was at one moment.
#[derive(Clone, Debug)]
pub struct SeenUnit(Stored);

impl SeenUnit {
    pub fn unit(&self) -> &Unit {
        &self.0.document.unit
    }

    pub fn state(&self) -> State {
        self.0.document.state
    }

    pub fn accounts(&self) -> &Accounts {
        &self.0.document.accounts
    }

    /// Nobody works on it, nor will.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.state(), State::Done | State::Refused)
    }

    /// Whether the documents of one of its parts are those that its accounts count as failed.
    pub fn counts(&self, part: &PartName) -> bool {
        part.counts(self.0.document.settled.as_deref()) && !self.has_forgotten(part)
    }

    /// One of its parts is from before it was restarted, and will never count again.
    pub fn has_forgotten(&self, part: &PartName) -> bool {
        self.0.document.forgotten.contains(part.token())
    }

    /// Documents that are counted as failed, and kept nowhere where a retry has found these.
    pub fn missing(&self, found: &Resent) -> u64 {
        missing(self.accounts(), found)
    }

    /// Documents that are counted as failed and could not be read from the snapshot.
    pub fn unread(&self) -> u64 {
        unread(self.accounts())
    }
}

fn sent_classes() -> impl Iterator<Item = Class> {
    Class::ALL.into_iter().filter(|class| class.was_sent())
}

/// Failures of all other classes.
fn unread(accounts: &Accounts) -> u64 {
    let is_unread = |name: &str| sent_classes().all(|class| class.name() != name);
    let classes = accounts.failed.iter().filter(|(name, _)| is_unread(name));
    classes.fold(0, |sum, (_, documents)| sum.saturating_add(*documents))
}

impl Coordinator {
    /// Every unit of the run.
    ///
    /// # Errors
    /// [`CoordinatorError::NoRun`] when the run isn't there, or not any more.
    pub async fn units(&self) -> Result<Vec<SeenUnit>, CoordinatorError> {
        let store = &self.inner.store;
        self.read_run().await?;
        let mut scan = store.cluster().scan(store.index(), PAGE).await?;
        let mut units = Vec::new();
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                return Ok(units);
            }
            for found in page.iter().filter(|found| found.id != RUN) {
                let stored = Stored::read(found).map_err(|e| store.damaged(&found.id, e))?;
                units.push(SeenUnit(stored));
            }
        }
    }

    /// Brings the accounts of a unit at rest up to what a retry has found: from now on the parts of that `token`
    /// hold what failed of it. `false`: it isn't as it was seen any more, and nothing was changed.
    pub async fn settle(
        &self,
        seen: &SeenUnit,
        found: &Resent,
        token: &str,
    ) -> Result<bool, CoordinatorError> {
        let accounts = settled(seen.accounts(), found);
        let settled = Some(token.to_owned());
        let document = UnitDocument { accounts, settled, ..seen.0.document.clone() };
        self.change(seen, document).await
    }

    /// Lets a unit at rest wait again, to be read from its beginning: it has no accounts then. `false`: it isn't
    /// as it was seen any more, and nothing was changed. Its `parts` don't count any more. Workers see it after
    /// [`Coordinator::show`].
    pub async fn restart(
        &self,
        seen: &SeenUnit,
        parts: &[PartName],
    ) -> Result<bool, CoordinatorError> {
        let forgotten = parts.iter().map(|part| part.token().to_owned()).collect();
        let waiting = UnitDocument::waiting(seen.unit().clone());
        self.change(seen, UnitDocument { forgotten, ..waiting }).await
    }

    /// Whether a unit is as it was seen.
    pub async fn is_as_seen(&self, seen: &SeenUnit) -> Result<bool, CoordinatorError> {
        let found = self.inner.store.get::<UnitDocument>(&seen.unit().id).await?;
        Ok(found.is_some_and(|(_, version)| version == seen.0.version))
    }

    /// Makes searches see what was written: a worker that looks for units from now on finds those that wait.
    pub async fn show(&self) -> Result<(), CoordinatorError> {
        Ok(self.inner.store.refresh().await?)
    }

    async fn change(
        &self,
        seen: &SeenUnit,
        document: UnitDocument,
    ) -> Result<bool, CoordinatorError> {
        let store = &self.inner.store;
        let document = UnitDocument { nonce: nonce(), ..document };
        let until = Instant::now() + store.cluster().patience().give_up_after;
        match store.replace(seen.0.version, &document, until).await? {
            Replaced::Ours(_) => Ok(true),
            Replaced::Theirs(_) => Ok(false),
        }
    }
}

/// Those that couldn't be read are kept and not counted when a successor could read them.
fn missing(accounts: &Accounts, found: &Resent) -> u64 {
    let unread = found.unreadable.min(unread(accounts));
    accounts.failures().saturating_sub(found.written + found.superseded + found.failed + unread)
}

/// The accounts after a retry: as many have failed as it has found to fail still, and besides those that are
/// counted and kept nowhere, since nobody knows what became of them.
///
/// What is kept and not counted (by a worker that died before the checkpoint, while its successor succeeded) must
/// not lower the counts of others, so the sum says by how much they are lowered, and the classes only where.
fn settled(accounts: &Accounts, found: &Resent) -> Accounts {
    let still = found.failed + found.unreadable.min(unread(accounts)) + missing(accounts, found);
    let lowered = accounts.failures().saturating_sub(still);
    let mut failed = accounts.failed.clone();
    let mut left = lowered;
    let mut lower = |class: &str, most: u64| {
        let Some(count) = failed.get_mut(class) else { return };
        let by = most.min(*count).min(left);
        (*count, left) = (*count - by, left - by);
    };
    for (class, documents) in &found.gone {
        lower(class.name(), *documents);
    }
    // Two workers may have kept a document for different reasons; only one of them is counted.
    sent_classes().for_each(|class| lower(class.name(), u64::MAX));
    accounts.failed.keys().for_each(|class| lower(class, u64::MAX));
    for ((from, to), documents) in &found.changed {
        let Some(count) = failed.get_mut(from.name()) else { continue };
        let by = (*documents).min(*count);
        *count -= by;
        *failed.entry(to.name().to_owned()).or_default() += by;
    }
    failed.retain(|_, documents| *documents > 0);
    let superseded = found.superseded.min(lowered);
    Accounts {
        failed,
        written: accounts.written.saturating_add(lowered - superseded),
        superseded: accounts.superseded.saturating_add(superseded),
        ..accounts.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accounts(failed: &[(&str, u64)]) -> Accounts {
        let mut accounts = Accounts { read: 10, written: 8, superseded: 2, ..Accounts::default() };
        for (class, documents) in failed {
            accounts.fail(class, *documents);
            accounts.read += documents;
        }
        accounts
    }

    fn found(written: u64, superseded: u64, failed: u64, unreadable: u64) -> Resent {
        let gone = [(Class::Mapping, written + superseded)].into();
        Resent { written, superseded, failed, unreadable, gone, ..Resent::default() }
    }

    #[test]
    fn what_was_written_is_not_failed_any_more() {
        let before = accounts(&[("mapping", 5), ("version", 1)]);
        let after = settled(&before, &found(3, 1, 1, 1));
        assert_eq!((after.read, after.written, after.superseded), (16, 11, 3));
        assert_eq!(after.failed, accounts(&[("mapping", 1), ("version", 1)]).failed);
        assert!(after.is_balanced());
        assert_eq!(settled(&accounts(&[("mapping", 4)]), &found(4, 0, 0, 0)).failed, [].into());

        let changed = Resent {
            changed: [((Class::Mapping, Class::Malformed), 1)].into(),
            ..found(3, 1, 1, 1)
        };
        let after = settled(&before, &changed);
        assert_eq!(after.failed, accounts(&[("malformed", 1), ("version", 1)]).failed);
    }

    #[test]
    fn what_is_counted_and_kept_nowhere_stays_failed() {
        let after = settled(&accounts(&[("mapping", 5)]), &found(2, 0, 0, 0));
        assert_eq!(after.failed, [("mapping".to_owned(), 3)].into());
        assert_eq!(settled(&after, &Resent::default()), after);
    }

    #[test]
    fn what_is_kept_and_not_counted_lowers_nothing() {
        // Two are kept and one is counted: the other one was written by a successor.
        let after = settled(&accounts(&[("mapping", 1)]), &found(1, 0, 1, 0));
        assert_eq!(after.failures(), 1);
        // One couldn't be read, and its successor could.
        let after = settled(&accounts(&[("mapping", 1)]), &found(1, 0, 0, 1));
        assert_eq!(after.failures(), 0);
        let after = settled(&accounts(&[]), &found(2, 0, 0, 0));
        assert_eq!(after, accounts(&[]));
    }

    proptest! {
        #[test]
        fn accounts_stay_balanced_and_failures_only_fall(
            mapping in 0u64..9, other in 0u64..9, unread in 0u64..9,
            written in 0u64..9, superseded in 0u64..9, still in 0u64..9, unreadable in 0u64..9,
            changed in 0u64..9,
        ) {
            let before = accounts(&[("mapping", mapping), ("other", other), ("version", unread)]);
            let changed = [((Class::Mapping, Class::Other), changed.min(still))].into();
            let found = Resent { changed, ..found(written, superseded, still, unreadable) };
            let after = settled(&before, &found);
            prop_assert!(after.is_balanced());
            prop_assert!(after.failures() <= before.failures());
            let left = still + unreadable.min(unread);
            prop_assert!(after.failures() >= left.min(before.failures()));
            prop_assert_eq!((after.read, after.passed()), (before.read, before.passed()));
            let kept = written + superseded + still + unreadable;
            if before.failures() == kept && unreadable <= unread {
                prop_assert_eq!(after.failures(), still + unreadable);
            }
        }
    }
}

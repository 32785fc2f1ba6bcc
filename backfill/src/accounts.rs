//! What became of every document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of documents. *Invariant* of what is balanced: `read = written + superseded + Σ failed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// Live documents come to, those that could not be read included: they are `failed`.
    pub read: u64,
    /// The target acknowledged them.
    pub written: u64,
    /// The target has something newer, or its index is another one.
    pub superseded: u64,
    /// By class.
    pub failed: BTreeMap<String, u64>,
    /// What a segment counts that is no live document, by reason (`deleted`, `nested`), or that the user's rules
    /// drop (`rule`).
    pub skipped: BTreeMap<String, u64>,
    /// Documents whose source the target took only after it was made strict JSON, by what was changed.
    pub repaired: BTreeMap<String, u64>,
    /// Of `_source`, as read.
    pub bytes: u64,
}

/// Counts that can't be true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    #[error("counts of documents above 2^64: the accounts are damaged")]
    Overflow,
    #[error(
        "the accounts don't balance: {read} read, {written} written, {superseded} superseded, {failed} failed"
    )]
    Unbalanced { read: u64, written: u64, superseded: u64, failed: u64 },
}

impl Accounts {
    /// Of all classes.
    pub fn failures(&self) -> u64 {
        total(&self.failed)
    }

    /// Everything that a segment counts and that has been passed: live, deleted, nested or dropped.
    pub fn passed(&self) -> u64 {
        self.read.saturating_add(total(&self.skipped))
    }

    /// Counts `documents` failed ones of a class.
    pub fn fail(&mut self, class: &str, documents: u64) {
        count(&mut self.failed, class, documents);
    }

    /// Counts a change of one document's source.
    pub fn repair(&mut self, change: &str) {
        count(&mut self.repaired, change, 1);
    }

    /// Counts what is no live document.
    pub fn skip(&mut self, reason: &str, documents: u64) {
        count(&mut self.skipped, reason, documents);
    }

    pub fn is_balanced(&self) -> bool {
        self.check().is_ok()
    }

    /// As [`Accounts::is_balanced`], with the counts.
    pub fn check(&self) -> Result<(), AccountsError> {
        let (read, written, superseded) = (self.read, self.written, self.superseded);
        let failed = self.failed.values().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        let failed = failed.ok_or(AccountsError::Overflow)?;
        let sum = written.checked_add(superseded).and_then(|sum| sum.checked_add(failed));
        match sum.ok_or(AccountsError::Overflow)? == read {
            true => Ok(()),
            false => Err(AccountsError::Unbalanced { read, written, superseded, failed }),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Result<Self, AccountsError> {
        let add = |a: u64, b: u64| a.checked_add(b).ok_or(AccountsError::Overflow);
        let merge = |a: &BTreeMap<String, u64>, b: &BTreeMap<String, u64>| {
            let mut merged = a.clone();
            for (name, documents) in b {
                let sum = add(merged.get(name).copied().unwrap_or(0), *documents)?;
                merged.insert(name.clone(), sum);
            }
            Ok(merged)
        };
        Ok(Self {
            read: add(self.read, other.read)?,
            written: add(self.written, other.written)?,
            superseded: add(self.superseded, other.superseded)?,
            failed: merge(&self.failed, &other.failed)?,
            skipped: merge(&self.skipped, &other.skipped)?,
            repaired: merge(&self.repaired, &other.repaired)?,
            bytes: add(self.bytes, other.bytes)?,
        })
    }
}

fn total(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().fold(0, |sum, n| sum.saturating_add(*n))
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str, documents: u64) {
    if documents == 0 {
        return;
    }
    let counted = counts.entry(name.to_owned()).or_default();
    *counted = counted.saturating_add(documents);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(written: u64, superseded: u64, failed: u64) -> Accounts {
        let read = written + superseded + failed;
        let mut accounts =
            Accounts { read, written, superseded, bytes: read * 10, ..Default::default() };
        accounts.fail("mapping", failed);
        accounts
    }

    #[test]
    fn what_was_read_is_written_superseded_or_failed() {
        assert!(Accounts::default().is_balanced());
        let mut some = accounts(3, 2, 1);
        some.skip("deleted", 4);
        assert!(some.is_balanced());
        assert_eq!((some.failures(), some.passed()), (1, 10));
        some.read += 1;
        let unbalanced =
            AccountsError::Unbalanced { read: 7, written: 3, superseded: 2, failed: 1 };
        assert_eq!(some.check(), Err(unbalanced));
    }

    #[test]
    fn sums_are_checked_and_stay_balanced() {
        let mut other = accounts(1, 0, 2);
        other.fail("unreadable", 5);
        other.read += 5;
        let sum = accounts(3, 2, 1).plus(&other).unwrap();
        assert!(sum.is_balanced());
        assert_eq!((sum.read, sum.failed["mapping"], sum.failed["unreadable"]), (14, 3, 5));
        assert_eq!(sum.bytes, 90);
        let most = Accounts { read: u64::MAX, written: u64::MAX, ..Default::default() };
        assert_eq!(most.plus(&sum), Err(AccountsError::Overflow));
        let wraps = Accounts { written: u64::MAX, superseded: 1, ..Default::default() };
        assert!(!wraps.is_balanced());
    }
}

//! The external version that a document gets on the target.

use thiserror::Error;

/// An external version: what the target compares with `version_type=external_gte`.
///
/// `epoch·2^53 + primary_term·2^40 + seq_no + 1`. A document lives on one shard of the source,
/// where (primary term, sequence number) only grows, so of two operations on it the later one has
/// the greater version and the order in which they reach the target doesn't matter. `_version`
/// wouldn't do: after a delete has been forgotten (`index.gc_deletes`) it starts again at 1.
///
/// 0 is older than every operation: a document written before Elasticsearch 6 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

/// Why a version can't be made. Nothing is truncated or saturated: that would reorder.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VersionError {
    #[error(
        "epoch {0} is out of range: at most {MAX_EPOCH} rebuilds of an index can be told apart"
    )]
    Epoch(u32),
    #[error("primary term {0} is out of range: expected 1 to {MAX_TERM}")]
    Term(i64),
    #[error("sequence number {0} is out of range: expected 0 to {MAX_SEQUENCE}")]
    Sequence(i64),
    #[error("version {0} is negative")]
    Negative(i64),
}

/// Below 1023, so that a version never reaches `Long.MAX_VALUE`.
const MAX_EPOCH: u32 = 1022;
const MAX_TERM: i64 = (1 << 13) - 1;
const MAX_SEQUENCE: i64 = (1 << 40) - 2;

impl Version {
    /// The version of a document that has no sequence number.
    pub const ZERO: Self = Self(0);

    /// The version of the operation that a shard numbered (`_primary_term`, `_seq_no`).
    ///
    /// `epoch` is 0 in a first migration and grows for the way back or a rebuilt index.
    pub fn of_sequence(epoch: u32, primary_term: i64, seq_no: i64) -> Result<Self, VersionError> {
        if epoch > MAX_EPOCH {
            return Err(VersionError::Epoch(epoch));
        }
        if !(1..=MAX_TERM).contains(&primary_term) {
            return Err(VersionError::Term(primary_term));
        }
        if !(0..=MAX_SEQUENCE).contains(&seq_no) {
            return Err(VersionError::Sequence(seq_no));
        }
        Ok(Self((i64::from(epoch) << 53) + (primary_term << 40) + seq_no + 1))
    }

    /// The version that a client gave, for an index whose clients bring external versions.
    pub fn of_external(version: i64) -> Result<Self, VersionError> {
        if version < 0 {
            return Err(VersionError::Negative(version));
        }
        Ok(Self(version))
    }

    /// The number for `version=`.
    pub fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(Version::of_sequence(0, 1, 0), Ok(Version((1 << 40) + 1)));
        assert_eq!(Version::of_sequence(0, 1, -2), Err(VersionError::Sequence(-2)));
        assert_eq!(Version::of_sequence(0, 0, 1), Err(VersionError::Term(0)));
        assert_eq!(Version::of_sequence(0, 1 << 13, 1), Err(VersionError::Term(1 << 13)));
        assert_eq!(Version::of_sequence(1023, 1, 1), Err(VersionError::Epoch(1023)));
        assert_eq!(
            Version::of_sequence(0, 1, (1 << 40) - 1),
            Err(VersionError::Sequence((1 << 40) - 1))
        );
        assert!(
            Version::of_sequence(MAX_EPOCH, MAX_TERM, MAX_SEQUENCE).expect("in range").get() > 0
        );
        assert!(Version::ZERO < Version::of_sequence(0, 1, 0).expect("in range"));
    }

    fn number() -> impl Strategy<Value = (u32, i64, i64)> {
        // Small numbers too, so that two are often equal in a part.
        (
            prop_oneof![0..3u32, 0..=MAX_EPOCH],
            prop_oneof![1..4i64, 1..=MAX_TERM],
            prop_oneof![0..4i64, MAX_SEQUENCE - 3..=MAX_SEQUENCE, 0..=MAX_SEQUENCE],
        )
    }

    proptest! {
        #[test]
        fn grows_with_epoch_term_and_number(left in number(), right in number()) {
            let version = |(epoch, term, seq_no)| {
                Version::of_sequence(epoch, term, seq_no).expect("in range")
            };
            prop_assert_eq!(version(left).cmp(&version(right)), left.cmp(&right));
        }
    }
}

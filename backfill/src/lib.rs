//! Backfill: every live document of a snapshot, read without a cluster and written to the target.
#![forbid(unsafe_code)]

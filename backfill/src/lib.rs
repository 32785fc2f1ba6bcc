//! Backfill: every live document of a snapshot, read without a cluster and written to the target.
#![forbid(unsafe_code)]

pub mod action;
pub mod failed;
pub mod send;

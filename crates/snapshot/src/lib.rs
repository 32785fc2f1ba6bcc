//! Snapshot repositories of every layout: what snapshots, indices, shards and files there are, and their bytes.
#![forbid(unsafe_code)]

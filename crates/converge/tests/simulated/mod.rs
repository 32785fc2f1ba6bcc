//! A pure simulation of a source, its clients, a replayer and a target.
//!
//! Requests and answers are the bytes that real clusters exchange, so that the parsing is tried
//! too. Everything comes from one seed.

pub mod history;
pub mod mistakes;
pub mod replay;
pub mod resolve;
pub mod shrink;
pub mod source;
pub mod target;

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

/// What two clusters must agree on: (index, id) and shard → routing and source.
pub type Contents = BTreeMap<(String, usize, String), (Option<String>, String)>;

/// How many shards an index has, on both sides.
pub const SHARDS: usize = 2;

/// The shard of a document: the same on both sides, as with equal shard counts.
pub fn shard_of(id: &str, routing: Option<&str>) -> usize {
    let key = routing.unwrap_or(id);
    key.bytes().fold(7usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)))
        % SHARDS
}

/// True once in `times`.
pub fn one_in(rng: &mut StdRng, times: u32) -> bool {
    rng.random_range(0..times) == 0
}

pub fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

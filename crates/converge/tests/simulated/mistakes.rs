//! A replayer that does something wrong, and what a history had in it.

use std::collections::BTreeMap;

/// What a replayer may get wrong; the simulation must notice each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mistakes {
    pub drops_doubts: bool,
    pub reads_doubts_early: bool,
    pub ignores_overlaps: bool,
    pub reads_the_source_first: bool,
    pub reads_at_once: bool,
    pub keeps_sweep_marks: bool,
    pub forgets_deletes: bool,
    pub ignores_uncertain_deletions: bool,
}

/// What a history was made of, to see that it has everything in it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub operations: usize,
    pub doubts: BTreeMap<&'static str, usize>,
    pub overlaps: usize,
    pub controls: usize,
    pub readings: usize,
}

//! Random histories of many clients: what the replayer makes of them is what the source has.
//!
//! `CONVERGE_HISTORIES` says how many, `CONVERGE_SEED` with which to begin; a failure names its
//! seed.

#![allow(unreachable_pub)] // one test binary of several files
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod simulated;

use std::collections::BTreeMap;

use simulated::replay::{Mistakes, Tally, run, run_some};
use simulated::shrink::{shrink, told};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn the_target_ends_equal() {
    let first = setting("CONVERGE_SEED", 1);
    // An optimised build does ten times as many in the time.
    let default = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let histories = setting("CONVERGE_HISTORIES", default);
    println!("seeds {first} to {}", first + histories - 1);
    let halves = [first..first + histories / 2, first + histories / 2..first + histories];
    let workers = halves.map(|seeds| {
        std::thread::spawn(move || {
            let mut all = Tally::default();
            for seed in seeds {
                let tally = run(seed, Mistakes::default()).unwrap_or_else(|difference| {
                    panic!("{}", told(seed, &difference, Mistakes::default()))
                });
                all.operations += tally.operations;
                all.overlaps += tally.overlaps;
                all.controls += tally.controls;
                all.readings += tally.readings;
                for (reason, count) in tally.doubts {
                    *all.doubts.entry(reason).or_default() += count;
                }
            }
            all
        })
    });
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in workers {
        let tally = worker.join().expect("every history converges");
        println!("{tally:?}");
        for (reason, count) in tally.doubts {
            *reasons.entry(reason).or_default() += count;
        }
        assert!(
            tally.operations > 0 && tally.overlaps > 0 && tally.controls > 0 && tally.readings > 0
        );
    }
    let seen: Vec<&str> = reasons.into_keys().collect();
    assert_eq!(
        seen,
        [
            "delete by query",
            "incomplete request",
            "items differ",
            "no answer",
            "no sequence number",
            "overlaps deletion",
            "pipeline",
            "refused midway",
            "server error",
            "unreadable body",
            "update",
            "update by query",
        ]
    );
}

/// The simulation is worth something only if it notices a replayer that does it wrong. `first`: a seed not long before
/// the first that does.
fn is_noticed(first: u64, mistakes: Mistakes) {
    let noticed = (first..20_000).find(|seed| run(*seed, mistakes).is_err());
    println!("{mistakes:?} noticed with seed {noticed:?}");
    assert!(noticed.is_some(), "{mistakes:?}");
}

#[test]
fn a_failing_history_shrinks_to_what_it_takes() {
    let mistakes = Mistakes { drops_doubts: true, ..Mistakes::default() };
    let seed = (1..1_000).find(|seed| run(*seed, mistakes).is_err()).unwrap();
    let shrunk = shrink(seed, mistakes).unwrap();
    // A doubt, and perhaps what made the document that it is about.
    assert!((1..=2).contains(&shrunk.numbers.len()), "{shrunk:?}");
    run_some(seed, &shrunk.numbers, shrunk.interleaving, mistakes).unwrap_err();
    run_some(seed, &shrunk.numbers, shrunk.interleaving, Mistakes::default()).unwrap();
    println!("{}", told(seed, &shrunk.difference, mistakes));
}

#[test]
fn dropped_doubts_are_noticed() {
    is_noticed(1, Mistakes { drops_doubts: true, ..Mistakes::default() });
}

#[test]
fn doubts_read_early_are_noticed() {
    is_noticed(1200, Mistakes { reads_doubts_early: true, ..Mistakes::default() });
}

#[test]
fn ignored_overlaps_are_noticed() {
    is_noticed(200, Mistakes { ignores_overlaps: true, ..Mistakes::default() });
}

#[test]
fn a_source_read_before_the_target_is_noticed() {
    is_noticed(6800, Mistakes { reads_the_source_first: true, ..Mistakes::default() });
}

#[test]
fn doubts_read_at_once_are_noticed() {
    is_noticed(3300, Mistakes { reads_at_once: true, ..Mistakes::default() });
}

#[test]
fn sweep_marks_kept_over_a_deletion_are_noticed() {
    is_noticed(1, Mistakes { keeps_sweep_marks: true, ..Mistakes::default() });
}

#[test]
fn forgotten_deletes_are_noticed() {
    is_noticed(1200, Mistakes { forgets_deletes: true, ..Mistakes::default() });
}

#[test]
fn ignored_deletions_in_doubt_are_noticed() {
    is_noticed(1, Mistakes { ignores_uncertain_deletions: true, ..Mistakes::default() });
}

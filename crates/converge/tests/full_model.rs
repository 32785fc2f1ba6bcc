//! A million random histories: what the replayer makes of each is what the source has.
//!
//! Takes six minutes of CPU where the build is optimised, as `./test --full` has it
//! ([measured](../../../benches/results/2026-11-29-histories.md)), and eight times that otherwise.
//! `CONVERGE_HISTORIES` and `CONVERGE_SEED` as in `model.rs`.

#![allow(unreachable_pub, dead_code)] // one test binary of several files
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod simulated;

use simulated::replay::{Mistakes, run};
use simulated::shrink::told;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn a_million_histories_end_equal() {
    let first = setting("CONVERGE_SEED", 1);
    let histories = setting("CONVERGE_HISTORIES", 1_000_000);
    println!("seeds {first} to {}", first + histories - 1);
    let workers = (0..2).map(|half| {
        std::thread::spawn(move || {
            for seed in (first..first + histories).skip(half).step_by(2) {
                let ended = run(seed, Mistakes::default());
                ended.unwrap_or_else(|difference| {
                    panic!("{}", told(seed, &difference, Mistakes::default()))
                });
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    workers.into_iter().for_each(|worker| worker.join().expect("every history converges"));
}

//! The least of a failing history that fails too.

use super::history::Captured;
use super::replay::{Mistakes, planned, run_some};

/// Fewer exchanges are interleaved in another way: so many ways are tried before what was taken out counts as needed.
const INTERLEAVINGS: u64 = 300;

/// What is left of a history.
#[derive(Debug)]
pub struct Shrunk {
    /// Numbers of its exchanges.
    pub numbers: Vec<usize>,
    /// The seed that interleaves them so that it fails.
    pub interleaving: u64,
    pub difference: String,
    pub exchanges: Vec<Captured>,
}

/// Takes exchanges out of a history that fails, half of them, a quarter, …, one, as long as it still fails in some
/// interleaving; `None` when even the whole only fails in its own.
pub fn shrink(seed: u64, mistakes: Mistakes) -> Option<Shrunk> {
    let all = planned(seed).0.captured;
    let mut numbers: Vec<usize> = (0..all.len()).collect();
    let (mut interleaving, mut difference) = fails(seed, &numbers, mistakes)?;
    let mut size = numbers.len().div_ceil(2);
    loop {
        let mut from = 0;
        while from < numbers.len() {
            let fewer: Vec<usize> = numbers
                .iter()
                .enumerate()
                .filter(|(place, _)| !(from..from + size).contains(place))
                .map(|(_, number)| *number)
                .collect();
            match fails(seed, &fewer, mistakes) {
                Some(found) => {
                    numbers = fewer;
                    (interleaving, difference) = found;
                }
                None => from += size,
            }
        }
        if size == 1 {
            let exchanges = numbers.iter().map(|number| all[*number].clone()).collect();
            return Some(Shrunk { numbers, interleaving, difference, exchanges });
        }
        size = size.div_ceil(2);
    }
}

fn fails(seed: u64, numbers: &[usize], mistakes: Mistakes) -> Option<(u64, String)> {
    (0..INTERLEAVINGS).find_map(|interleaving| {
        let ended = run_some(seed, numbers, interleaving, mistakes);
        ended.err().map(|difference| (interleaving, difference))
    })
}

/// Whatever can be said of a seed that fails.
pub fn told(seed: u64, difference: &str, mistakes: Mistakes) -> String {
    match shrink(seed, mistakes) {
        Some(Shrunk { numbers, interleaving, difference: least, exchanges }) => format!(
            "seed {seed}: {difference}; exchanges {numbers:?} of it, interleaved by {interleaving}, are enough: {least}\n{exchanges:#?}"
        ),
        None => format!("seed {seed}: {difference}; in no other interleaving"),
    }
}

//! Work on many items at the same time.

use std::{num::NonZero, panic, thread};

/// Items for which another thread isn't worth its start.
const FEW: usize = 64;
const MOST_THREADS: usize = 8;

/// What `work` makes of each, in order; on as many cores as there are.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    if cores == 1 || items.len() < FEW {
        return items.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(cores));
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let joined = parts.into_iter().flat_map(|part| match part.join() {
            Ok(made) => made,
            Err(panicked) => panic::resume_unwind(panicked),
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn the_order_stays() {
        for count in [0, 1, 63, 64, 1001] {
            let items: Vec<usize> = (0..count).collect();
            let made = each(&items, |item| item * 2);
            assert_eq!(made, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}

//! How long the oldest record has waited.

use std::time::{Duration, Instant};

/// Looks at how far each partition is ([`Appender::progress`](crate::Appender::progress)), again and again. Records of a partition are acknowledged in order: one that had
/// been taken at a look is acknowledged when as many are.
#[derive(Debug)]
pub struct Stall {
    /// By partition: how many had been taken when it was last seen to have caught up with that, and when.
    marks: Vec<(u64, Instant)>,
}

impl Stall {
    /// Begins to look.
    pub fn new(progress: &[(u64, u64)], now: Instant) -> Self {
        Self { marks: progress.iter().map(|(taken, _)| (*taken, now)).collect() }
    }

    /// The age of the oldest record that isn't acknowledged: at least this, and less than the time between two looks more.
    /// `progress`: by partition, how many records were taken and how many of them are done with.
    pub fn age(&mut self, progress: &[(u64, u64)], now: Instant) -> Duration {
        let mut oldest = Duration::ZERO;
        for ((mark, since), (taken, settled)) in self.marks.iter_mut().zip(progress) {
            if settled >= mark {
                (*mark, *since) = (*taken, now);
            } else {
                oldest = oldest.max(now.saturating_duration_since(*since));
            }
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_goes_on_does_not_hide_one_that_stands() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut stall = Stall::new(&[(0, 0), (0, 0)], start);
        assert_eq!(stall.age(&[(5, 0), (5, 5)], at(10)), Duration::ZERO);
        // The second moves on, the first doesn't.
        assert_eq!(stall.age(&[(8, 3), (100, 90)], at(60)), Duration::from_millis(50));
        assert_eq!(stall.age(&[(8, 4), (500, 400)], at(110)), Duration::from_millis(100));
        // Caught up with what was there; what came since is younger.
        assert_eq!(stall.age(&[(9, 5), (500, 500)], at(160)), Duration::ZERO);
        assert_eq!(stall.age(&[(9, 5), (500, 500)], at(170)), Duration::from_millis(10));
    }

    #[test]
    fn a_topic_at_rest_is_not_slow() {
        let start = Instant::now();
        let mut stall = Stall::new(&[(7, 7)], start);
        for seconds in 1..5 {
            assert_eq!(stall.age(&[(7, 7)], start + Duration::from_secs(seconds)), Duration::ZERO);
        }
    }
}

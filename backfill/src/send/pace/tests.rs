use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::*;

/// A target that works on all requests at once, each with at most its share of one core, and refuses
/// more than it can queue.
struct Target {
    bytes_per_second: f64,
    cores: u32,
    /// What each request costs besides its bytes, seconds.
    each: f64,
    queue: usize,
    /// How unevenly it works: the share by which its speed changes from one tenth of a second to the next.
    uneven: f64,
    random: StdRng,
    /// What is left of each request: seconds of waiting, bytes, and its size and beginning.
    working: Vec<(f64, f64, usize, f64)>,
}

/// One run against a target: what was taken and how often it refused.
struct Run {
    pace: Pace,
    now: f64,
    taken: f64,
    refused: u32,
}

const STEP: f64 = 0.005;

impl Run {
    fn new(limits: Limits) -> Self {
        Self { pace: Pace::new(limits), now: 0.0, taken: 0.0, refused: 0 }
    }

    /// Sends as much as the pace allows for `seconds`; returns the bytes taken each second.
    fn send(&mut self, target: &mut Target, seconds: f64) -> f64 {
        let (end, before) = (self.now + seconds, self.taken);
        let (mut speed, mut tenth) = (1.0, 0);
        while self.now < end {
            if (self.now * 10.0) as u64 != tenth {
                tenth = (self.now * 10.0) as u64;
                speed = 1.0 + target.uneven * target.random.random_range(-1.0..=1.0);
            }
            let mut refused = 0;
            while refused == 0 && self.pace.begin() {
                if target.working.len() >= target.queue {
                    refused += 1;
                    continue;
                }
                let batch = self.pace.batch_bytes();
                target.working.push((target.each, batch as f64, batch, self.now));
            }
            self.now += STEP;
            let clock = Duration::from_secs_f64(self.now);
            for _ in 0..refused {
                self.refused += 1;
                self.pace.end(clock, Answer::Refused);
            }
            let busy = target.working.iter().filter(|work| work.0 <= 0.0).count().max(1);
            let share = (target.bytes_per_second / busy as f64)
                .min(target.bytes_per_second / f64::from(target.cores));
            for work in &mut target.working {
                match work.0 > 0.0 {
                    true => work.0 -= STEP,
                    false => work.1 -= share * speed * STEP,
                }
            }
            for done in target.working.extract_if(.., |work| work.1 <= 0.0) {
                self.taken += done.2 as f64;
                let took = Duration::from_secs_f64(self.now - done.3);
                self.pace.end(clock, Answer::Taken { bytes: done.2, took });
            }
        }
        (self.taken - before) / seconds
    }
}

/// The most that any pace within the limits could get out of it.
fn reachable(target: &Target, limits: Limits) -> f64 {
    let most = f64::from(limits.most_connections.min(target.queue as u32));
    let batch = limits.most_batch as f64;
    let alone = batch / (target.each + batch * f64::from(target.cores) / target.bytes_per_second);
    target.bytes_per_second.min(alone * most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_comes_near_what_the_target_can_do_and_recovers(
        megabytes in 5.0..200.0f64,
        cores in 1u32..12,
        each in 0.001..0.1f64,
        queue in 2usize..40,
    ) {
        let limits = Limits::default();
        let mut target = Target {
            bytes_per_second: megabytes * 1e6,
            cores,
            each,
            queue,
            uneven: 0.0,
            random: StdRng::seed_from_u64(queue as u64),
            working: Vec::new(),
        };
        let mut run = Run::new(limits);
        run.send(&mut target, 120.0);
        let before = run.refused;
        let reached = run.send(&mut target, 120.0);
        let could = reachable(&target, limits);
        prop_assert!(reached > 0.7 * could, "{reached:.0} of {could:.0} with {:?}", run.pace);
        prop_assert!(run.refused - before < 240, "{} refusals", run.refused - before);

        // Something else loads the target, and then no longer.
        target.bytes_per_second /= 3.0;
        run.send(&mut target, 120.0);
        let reached = run.send(&mut target, 60.0);
        let could = reachable(&target, limits);
        prop_assert!(reached > 0.7 * could, "loaded: {reached:.0} of {could:.0}");
        target.bytes_per_second *= 3.0;
        run.send(&mut target, 240.0);
        let reached = run.send(&mut target, 60.0);
        let could = reachable(&target, limits);
        prop_assert!(reached > 0.7 * could, "again: {reached:.0} of {could:.0} {:?}", run.pace);

        // No real target works evenly: chance must not lead it astray.
        target.uneven = 0.8;
        run.send(&mut target, 120.0);
        let reached = run.send(&mut target, 120.0);
        prop_assert!(reached > 0.6 * could, "uneven: {reached:.0} of {could:.0} {:?}", run.pace);
    }

    #[test]
    fn it_stays_within_its_limits_whatever_comes(
        answers in proptest::collection::vec((0u8..5, 0u64..30_000, any::<u32>()), 0..400),
    ) {
        let limits = Limits {
            least_connections: 2,
            most_connections: 9,
            most_in_flight: 20 << 20,
            ..Limits::default()
        };
        let mut pace = Pace::new(limits);
        let mut now = Duration::ZERO;
        for (kind, after, bytes) in answers {
            while pace.begin() {}
            now += Duration::from_millis(after);
            let (bytes, took) = (bytes as usize, Duration::from_millis(after));
            pace.end(now, match kind {
                0 => Answer::Refused,
                1 => Answer::Silent,
                2 => Answer::TooLarge { bytes },
                3 => Answer::Neutral,
                _ => Answer::Taken { bytes, took },
            });
            prop_assert!((2..=9).contains(&pace.connections()));
            prop_assert!(pace.batch_bytes() >= 1 && pace.batch_bytes() <= limits.most_batch);
            let in_flight = pace.batch_bytes() * pace.connections() as usize;
            prop_assert!(in_flight <= limits.most_in_flight);
        }
    }
}

#[test]
fn a_slow_reader_is_not_taken_for_a_slow_target() {
    let mut pace = Pace::new(Limits::default());
    let begun = pace.connections();
    for second in 1..200 {
        assert!(pace.begin());
        let took = Duration::from_millis(10);
        pace.end(Duration::from_secs(second), Answer::Taken { bytes: 1 << 20, took });
    }
    assert_eq!(pace.connections(), begun);
}

#[test]
fn one_refused_flight_is_one_cut() {
    let mut pace = Pace::new(Limits { least_connections: 10, ..Limits::default() });
    pace.limits.least_connections = 1;
    while pace.begin() {}
    for _ in 0..10 {
        pace.end(Duration::from_secs(1), Answer::Refused);
    }
    assert_eq!(pace.connections(), 7);
}

#[test]
fn too_large_lowers_the_ceiling_for_good() {
    let mut pace = Pace::new(Limits::default());
    assert!(pace.begin());
    pace.end(Duration::from_secs(1), Answer::TooLarge { bytes: 100 << 10 });
    assert_eq!(pace.batch_bytes(), 50 << 10);
}

#[test]
fn two_connections_are_not_given_up_for_a_trial() {
    let mut pace = Pace::new(Limits { most_connections: 2, ..Limits::default() });
    for tenth in 1..2000 {
        while pace.begin() {}
        let took = Duration::from_millis(100);
        pace.end(tenth * took, Answer::Taken { bytes: 2 << 20, took });
        assert_eq!(pace.connections(), 2);
    }
}

//! How many requests may be on their way to the target at once: fewer when it says that it has too much to do, or
//! takes longer and longer; more again when it has recovered. No I/O and no clock: times are passed in.

use std::time::Duration;

use codec::reads::Class;
use tokio::time::Instant;

/// What a refusal leaves of the requests at once, and what a climb does.
const AFTER_REFUSAL: f64 = 0.7;
const AFTER_CLIMB: f64 = 0.85;
/// Latencies are compared over at least so long, and so many answers.
const WINDOW: Duration = Duration::from_secs(1);
const ANSWERS: usize = 50;
/// Of a class in a window, to have a p99 at all; and kept at most.
const SAMPLES: usize = 20;
const KEPT: usize = 4096;
/// The p99 has climbed when it is so many times the usual one, and above the least that matters.
const CLIMB: f64 = 4.0;
const MATTERS: Duration = Duration::from_millis(50);
/// Windows in a row that have to be so, and after which it is the usual one.
const CONFIRMED: u32 = 2;
const ACCEPTED: u32 = 15;

/// Why there may be fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slowing {
    Refused,
    Climbing,
}

impl Slowing {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Climbing => "latency",
        }
    }
}

/// A new number of requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) allowed: usize,
    /// `None`: there may be more.
    pub(crate) slowing: Option<Slowing>,
}

#[derive(Debug)]
pub(crate) struct Circuit {
    most: usize,
    allowed: usize,
    /// What was sent before the last cut says nothing of how it is since.
    cut: Option<Instant>,
    since: Option<Instant>,
    answers: usize,
    refused: bool,
    classes: [OfClass; Class::ALL.len()],
    climbing: u32,
}

#[derive(Debug, Default)]
struct OfClass {
    samples: Vec<f32>,
    /// The p99 as it usually is, in seconds.
    usual: Option<f64>,
}

impl Circuit {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            allowed: most,
            cut: None,
            since: None,
            answers: 0,
            refused: false,
            classes: Default::default(),
            climbing: 0,
        }
    }

    /// The target has too much to do, it says to what was sent at `sent`.
    pub(crate) fn refused(&mut self, sent: Instant, now: Instant) -> Option<Change> {
        self.refused = true;
        if self.cut.is_some_and(|cut| sent < cut) {
            return None;
        }
        self.reduce(AFTER_REFUSAL, Slowing::Refused, now)
    }

    /// It has answered something else.
    pub(crate) fn answered(&mut self, class: Class, sent: Instant, now: Instant) -> Option<Change> {
        let since = *self.since.get_or_insert(now);
        self.answers += 1;
        let samples = &mut self.classes[class as usize].samples;
        if samples.len() < KEPT {
            samples.push(now.saturating_duration_since(sent).as_secs_f32());
        }
        if now.saturating_duration_since(since) < WINDOW || self.answers < ANSWERS {
            return None;
        }
        let climbs = self.compare();
        let refused = std::mem::take(&mut self.refused);
        (self.since, self.answers) = (Some(now), 0);
        self.climbing = if climbs { self.climbing + 1 } else { 0 };
        match () {
            () if self.climbing >= CONFIRMED => self.reduce(AFTER_CLIMB, Slowing::Climbing, now),
            () if climbs || refused || self.allowed >= self.most => None,
            () => {
                self.allowed = (self.allowed + (self.most / 16).max(1)).min(self.most);
                Some(Change { allowed: self.allowed, slowing: None })
            }
        }
    }

    /// Whether a class takes much longer than usual; learns what is usual.
    fn compare(&mut self) -> bool {
        let accepted = self.climbing >= ACCEPTED;
        let mut climbs = false;
        for class in &mut self.classes {
            let Some(p99) = p99(&mut class.samples) else { continue };
            class.samples.clear();
            let usual = *class.usual.get_or_insert(p99);
            if !accepted && p99 > usual * CLIMB && p99 > MATTERS.as_secs_f64() {
                climbs = true;
            } else {
                class.usual = Some(if accepted { p99 } else { usual * 0.9 + p99 * 0.1 });
            }
        }
        climbs
    }

    fn reduce(&mut self, to: f64, slowing: Slowing, now: Instant) -> Option<Change> {
        self.cut = Some(now);
        let allowed = ((self.allowed as f64 * to) as usize).max(1);
        if allowed == self.allowed {
            return None;
        }
        self.allowed = allowed;
        Some(Change { allowed, slowing: Some(slowing) })
    }
}

fn p99(samples: &mut [f32]) -> Option<f64> {
    if samples.len() < SAMPLES {
        return None;
    }
    let at = (samples.len() * 99 / 100).min(samples.len() - 1);
    let (_, found, _) = samples.select_nth_unstable_by(at, f32::total_cmp);
    Some(f64::from(*found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of one window, each of which took so long. The first of all begins it.
    fn window(circuit: &mut Circuit, now: &mut Instant, took: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        if circuit.since.is_none() {
            changes.extend(circuit.answered(Class::Search, *now - took, *now));
        }
        for _ in 0..50 {
            *now += Duration::from_millis(20);
            changes.extend(circuit.answered(Class::Search, *now - took, *now));
        }
        changes
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_one_moment_cut_once_and_it_recovers() {
        let (mut circuit, mut now) = (Circuit::new(64), Instant::now());
        let sent = now;
        now += Duration::from_millis(5);
        let expected = Change { allowed: 44, slowing: Some(Slowing::Refused) };
        assert_eq!(circuit.refused(sent, now), Some(expected));
        assert_eq!(circuit.refused(sent, now), None, "it was sent before the cut");
        assert_eq!(circuit.refused(now, now).unwrap().allowed, 30);
        let mut grown = Vec::new();
        for _ in 0..20 {
            grown.extend(window(&mut circuit, &mut now, Duration::from_millis(10)));
        }
        assert!(grown.iter().all(|change| change.slowing.is_none()));
        assert_eq!(grown.last().unwrap().allowed, 64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_latency_that_climbs_cuts_until_it_is_the_usual_one() {
        let (mut circuit, mut now) = (Circuit::new(64), Instant::now());
        for _ in 0..10 {
            assert_eq!(window(&mut circuit, &mut now, Duration::from_millis(20)), []);
        }
        let slow = Duration::from_millis(200);
        assert_eq!(window(&mut circuit, &mut now, slow), [], "once is nothing");
        let change = window(&mut circuit, &mut now, slow);
        assert_eq!(change, [Change { allowed: 54, slowing: Some(Slowing::Climbing) }]);
        let mut last = 54;
        for _ in 0..60 {
            for change in window(&mut circuit, &mut now, slow) {
                last = change.allowed;
            }
        }
        assert_eq!(last, 64, "it is how the target is now");
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_always_one() {
        let (mut circuit, mut now) = (Circuit::new(2), Instant::now());
        for _ in 0..5 {
            now += Duration::from_secs(1);
            circuit.refused(now, now);
        }
        assert_eq!(circuit.allowed, 1);
    }
}

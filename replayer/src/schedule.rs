//! When a request goes out: the source's times mapped to ours, `start + (t − t0) / speedup`; and what may change
//! of it while it runs: pause, resume, another pace.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{indices::now, settings::Pace};

/// The first request waits, so that those that follow it are ready too.
const WARM_UP: Duration = Duration::from_millis(500);
/// What may be read ahead of its moment at once; and how many times faster than the replay the rest of it is, lest
/// reading take the time that sending needs.
const AHEAD: Duration = Duration::from_secs(2);
const AHEAD_FASTER: u32 = 2;

/// The clock of a replay. One for all connections; [`crate::pacer`] keeps to it.
#[derive(Debug)]
pub(crate) struct Schedule {
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    paused: bool,
    /// A moment of the source, and ours that it is replayed at. Moved at every change, so that nothing jumps.
    origin: Option<Origin>,
    /// The last place that was taken in a fixed rate.
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    source: u64,
    here: Instant,
}

/// How a replay goes at the moment, for people.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Going {
    pub(crate) paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speedup: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
}

impl Schedule {
    pub(crate) fn new(pace: Pace) -> Self {
        let state = State { pace, paused: false, origin: None, last: None };
        Self { state: Mutex::new(state), changes: watch::Sender::new(()) }
    }

    /// Whether every request may go at once.
    pub(crate) fn is_free(&self) -> bool {
        let state = self.state.lock();
        state.pace == Pace::Free && !state.paused
    }

    /// When a request goes out that the source received at `at` (nanoseconds) and that could go from `ready` on.
    /// `None` while paused.
    pub(crate) fn moment(&self, at: u64, ready: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        if state.paused {
            return None;
        }
        Some(match state.pace {
            Pace::Free => ready.max(Instant::now()),
            // Places that nobody could take are gone: what was stalled doesn't come back as a burst.
            Pace::Rate(rate) => state
                .last
                .map_or(ready, |last| ready.max(last + Duration::from_secs_f64(1.0 / rate))),
            Pace::Speedup(factor) => {
                let first = || Origin { source: at, here: Instant::now() + WARM_UP };
                state.origin.get_or_insert_with(first).due(at, factor)
            }
        })
    }

    /// A request takes its moment.
    pub(crate) fn take(&self, moment: Instant) {
        let mut state = self.state.lock();
        if let Pace::Rate(_) = state.pace {
            state.last = Some(moment);
        }
    }

    /// Up to which time of the source the journal may be read now; `None`: as far as bytes allow.
    pub(crate) fn horizon(&self) -> Option<u64> {
        let state = self.state.lock();
        let (Pace::Speedup(factor), Some(origin)) = (state.pace, state.origin) else { return None };
        let since = match state.paused {
            true => Duration::ZERO,
            false => Instant::now().saturating_duration_since(origin.here),
        };
        let ahead = (AHEAD + since * AHEAD_FASTER).mul_f64(factor).as_nanos();
        Some(origin.source.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX)))
    }

    /// How late a request is that the source received at `at`; nothing while paused, or without a rhythm.
    pub(crate) fn late(&self, at: u64) -> Duration {
        let state = self.state.lock();
        match (state.pace, state.origin) {
            (Pace::Speedup(factor), Some(origin)) if !state.paused => {
                Instant::now().saturating_duration_since(origin.due(at, factor))
            }
            _ => Duration::ZERO,
        }
    }

    // === at run time

    /// Nothing more goes out until [`Schedule::resume`].
    pub(crate) fn pause(&self) {
        self.change(|state| {
            state.anchor();
            state.paused = true;
        });
    }

    /// Goes on where it was paused.
    pub(crate) fn resume(&self) {
        self.change(|state| {
            if !std::mem::take(&mut state.paused) {
                return;
            }
            let now = Instant::now();
            state.last = Some(now);
            if let Some(origin) = &mut state.origin {
                origin.here = now;
            }
        });
    }

    /// Goes on at another pace from where it is.
    pub(crate) fn set(&self, pace: Pace) {
        self.change(|state| {
            state.anchor();
            if !matches!((state.pace, pace), (Pace::Speedup(_), Pace::Speedup(_))) {
                state.origin = None;
            }
            (state.pace, state.last) = (pace, Some(Instant::now()));
        });
    }

    /// How it goes now.
    pub(crate) fn going(&self) -> Going {
        let State { pace, paused, .. } = &*self.state.lock();
        let (speedup, rate) = match *pace {
            Pace::Free => (Some(0.0), None),
            Pace::Speedup(factor) => (Some(factor), None),
            Pace::Rate(rate) => (None, Some(rate)),
        };
        Going { paused: *paused, speedup, rate }
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changes.send_replace(());
    }
}

impl Origin {
    /// The moment of what the source received at `at`. A replay that is faster than the source and has caught up with it
    /// isn't late for what wasn't there to be sent yet.
    fn due(self, at: u64, factor: f64) -> Instant {
        let since = Duration::from_nanos(at.saturating_sub(self.source)).div_f64(factor);
        let planned = self.here + since;
        // A source whose clock is ahead of ours is never waited for.
        let age = Duration::from_nanos(now().saturating_sub(at));
        Instant::now().checked_sub(age).map_or(planned, |received| received.max(planned))
    }
}

impl State {
    /// Moves the origin to where the replay is now.
    fn anchor(&mut self) {
        let (Pace::Speedup(factor), Some(origin), false) =
            (self.pace, &mut self.origin, self.paused)
        else {
            return;
        };
        let now = Instant::now();
        let passed = now.saturating_duration_since(origin.here).mul_f64(factor).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        *origin = Origin { source: origin.source.saturating_add(passed), here: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn after(start: Instant, millis: u64) -> Option<Instant> {
        Some(start + Duration::from_millis(millis))
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_compressed_by_the_speedup() {
        let schedule = Schedule::new(Pace::Speedup(4.0));
        let start = Instant::now() + WARM_UP;
        assert_eq!(schedule.moment(SECOND, start), Some(start));
        assert_eq!(schedule.moment(3 * SECOND, start), after(start, 500));
        // What began before the first goes at once.
        assert_eq!(schedule.moment(500, start), Some(start));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_has_no_bursts() {
        let schedule = Schedule::new(Pace::Rate(10.0));
        let start = Instant::now();
        for expected in [0, 100, 200] {
            let moment = schedule.moment(7, start).unwrap();
            assert_eq!(Some(moment), after(start, expected));
            schedule.take(moment);
        }
        let late = start + Duration::from_secs(60);
        assert_eq!(schedule.moment(7, late), Some(late));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_moves_all_that_follows() {
        let schedule = Schedule::new(Pace::Speedup(1.0));
        let start = Instant::now() + WARM_UP;
        schedule.moment(0, start);
        tokio::time::advance(WARM_UP).await;
        tokio::time::advance(Duration::from_secs(2)).await;
        schedule.pause();
        assert_eq!(schedule.moment(3 * SECOND, start), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(schedule.late(0), Duration::ZERO);
        schedule.set(Pace::Speedup(2.0));
        schedule.pause();
        schedule.resume();
        // One second of the source is left, at twice its pace.
        assert_eq!(schedule.moment(3 * SECOND, start), after(start, 12_500));
        let going = Going { paused: false, speedup: Some(2.0), rate: None };
        assert_eq!(schedule.going(), going);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replay_that_has_caught_up_is_not_late() {
        let schedule = Schedule::new(Pace::Speedup(10.0));
        let began = now() - 100 * SECOND;
        let start = schedule.moment(began, Instant::now()).unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        // Planned for 10 s after the start, and received just now.
        assert!(schedule.moment(now(), start).unwrap() + Duration::from_secs(1) > Instant::now());
        assert!(schedule.late(now()) < Duration::from_secs(1));
        // What the source received five seconds ago could have gone then.
        assert!(schedule.late(now() - 5 * SECOND) > Duration::from_secs(4));
        // A source whose clock is ahead isn't waited for.
        assert!(schedule.moment(now() + 60 * SECOND, start).unwrap() <= Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_ahead_grows_with_time() {
        let schedule = Schedule::new(Pace::Speedup(2.0));
        assert_eq!(schedule.horizon(), None);
        schedule.moment(SECOND, Instant::now());
        assert_eq!(schedule.horizon(), Some(5 * SECOND));
        tokio::time::advance(WARM_UP + Duration::from_secs(3)).await;
        assert_eq!(schedule.horizon(), Some(17 * SECOND));
        schedule.set(Pace::Free);
        assert_eq!(schedule.horizon(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_speed_goes_on_from_here() {
        let schedule = Schedule::new(Pace::Speedup(1.0));
        let start = Instant::now() + WARM_UP;
        schedule.moment(0, start);
        tokio::time::advance(WARM_UP).await;
        tokio::time::advance(Duration::from_secs(4)).await;
        schedule.set(Pace::Speedup(8.0));
        assert_eq!(schedule.moment(12 * SECOND, start), after(start, 5_000));
        assert_eq!(schedule.late(2 * SECOND), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(schedule.late(12 * SECOND), Duration::from_secs(2));
        schedule.set(Pace::Rate(1.0));
        assert_eq!(schedule.late(12 * SECOND), Duration::ZERO);
    }
}

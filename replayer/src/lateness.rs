//! Requests that go out after their moment: by how much, and what kept them.
//!
//! A replay that falls behind more and more will never be caught up, and whoever runs it needs to know where to help:
//! so each late request names what it waited for last, and a lag that only grows is said aloud with its cause.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// What a late request waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The journal had it, or the word that nothing older is to come, only after its moment.
    Journal,
    /// A reading of what is in doubt, from the source.
    SourceReads,
    /// What goes before it was still on its way to the target.
    Target,
    /// Nothing: this process had too much else to do.
    Cpu,
}

pub(crate) const CAUSES: [Cause; 4] =
    [Cause::Journal, Cause::SourceReads, Cause::Target, Cause::Cpu];

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::SourceReads => "source reads",
            Self::Target => "target",
            Self::Cpu => "cpu",
        }
    }

    /// Where to help.
    fn advice(self) -> &'static str {
        match self {
            Self::Journal => "the journal is written or read more slowly than it is replayed",
            Self::SourceReads => {
                "what is in doubt takes long to read: see --source-rate, and which doubts there are"
            }
            Self::Target => {
                "the target is slower than the source was, or --target-connections too few"
            }
            Self::Cpu => "this machine has too few cores for the pace",
        }
    }
}

/// What a request has gone through on its way to its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stations {
    /// Read from the journal with its answer.
    pub(crate) entered: Instant,
    /// No other request that it has to follow is left.
    pub(crate) ready: Instant,
    /// Its connection is free.
    pub(crate) turn: Instant,
    /// It did have to follow one.
    pub(crate) waited: bool,
    /// Doubts were being read from the source when it became ready.
    pub(crate) reading: bool,
    /// When reading the journal was last held up by what is on its way.
    pub(crate) full: Option<Instant>,
}

impl Stations {
    /// Why a request goes out after `moment`.
    pub(crate) fn cause(&self, moment: Instant) -> Cause {
        let was_full = self.full.is_some_and(|full| full >= moment);
        let from_journal = if was_full { Cause::Target } else { Cause::Journal };
        match () {
            () if self.turn <= moment => Cause::Cpu,
            () if self.entered > moment => from_journal,
            () if self.ready <= moment => Cause::Target,
            () if !self.waited => from_journal,
            () if self.reading => Cause::SourceReads,
            () => Cause::Target,
        }
    }
}

/// Seconds of growth after which a lag is reported, and between reports.
const GROWING: usize = 15;
/// Less is no lag.
const LEAST: Duration = Duration::from_secs(2);

/// Watches the lag, second by second.
#[derive(Debug, Default)]
pub(crate) struct Lateness(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// Since the last look.
    worst: Option<Duration>,
    by_cause: [Duration; CAUSES.len()],
    /// One a second.
    lags: VecDeque<Duration>,
    /// In each of these seconds, by cause.
    causes: VecDeque<[Duration; CAUSES.len()]>,
}

/// A lag that has only grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growing {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) cause: Cause,
}

impl Growing {
    pub(crate) fn tell(&self) {
        tracing::warn!(
            lag_seconds = self.to.as_secs_f64(),
            before_seconds = self.from.as_secs_f64(),
            cause = self.cause.as_str(),
            advice = self.cause.advice(),
            "the replay falls behind its schedule more and more"
        );
    }
}

impl Lateness {
    /// A request went out this late.
    pub(crate) fn note(&self, late: Duration, cause: Cause) {
        let mut watched = self.0.lock();
        watched.worst = watched.worst.max(Some(late));
        watched.by_cause[cause as usize] += late;
    }

    /// Called each second. `waiting`: how late the oldest request is that hasn't gone out, with what keeps it.
    /// Gives the lag, and whether it has only grown for too long.
    pub(crate) fn look(&self, waiting: Option<(Duration, Cause)>) -> (Duration, Option<Growing>) {
        let mut watched = self.0.lock();
        if let (None, Some((late, cause))) = (watched.worst, waiting) {
            watched.by_cause[cause as usize] += late;
        }
        let lag = watched.worst.max(waiting.map(|(late, _)| late)).unwrap_or_default();
        let causes = std::mem::take(&mut watched.by_cause);
        watched.worst = None;
        if watched.lags.back().is_some_and(|before| lag < *before) {
            watched.lags.clear();
            watched.causes.clear();
        }
        watched.lags.push_back(lag);
        watched.causes.push_back(causes);
        let first = watched.lags.front().copied().unwrap_or_default();
        let grows = watched.lags.len() > GROWING && lag > LEAST && lag > first;
        if !grows {
            if watched.lags.len() > GROWING {
                watched.lags.pop_front();
                watched.causes.pop_front();
            }
            return (lag, None);
        }
        let total =
            |cause: &Cause| watched.causes.iter().map(|of| of[*cause as usize]).sum::<Duration>();
        let cause = CAUSES.into_iter().max_by_key(total).unwrap_or(Cause::Cpu);
        watched.lags.clear();
        watched.causes.clear();
        (lag, Some(Growing { from: first, to: lag, cause }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_lag_that_only_grows_is_reported_with_its_cause() {
        let lateness = Lateness::default();
        let mut reported = Vec::new();
        for second in 0..=GROWING as u64 {
            lateness.note(seconds(1 + second), Cause::Target);
            lateness.note(seconds(1), Cause::Cpu);
            reported.extend(lateness.look(None).1);
        }
        let to = seconds(1 + GROWING as u64);
        assert_eq!(reported, [Growing { from: seconds(1), to, cause: Cause::Target }]);
    }

    #[test]
    fn one_that_comes_and_goes_is_not() {
        let lateness = Lateness::default();
        for second in 0..100 {
            lateness.note(seconds(3 + second % 10), Cause::Target);
            assert_eq!(lateness.look(None), (seconds(3 + second % 10), None));
        }
        // Nor one that stands.
        for _ in 0..100 {
            assert_eq!(lateness.look(Some((seconds(5), Cause::Cpu))), (seconds(5), None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_station_after_the_moment_is_the_cause() {
        let start = Instant::now();
        let at = |second| start + seconds(second);
        let on_time = Stations {
            entered: at(1),
            ready: at(2),
            turn: at(3),
            waited: false,
            reading: false,
            full: None,
        };
        assert_eq!(on_time.cause(at(3)), Cause::Cpu);
        assert_eq!(on_time.cause(at(2)), Cause::Target);
        assert_eq!(on_time.cause(at(1)), Cause::Journal);
        assert_eq!(on_time.cause(at(0)), Cause::Journal);
        assert_eq!(Stations { full: Some(at(1)), ..on_time }.cause(at(0)), Cause::Target);
        let waited = Stations { waited: true, ..on_time };
        assert_eq!(waited.cause(at(1)), Cause::Target);
        assert_eq!(Stations { reading: true, ..waited }.cause(at(1)), Cause::SourceReads);
    }
}

//! How many requests at once, and how large each: found from the target's answers.
//!
//! Three things move it. A *trial* changes one of the two numbers for a while and keeps the change only
//! when more bytes a second are taken (or, for fewer connections, no fewer). A *refusal* (429, no
//! answer) cuts the connections at once, or the request's size when there is only the least left. An
//! answer that took very long cuts the size. No I/O and no clock: time is passed in.

use std::time::Duration;

/// Between what the two numbers may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub least_connections: u32,
    pub most_connections: u32,
    pub least_batch: usize,
    pub first_batch: usize,
    pub most_batch: usize,
    /// All connections' requests together, bytes: what they hold in memory at once.
    pub most_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            least_connections: 1,
            most_connections: 16,
            least_batch: 256 << 10,
            first_batch: 2 << 20,
            most_batch: 16 << 20,
            most_in_flight: 128 << 20,
        }
    }
}

/// What came back for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// So many bytes were dealt with for good.
    Taken { bytes: usize, took: Duration },
    /// Not now: some or all of it was rejected.
    Refused,
    /// Nothing came back.
    Silent,
    /// This many bytes are more than the target takes in one request.
    TooLarge { bytes: usize },
    /// It says nothing about how much the target can take.
    Neutral,
}

/// The state. One a target, shared by all that send to it.
#[derive(Clone, Debug)]
pub struct Pace {
    limits: Limits,
    connections: u32,
    batch: usize,
    in_flight: u32,
    window: Window,
    /// Bytes a second before the trial that runs, smoothed.
    usual: Option<f64>,
    phase: Phase,
    /// The trial that is next.
    next: Trial,
    /// How many windows to rest after the next trial that changes nothing for the better.
    rest: u32,
    /// Nothing has held growth up yet, so it grows by half each time.
    starting: bool,
    /// Answers to requests that were under way when the pace last changed: they say nothing of it.
    stale: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Resting { windows: u32 },
    Trying { trial: Trial, connections: u32, batch: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    MoreConnections,
    LargerBatch,
    FewerConnections,
}

/// What was measured since the pace last changed.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Option<Duration>,
    bytes: u64,
    answers: u32,
    /// Every connection was in use at some moment; else the reader is what is slow.
    full: bool,
}

/// Fewer connections than this are never tried, only taken when the target refuses more: with one, it waits for each
/// request's way, and a trial costs more than it can show.
const FEW: u32 = 2;
const WINDOW: Duration = Duration::from_secs(1);
const LONGEST_REST: u32 = 16;
/// What a trial must gain to be kept.
const GAIN: f64 = 1.04;
/// What fewer connections may lose.
const LOSS: f64 = 0.985;
/// An answer that takes longer asks for smaller requests, well before any time-out.
const VERY_LONG: Duration = Duration::from_secs(20);

impl Pace {
    /// Begins with a few connections.
    pub fn new(mut limits: Limits) -> Self {
        limits.least_connections = limits.least_connections.max(1);
        limits.most_connections = limits.most_connections.max(limits.least_connections);
        let connections = FEW.clamp(limits.least_connections, limits.most_connections);
        let fitting = (limits.most_in_flight / connections as usize).max(1);
        limits.most_batch = limits.most_batch.max(limits.least_batch).min(fitting);
        limits.least_batch = limits.least_batch.min(limits.most_batch);
        Self {
            limits,
            connections,
            batch: limits.first_batch.clamp(limits.least_batch, limits.most_batch),
            in_flight: 0,
            window: Window::default(),
            usual: None,
            phase: Phase::Resting { windows: 1 },
            next: Trial::MoreConnections,
            rest: 1,
            starting: true,
            stale: 0,
        }
    }

    /// Requests at once.
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Bytes of a request.
    pub fn batch_bytes(&self) -> usize {
        self.batch
    }

    /// Takes a place among the connections if one is free.
    pub fn begin(&mut self) -> bool {
        if self.in_flight >= self.connections {
            self.window.full = true;
            return false;
        }
        self.in_flight += 1;
        true
    }

    /// Gives the place back.
    pub fn end(&mut self, now: Duration, answer: Answer) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let stale = self.stale > 0;
        self.stale = self.stale.saturating_sub(1);
        match answer {
            Answer::TooLarge { bytes } => {
                // Smaller than the least, if that is what the target wants.
                self.limits.most_batch = self.limits.most_batch.min((bytes / 2).max(1));
                self.limits.least_batch = self.limits.least_batch.min(self.limits.most_batch);
                self.batch = self.batch.min(self.limits.most_batch);
            }
            Answer::Neutral => {}
            Answer::Refused | Answer::Silent if stale => {}
            Answer::Refused => self.cut(self.connections * 7 / 10),
            Answer::Silent => self.cut(self.connections / 2),
            Answer::Taken { took, .. } if took > VERY_LONG && !stale => {
                self.batch = (self.batch / 2).max(self.limits.least_batch);
                self.settle();
            }
            Answer::Taken { bytes, .. } => self.measure(now, bytes, stale),
        }
    }

    fn cut(&mut self, connections: u32) {
        if let Phase::Trying { trial, connections, batch } = self.phase {
            // It was the trial that was refused.
            return self.undo(trial, connections, batch);
        }
        if self.connections == self.limits.least_connections {
            self.batch = (self.batch / 2).max(self.limits.least_batch);
        }
        self.connections = connections.max(self.limits.least_connections);
        self.starting = false;
        self.next = Trial::MoreConnections;
        self.usual = None;
        self.settle();
    }

    /// After a change that wasn't a trial.
    fn settle(&mut self) {
        self.phase = Phase::Resting { windows: 2 };
        self.changed();
    }

    fn changed(&mut self) {
        self.window = Window::default();
        self.stale = self.in_flight;
    }

    fn measure(&mut self, now: Duration, bytes: usize, stale: bool) {
        if stale {
            return;
        }
        let Some(since) = self.window.since else {
            // Its bytes were sent before the window began.
            self.window.since = Some(now);
            return;
        };
        self.window.bytes += bytes as u64;
        self.window.answers += 1;
        let lasted = now.saturating_sub(since);
        if lasted < WINDOW || self.window.answers < 2 * self.connections + 2 {
            return;
        }
        let full = self.window.full;
        let taken = self.window.bytes as f64 / lasted.as_secs_f64();
        self.window = Window { since: Some(now), ..Window::default() };
        if full {
            self.judge(taken);
        } else {
            self.keep_as_it_was();
        }
    }

    /// The target isn't what limits: nothing can be learned from how much it takes.
    fn keep_as_it_was(&mut self) {
        if let Phase::Trying { connections, batch, .. } = self.phase {
            (self.connections, self.batch) = (connections, batch.min(self.limits.most_batch));
        }
        self.usual = None;
        self.phase = Phase::Resting { windows: 1 };
    }

    fn judge(&mut self, taken: f64) {
        match self.phase {
            Phase::Resting { windows } => {
                let usual = self.usual.map_or(taken, |usual| usual * 0.6 + taken * 0.4);
                self.usual = Some(usual);
                match windows {
                    0 | 1 => self.attempt(),
                    _ => self.phase = Phase::Resting { windows: windows - 1 },
                }
            }
            Phase::Trying { trial, connections, batch } => {
                let least = if trial == Trial::FewerConnections { LOSS } else { GAIN };
                if taken >= self.usual.unwrap_or(0.0) * least {
                    self.usual = Some(taken);
                    self.next = trial;
                    self.rest = 1;
                    return self.attempt();
                }
                self.undo(trial, connections, batch);
            }
        }
    }

    fn undo(&mut self, trial: Trial, connections: u32, batch: usize) {
        (self.connections, self.batch) = (connections, batch.min(self.limits.most_batch));
        self.starting = false;
        self.next = trial.after();
        self.phase = Phase::Resting { windows: self.rest };
        self.rest = (self.rest * 2).min(LONGEST_REST);
        self.changed();
    }

    /// Begins the next trial that the limits allow.
    fn attempt(&mut self) {
        let (connections, batch) = (self.connections, self.batch);
        for _ in 0..3 {
            let trial = self.next;
            match trial {
                Trial::MoreConnections => {
                    let step = if self.starting { connections / 2 } else { connections / 8 };
                    self.connections =
                        (connections + step.max(1)).min(self.limits.most_connections);
                }
                Trial::LargerBatch => self.batch = (batch * 3 / 2).min(self.limits.most_batch),
                Trial::FewerConnections => {
                    let fewer = connections - (connections / 8).max(1).min(connections);
                    self.connections =
                        fewer.max(self.limits.least_connections).max(FEW.min(connections));
                }
            }
            let in_flight = self.batch.saturating_mul(self.connections as usize);
            if in_flight > self.limits.most_in_flight && trial != Trial::FewerConnections {
                (self.connections, self.batch) = (connections, batch);
            }
            if (self.connections, self.batch) != (connections, batch) {
                self.phase = Phase::Trying { trial, connections, batch };
                return self.changed();
            }
            self.next = trial.after();
        }
        self.phase = Phase::Resting { windows: LONGEST_REST };
    }
}

impl Trial {
    const fn after(self) -> Self {
        match self {
            Self::MoreConnections => Self::LargerBatch,
            Self::LargerBatch => Self::FewerConnections,
            Self::FewerConnections => Self::MoreConnections,
        }
    }
}

#[cfg(test)]
mod tests;

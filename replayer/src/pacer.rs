//! The one scheduler of all connections: exchanges whose turn has come wait here for their moment.
//!
//! ```text
//! conductor ─ turn ─▶ by the source's time ─ its moment ─▶ a task of its own ─ report ─▶ conductor
//! ```
//! One task and one timer, so that a pause, or another speed, is one change, and so that ten thousand waiting requests are a
//! heap and not ten thousand timers.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    context::Context,
    exchange::{self, Job, Left},
    lateness::Stations,
    replay::Report,
};

/// Turns taken from the channel at once.
const BATCH: usize = 1024;
/// What a timer's grain makes late isn't.
const GRAIN: Duration = Duration::from_millis(2);

/// An exchange whose turn has come.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) job: Box<Job>,
    pub(crate) stations: Stations,
}

/// Hands exchanges to the pacer.
#[derive(Debug)]
pub(crate) struct Pacer {
    context: Arc<Context>,
    turns: mpsc::UnboundedSender<Turn>,
    reports: mpsc::UnboundedSender<Report>,
    /// Without a rhythm: those that may go, and don't yet. A task for each would cost memory, and gain nothing.
    queue: VecDeque<Turn>,
    /// Tasks begun without a rhythm, about.
    begun: usize,
    most: usize,
}

impl Pacer {
    /// Starts the task. It ends when the pacer is dropped.
    pub(crate) fn start(context: Arc<Context>, reports: mpsc::UnboundedSender<Report>) -> Self {
        // Bounded by the look-ahead: what waits here is held bytes.
        let (turns, receiver) = mpsc::unbounded_channel();
        let task = Task { context: Arc::clone(&context), reports: reports.clone() };
        tokio::spawn(task.run(receiver));
        let most = context.settings.target_connections * 2;
        Self { context, turns, reports, queue: VecDeque::new(), begun: 0, most }
    }

    /// A control that may go.
    pub(crate) fn begin(&self, job: Box<Job>, moment: Instant) {
        begin(&self.context, &self.reports, job, moment);
    }

    /// An exchange's turn has come; it goes out at its moment.
    pub(crate) fn give(&mut self, turn: Turn) {
        if self.context.schedule.is_free() {
            if self.begun >= self.most {
                return self.queue.push_back(turn);
            }
            self.begun += 1;
            return begin_or_ask(&self.context, &self.reports, turn.job, Instant::now());
        }
        // The task lives as long as we do.
        let _ = self.turns.send(turn);
    }

    /// One is done: another may begin.
    pub(crate) fn done(&mut self) {
        self.begun = self.begun.saturating_sub(1);
        if let Some(next) = self.queue.pop_front() {
            self.give(next);
        }
    }

    /// A control that had come to its moment, and was `done` while it waited for its turn, goes on.
    pub(crate) fn again(&mut self) {
        self.begun += 1;
    }

    /// Forgets what hasn't begun; gives how many.
    pub(crate) fn abandon(&mut self) -> usize {
        self.queue.drain(..).count()
    }
}

/// Begins an exchange whose moment has come; of a control the conductor says whether it may.
fn begin_or_ask(
    context: &Arc<Context>,
    reports: &mpsc::UnboundedSender<Report>,
    job: Box<Job>,
    moment: Instant,
) {
    if job.meaning.is_control() {
        let _ = reports.send(Report::Moment { job, moment });
    } else {
        begin(context, reports, job, moment);
    }
}

/// Runs an exchange in a task of its own.
fn begin(
    context: &Arc<Context>,
    reports: &mpsc::UnboundedSender<Report>,
    job: Box<Job>,
    intended: Instant,
) {
    let (context, reports) = (Arc::clone(context), reports.clone());
    tokio::spawn(async move {
        let (key, connection) = (job.captured.key, Arc::clone(&job.captured.connection));
        let left = exchange::replay(&context, *job, intended).await;
        // The conductor is gone only when the run is over.
        let _ = reports.send(Report::Done { key, connection, left });
    });
}

struct Task {
    context: Arc<Context>,
    reports: mpsc::UnboundedSender<Report>,
}

/// By the source's time, then in the order of coming.
struct Waiting {
    at: u64,
    place: u64,
    turn: Turn,
}

impl Task {
    async fn run(self, mut turns: mpsc::UnboundedReceiver<Turn>) {
        let mut changes = self.context.schedule.changes();
        let mut waiting = BinaryHeap::new();
        let (mut batch, mut place) = (Vec::with_capacity(BATCH), 0);
        loop {
            let next = self.release(&mut waiting);
            let timer = async {
                match next {
                    Some(moment) => tokio::time::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                taken = turns.recv_many(&mut batch, BATCH) => if taken == 0 { return },
                () = timer => {}
                _ = changes.changed() => {}
                () = self.context.shutdown.draining() => return self.abandon(waiting, turns).await,
            }
            for turn in batch.drain(..) {
                place += 1;
                waiting.push(Reverse(Waiting { at: turn.job.captured.began, place, turn }));
            }
        }
    }

    /// Lets everything go whose moment has come; gives the next moment.
    fn release(&self, waiting: &mut BinaryHeap<Reverse<Waiting>>) -> Option<Instant> {
        let schedule = &self.context.schedule;
        let mut now = Instant::now();
        loop {
            let Reverse(first) = waiting.peek()?;
            let moment = schedule.moment(first.at, first.turn.stations.turn)?;
            if moment > now {
                now = Instant::now();
                if moment > now {
                    return Some(moment);
                }
            }
            schedule.take(moment);
            let Reverse(Waiting { turn, .. }) = waiting.pop()?;
            let late = now.saturating_duration_since(moment);
            if late > GRAIN {
                let cause = turn.stations.cause(moment);
                self.context.lateness.note(late, cause);
                self.context
                    .metrics
                    .late
                    .with_label_values(&[cause.as_str()])
                    .inc_by(late.as_secs_f64());
            }
            begin_or_ask(&self.context, &self.reports, turn.job, moment);
        }
    }

    /// Gives everything back that hasn't begun.
    async fn abandon(
        &self,
        waiting: BinaryHeap<Reverse<Waiting>>,
        mut turns: mpsc::UnboundedReceiver<Turn>,
    ) {
        let give_back = |turn: Turn| {
            let captured = turn.job.captured;
            let left = Ok(Left { abandoned: true, ..Left::default() });
            let report = Report::Done { key: captured.key, connection: captured.connection, left };
            let _ = self.reports.send(report);
        };
        waiting.into_iter().for_each(|Reverse(first)| give_back(first.turn));
        while let Some(turn) = turns.recv().await {
            give_back(turn);
        }
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.place).cmp(&(other.at, other.place))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

//! The conductor: one task that reads the journal and knows what is going on. What runs and when is in
//! [`turns`], what waits for the source in [`readings`].
//!
//! It owns the journal's reader, the connections, the order and everything that waits; what is sent is sent by tasks of
//! their own, at most one a connection, which report back here. So nothing here is locked or waits for a cluster.

pub(crate) mod deletes;
mod entering;
pub(crate) mod held;
mod lag;
mod lookahead;
mod lost;
mod meaning;
mod moves;
mod queue;
mod readings;
mod shared;
mod turns;
pub(crate) mod waits;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use codec::record::Nanos;
use converge::{
    Meaning, Scope,
    order::{ExchangeKey, Order, Ready, Role},
};
use futures::FutureExt as _;
use journal::{Ends, Entry, Reader, Taken};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    connections::Connections,
    context::{Context, RunError},
    doubt::{Resolved, Swept, Unanswered, Waiting},
    exchange::{Job, Left, What},
    facts::Knowledge,
    group::{Group, View},
    indices,
    losses::Reason,
    lowwater::LowWater,
    offsets::{Claims, Place},
    pacer::Pacer,
};

/// Lines of what is open that a summary shows.
pub(crate) const SHOWN: usize = 50;
/// Ticks without a record after which a proxy that is gone holds nothing up any more.
const QUIET_TICKS: u32 = 30;
/// Reports taken, and entries read, before anything else is looked at.
const AT_ONCE: usize = 32;
const TICK: Duration = Duration::from_secs(1);

/// A report from a task.
#[derive(Debug)]
pub(crate) enum Report {
    Done {
        key: ExchangeKey,
        connection: Arc<str>,
        left: Result<Left, RunError>,
    },
    /// The moment of a control has come.
    Moment {
        job: Box<Job>,
        moment: Instant,
    },
    Read {
        key: ExchangeKey,
        /// When it began.
        began: Instant,
        resolved: Result<Resolved, Unanswered>,
        swept: Swept,
    },
    /// What was sent again, or what failed, in words.
    Resent {
        key: ExchangeKey,
        resent: Result<Result<deletes::Batch, Vec<String>>, RunError>,
    },
    /// The list of losses has what was to be listed.
    Listed {
        listed: Result<Claims, RunError>,
    },
    /// What other replayers say.
    View {
        view: Result<Box<View>, RunError>,
    },
}

pub(crate) struct Conductor {
    context: Arc<Context>,
    reader: Reader,
    /// Where the journal ended at the start, if the run ends there.
    ends: Option<Ends>,
    connections: Connections,
    knowledge: Knowledge,
    low_water: LowWater,
    order: Order,
    next_key: u64,
    jobs: HashMap<ExchangeKey, Pending>,
    lines: HashMap<Arc<str>, Line>,
    running: usize,
    /// Captured bytes of exchanges that aren't finished.
    held: usize,
    /// How many there have been in all.
    taken: u64,
    doubts: queue::Queue,
    reading: Option<(ExchangeKey, Vec<Waiting>)>,
    /// Doubts that couldn't be resolved yet, and when they are tried again.
    later: Vec<(Instant, Waiting)>,
    swept: Option<Swept>,
    /// Deletes to be sent again, by the time of their answer.
    deletes: BTreeMap<u64, Vec<deletes::Kept>>,
    /// Those whose turn has come; the batch until it is sent.
    resending: Option<(ExchangeKey, Option<deletes::Batch>)>,
    /// Done, and not to be committed yet.
    held_back: held::Held,
    unlisted: lost::Unlisted,
    /// Where several replayers share the journal.
    share: Option<shared::Share>,
    open: Vec<String>,
    pacer: Pacer,
    /// Controls whose moment has come, and that readings have gone in front of.
    passed: HashMap<ExchangeKey, (Box<Job>, Instant)>,
    /// When reading was last held up by what is on its way.
    full: Option<Instant>,
    reports: (mpsc::UnboundedSender<Report>, mpsc::UnboundedReceiver<Report>),
    /// What was to be replayed has been read: nothing more is.
    ends_here: bool,
    /// When the journal's end was reached, if it was.
    at_end: Option<Instant>,
    newest: Nanos,
    /// When this run began, by our own clock.
    began: Nanos,
    quiet_ticks: u32,
}

/// An exchange that waits for its turn.
struct Pending {
    /// In a box: it is moved into this map, out of it, and to the pacer, long after it was last touched.
    job: Box<Job>,
    ready: Option<Freed>,
    /// Of what was known when it was interpreted.
    generation: u64,
    /// When it was read.
    entered: Instant,
}

/// It is free to run.
#[derive(Clone, Copy, Debug)]
struct Freed {
    overlaps_deletion: bool,
    /// It had to follow another.
    waited: bool,
    /// Doubts were being read from the source.
    reading: bool,
    at: Instant,
}

impl Freed {
    fn now(ready: Ready, reading: bool) -> Self {
        let Ready { overlaps_deletion, waited, .. } = ready;
        Self { overlaps_deletion, waited, reading, at: Instant::now() }
    }
}

/// The exchanges of one connection, in order.
#[derive(Default)]
struct Line {
    waiting: VecDeque<ExchangeKey>,
    running: Option<Running>,
}

/// The exchange of a connection that runs.
#[derive(Clone, Copy, Debug, Default)]
struct Running {
    /// Of the request on its connection.
    number: u64,
    weight: usize,
    began: u64,
    /// When its answer was complete.
    answered: u64,
    /// The first of its records.
    place: Option<Place>,
}

impl Conductor {
    pub(crate) fn new(context: Arc<Context>, reader: Reader, ends: Option<Ends>) -> Self {
        let settings = &context.settings;
        let skew = nanos(settings.clock_skew);
        let reports = mpsc::unbounded_channel();
        Self {
            connections: Connections::new(settings.reorder_window, settings.body_limit),
            knowledge: Knowledge::default(),
            low_water: LowWater::new(&reader.partitions()),
            order: Order::new(skew),
            reader,
            ends,
            next_key: 0,
            jobs: HashMap::new(),
            lines: HashMap::new(),
            running: 0,
            held: 0,
            taken: 0,
            doubts: queue::Queue::default(),
            reading: None,
            later: Vec::new(),
            swept: Some(Swept::new()),
            deletes: BTreeMap::new(),
            resending: None,
            held_back: held::Held::default(),
            unlisted: lost::Unlisted::default(),
            share: None,
            open: Vec::new(),
            pacer: Pacer::start(Arc::clone(&context), reports.0.clone()),
            passed: HashMap::new(),
            full: None,
            reports,
            ends_here: false,
            at_end: None,
            newest: 0,
            began: indices::now(),
            quiet_ticks: 0,
            context,
        }
    }

    /// Where members of the group report to.
    pub(crate) fn reports(&self) -> mpsc::UnboundedSender<Report> {
        self.reports.0.clone()
    }

    /// The journal is shared with others.
    pub(crate) fn share(&mut self, group: Arc<Group>) {
        let timeout = self.context.settings.member_timeout;
        self.share = Some(shared::Share::new(group, timeout));
    }

    /// Runs until the end or until asked to stop. Gives back what it holds that the end needs.
    pub(crate) async fn run(mut self) -> Result<Ended, RunError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.context.shutdown.clone();
        let (mut draining, mut stopping) = (pin!(shutdown.draining()), pin!(shutdown.stopping()));
        let mut reports = Vec::with_capacity(AT_ONCE);
        self.look_for_end().await;
        loop {
            self.start_what_is_ready();
            if shutdown.is_draining() {
                // What they wait for may not come any more.
                self.running -= self.passed.drain().count() + self.pacer.abandon();
                let waiting = self.share.as_mut().map(|share| share.waiting().drain(..).count());
                self.running -= waiting.unwrap_or(0);
            }
            // A reading that hasn't begun won't: it may wait for what won't either.
            let idle = self.running == 0 && self.swept.is_some() && self.unlisted.is_empty();
            if shutdown.is_draining() && idle {
                break;
            }
            if self.ends_here && self.is_done()? {
                break;
            }
            let may_read = self.at_end.is_none()
                && self.has_room()
                && self.is_time_to_read()
                && !shutdown.is_draining();
            if self.at_end.is_none() && !self.has_room() {
                self.full = Some(Instant::now());
            }
            // Who shares a journal has to be told of partitions that move, also when there is no room.
            let is_shared = self.share.is_some();
            if is_shared {
                self.reader.flow(may_read)?;
            }
            let takes = may_read || is_shared && !shutdown.is_draining();
            tokio::select! {
                _ = self.reports.1.recv_many(&mut reports, AT_ONCE) => {
                    for report in reports.drain(..) {
                        match report {
                            Report::View { view } => self.take_view(*view?).await,
                            report => self.take(report)?,
                        }
                    }
                }
                taken = self.reader.take(), if takes => {
                    self.took(taken?).await?;
                    if may_read {
                        self.read_on().await?;
                    }
                    // A journal that has more is always ready: without this, what is to be sent now would wait until
                    // all is read that may be.
                    tokio::task::yield_now().await;
                }
                _ = tick.tick() => self.tick().await,
                () = &mut draining, if !shutdown.is_draining() => {}
                () = &mut stopping => break,
            }
        }
        Ok(Ended { reader: self.reader, open: self.open, reached_end: self.at_end.is_some() })
    }

    // === the journal

    /// Reads what is there without waiting, a few at once.
    async fn read_on(&mut self) -> Result<(), RunError> {
        for _ in 0..AT_ONCE {
            if self.at_end.is_some() || !self.has_room() || !self.is_time_to_read() {
                break;
            }
            let Some(taken) = self.reader.take().now_or_never() else { break };
            self.took(taken?).await?;
        }
        Ok(())
    }

    async fn took(&mut self, taken: Taken) -> Result<(), RunError> {
        match taken {
            Taken::Entry(entry) => self.read(entry).await?,
            Taken::Gained(partitions) => self.gain(&partitions).await,
            Taken::Lost(partitions) => self.lose_partitions(&partitions),
        }
        Ok(())
    }

    async fn read(&mut self, entry: Entry) -> Result<(), RunError> {
        self.quiet_ticks = 0;
        let is_scattered = entry.is_scattered();
        if let Some(share) = &mut self.share {
            share.quiet = false;
            if is_scattered && !share.is_alone() {
                return Err(RunError::Scattered);
            }
            // Others may not be at their ends yet.
            let end = |(partition, end): &(i32, u64)| {
                *partition == entry.partition && entry.offset >= *end
            };
            if self.ends.as_ref().is_some_and(|ends| ends.0.iter().any(end)) {
                self.look_for_end().await;
                return Ok(());
            }
        }
        let place = self.context.offsets.place(entry.partition, entry.offset, entry.next);
        let mut own = Claims::default();
        self.context.offsets.claim(&mut own, place);
        match entry.record {
            Err(bad) => {
                self.context.metrics.bad_records.inc();
                self.lose(Reason::BadRecord, place, self.newest, bad.to_string());
            }
            Ok(record) => {
                if let Some(beat) = &record.heartbeat {
                    self.note_switch(beat, &record.node, place);
                    self.low_water.heartbeat(place.partition, &record.node, beat);
                } else {
                    let times = record.observations.iter().map(|observation| observation.at);
                    let newest = times.max().unwrap_or(0);
                    self.newest = self.newest.max(newest);
                    let comes_late =
                        self.low_water.record(place.partition, newest, entry.stored_at);
                    let late = comes_late && newest > 0 && self.reader.low_water().is_none();
                    let events = self.connections.take(
                        record,
                        (place, is_scattered),
                        &self.context.offsets,
                        &mut self.next_key,
                    );
                    self.enter(events, late).await;
                }
            }
        }
        self.context.offsets.release(own);
        if self.share.is_none() {
            self.order.advance(self.mark());
        }
        self.look_for_end().await;
        Ok(())
    }

    /// Everything that was captured before this time has been read.
    fn mark(&self) -> Nanos {
        self.reader.low_water().unwrap_or_else(|| self.low_water.get())
    }

    pub(super) async fn look_for_end(&mut self) {
        if self.at_end.is_some() {
            return;
        }
        let until = self.context.settings.until;
        let past = until.is_some_and(|until| self.mark() > until);
        if !past && !self.ends.as_ref().is_some_and(|ends| self.reader.has_reached(ends)) {
            return;
        }
        self.ends_here = true;
        self.at_end = Some(Instant::now());
        // What is behind the journal's end as it was at the start, or behind `--until`, may hold the answer.
        let expiry = nanos(self.context.settings.connection_expiry);
        let goes_on = |node: &str, heard: u64| {
            let silent = self.low_water.get().max(self.newest).saturating_sub(heard);
            past || silent < expiry && self.low_water.is_alive(node, self.began)
        };
        let (offsets, next_key) = (&self.context.offsets, &mut self.next_key);
        let events = self.connections.end(offsets, next_key, goes_on);
        self.enter(events, false).await;
        self.look_at_source().await;
        match self.share {
            None => self.order.advance(u64::MAX),
            Some(_) => self.publish(),
        }
    }

    fn note(&mut self, line: String) {
        tracing::debug!(line, "open");
        if self.open.len() < SHOWN {
            self.open.push(line);
        }
    }

    // === time

    async fn tick(&mut self) {
        self.commit().await;
        self.take_up_again();
        self.doubt_what_is_gone();
        self.look_at_lag();

        self.quiet_ticks += 1;
        let expiry = nanos(self.context.settings.connection_expiry);
        let before = self.low_water.get().max(self.newest).saturating_sub(expiry);
        let is_gone = |partition, node: &str| self.low_water.is_gone(partition, node);
        let (offsets, next_key) = (&self.context.offsets, &mut self.next_key);
        let events = self.connections.expire(before, is_gone, offsets, next_key);
        self.enter(events, false).await;
        // The end may lie behind the last record: in a segment that a proxy began and wrote nothing to.
        self.look_for_end().await;
        if self.quiet_ticks >= QUIET_TICKS && self.has_room() && self.reader.low_water().is_none() {
            // No heartbeat either: the proxies are gone, and nothing older can come any more.
            match &mut self.share {
                None => self.order.advance(self.newest),
                Some(share) => share.quiet = true,
            }
        }
    }

    async fn commit(&mut self) {
        for (partition, offset) in self.context.offsets.take_committable() {
            if let Err(error) = self.reader.commit(partition, offset).await {
                tracing::warn!(%error, partition, offset, "cannot commit; trying again");
                self.context.offsets.refused(partition);
            }
        }
    }

    fn is_done(&self) -> Result<bool, RunError> {
        let idle = self.running == 0
            && self.is_reading_idle()
            && self.resending.is_none()
            && self.unlisted.is_empty();
        let doubts = self.doubts.is_empty() && self.later.is_empty();
        let nothing_left = idle && doubts && self.deletes.is_empty();
        if let Some(share) = &self.share {
            return Ok(nothing_left && self.jobs.is_empty() && share.is_at_end());
        }
        if idle && !self.jobs.is_empty() {
            let first = self.jobs.values().next().map(|p| p.job.captured.id()).unwrap_or_default();
            return Err(RunError::Stuck { waiting: self.jobs.len(), first });
        }
        Ok(nothing_left)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a run leaves when it ends.
pub(crate) struct Ended {
    pub(crate) reader: Reader,
    pub(crate) open: Vec<String>,
    pub(crate) reached_end: bool,
}

/// What an exchange touches, and how, for the order.
fn touches(what: &What) -> (Scope, Role) {
    let nothing = Scope::Indices(Vec::new());
    match what {
        What::Converge(Meaning::Write(write)) => (write.scope(), Role::Plain),
        What::Converge(Meaning::Read(read)) => (read.scope.clone(), Role::Plain),
        What::Converge(Meaning::Control(control)) => (control.scope.clone(), Role::Control),
        What::Converge(Meaning::Nothing(_) | Meaning::Doubt(_) | Meaning::NotSent(_))
        | What::Mirror => (nothing, Role::Plain),
    }
}

//! The conductor: one task that reads the journal and knows what is going on. What runs and when is in
//! [`turns`], what waits for the source in [`readings`].
//!
//! It owns the journal's reader, the connections, the order and everything that waits; what is sent is sent by
//! tasks of their own, at most one for each connection, which report back here. So nothing here is locked, and
//! nothing here waits for a cluster.

pub(crate) mod deletes;
mod readings;
mod turns;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use codec::record::Nanos;
use converge::{
    Meaning, Scope, interpret,
    order::{Closed, ExchangeKey, Order, Role},
};
use journal::{Ends, Entry, Reader};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    captured::Captured,
    connections::{Connections, Gap},
    context::{Context, RunError},
    doubt::{Resolved, Swept, Waiting},
    exchange::{Left, What},
    facts::Knowledge,
    lowwater::LowWater,
    metrics::Metrics,
    offsets::{Claims, Place},
    settings::Mutations,
    stream::Event,
};

/// Lines of what is open that a summary shows.
const SHOWN: usize = 50;
/// Ticks without a record after which a proxy that is gone holds nothing up any more.
const QUIET_TICKS: u32 = 30;
const TICK: Duration = Duration::from_secs(1);

/// A report from a task.
enum Report {
    Done {
        key: ExchangeKey,
        connection: Arc<str>,
        left: Result<Left, RunError>,
    },
    Read {
        key: ExchangeKey,
        resolved: Result<Resolved, RunError>,
        swept: Swept,
    },
    /// What failed, in words.
    Resent {
        key: ExchangeKey,
        resent: Result<Vec<String>, RunError>,
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
    /// Doubts by the time of their exchange's answer.
    doubts: BTreeMap<u64, Vec<Waiting>>,
    reading: Option<(ExchangeKey, Vec<Waiting>)>,
    swept: Option<Swept>,
    /// Deletes to be sent again, by the time of their answer.
    deletes: BTreeMap<u64, Vec<deletes::Kept>>,
    /// Those whose turn has come; the batch until it is sent.
    resending: Option<(ExchangeKey, Option<deletes::Batch>)>,
    open: Vec<String>,
    reports: (mpsc::UnboundedSender<Report>, mpsc::UnboundedReceiver<Report>),
    /// When the journal's end was reached, if it was.
    at_end: Option<Instant>,
    newest: Nanos,
    quiet_ticks: u32,
}

/// An exchange that waits for its turn.
struct Pending {
    captured: Captured,
    exchange: converge::Exchange,
    what: What,
    /// `Some`: free to run; whether it overlaps a deletion.
    ready: Option<bool>,
}

/// The exchanges of one connection, in order.
#[derive(Default)]
struct Line {
    waiting: VecDeque<ExchangeKey>,
    /// The one that runs: its weight, and when its answer was complete.
    running: Option<(usize, u64)>,
}

impl Conductor {
    pub(crate) fn new(context: Arc<Context>, reader: Reader, ends: Option<Ends>) -> Self {
        let settings = &context.settings;
        let skew = u64::try_from(settings.clock_skew.as_nanos()).unwrap_or(u64::MAX);
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
            doubts: BTreeMap::new(),
            reading: None,
            swept: Some(Swept::new()),
            deletes: BTreeMap::new(),
            resending: None,
            open: Vec::new(),
            reports: mpsc::unbounded_channel(),
            at_end: None,
            newest: 0,
            quiet_ticks: 0,
            context,
        }
    }

    /// Runs until the end or until asked to stop. Gives back what it holds that the end needs.
    pub(crate) async fn run(mut self) -> Result<Ended, RunError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.context.shutdown.clone();
        self.look_for_end().await;
        loop {
            self.start_what_is_ready();
            // A reading that hasn't begun won't: it may wait for what won't either.
            if shutdown.is_draining() && self.running == 0 && self.swept.is_some() {
                break;
            }
            if self.at_end.is_some() && self.ends.is_some() && self.is_done()? {
                break;
            }
            let may_read = self.at_end.is_none() && self.has_room() && !shutdown.is_draining();
            tokio::select! {
                report = self.reports.1.recv() => if let Some(report) = report { self.take(report)?; },
                entry = self.reader.next(), if may_read => self.read(entry?).await,
                _ = tick.tick() => self.tick().await,
                () = shutdown.draining(), if !shutdown.is_draining() => {}
                () = shutdown.stopping() => break,
            }
        }
        for gap in self.connections.seen.gaps.clone() {
            let Gap { connection, first, last } = gap;
            self.note(format!("records {first} to {last} of connection {connection} are missing"));
        }
        Ok(Ended {
            reader: self.reader,
            gaps: self.connections.seen.gaps,
            open: self.open,
            reached_end: self.at_end.is_some(),
        })
    }

    /// Bytes held are bounded, but what runs must not wait for what can't be read.
    fn has_room(&self) -> bool {
        self.held < self.context.settings.lookahead_bytes || self.running == 0
    }

    // === the journal

    async fn read(&mut self, entry: Entry) {
        self.quiet_ticks = 0;
        let place = Place { partition: entry.partition, offset: entry.offset, next: entry.next };
        let mut own = Claims::default();
        self.context.offsets.claim(&mut own, place);
        match entry.record {
            Err(bad) => {
                tracing::error!(%bad, "a record can't be read");
                self.context.metrics.bad_records.inc();
                self.note(bad.to_string());
            }
            Ok(record) => {
                if let Some(beat) = &record.heartbeat {
                    self.low_water.heartbeat(place.partition, &record.node, beat);
                } else {
                    let times = record.observations.iter().map(|observation| observation.at);
                    let newest = times.max().unwrap_or(0);
                    self.newest = self.newest.max(newest);
                    self.low_water.record(place.partition, newest);
                    let events = self.connections.take(
                        record,
                        place,
                        &self.context.offsets,
                        &mut self.next_key,
                    );
                    self.enter(events).await;
                }
            }
        }
        self.context.offsets.release(own);
        self.order.advance(self.low_water.get());
        self.look_for_end().await;
    }

    async fn look_for_end(&mut self) {
        let reached = self.ends.as_ref().is_some_and(|ends| self.reader.has_reached(ends));
        if !reached || self.at_end.is_some() {
            return;
        }
        self.at_end = Some(Instant::now());
        let events = self.connections.end(&self.context.offsets, &mut self.next_key);
        self.enter(events).await;
        self.order.advance(u64::MAX);
    }

    async fn enter(&mut self, events: Vec<Event>) {
        let taken = self.connections.seen.bytes
            - std::mem::replace(&mut self.taken, self.connections.seen.bytes);
        self.held = self.held.saturating_add(usize::try_from(taken).unwrap_or(usize::MAX));
        for event in events {
            match event {
                Event::Began { key, at } => self.order.open(key, at, None),
                Event::Deletes { key, began, scope } => self.order.open(key, began, Some(scope)),
                Event::Closed(captured) => self.enter_exchange(*captured).await,
                Event::Cancelled { key, claims, weight } => {
                    Metrics::count(&self.context.metrics.nothing, "no whole head");
                    self.order.finished(key);
                    self.context.offsets.release(claims);
                    self.held = self.held.saturating_sub(weight);
                }
                Event::Opaque(reason) => {
                    self.context.metrics.opaque.with_label_values(&[reason.as_str()]).inc();
                    self.context.metrics.doubt_left.inc();
                    self.note(format!("a connection became opaque: {reason}"));
                }
            }
        }
    }

    async fn enter_exchange(&mut self, captured: Captured) {
        let settings = &self.context.settings;
        if settings.until.is_some_and(|until| captured.ended > until) {
            // Its claims are kept: a later run replays it.
            self.order.finished(captured.key);
            self.held = self.held.saturating_sub(captured.weight);
            return;
        }
        let exchange = captured.exchange(settings.body_limit);
        let what = match settings.mutations {
            Mutations::Mirror => What::Mirror,
            Mutations::Converge => What::Converge(self.interpret(&exchange).await),
        };
        let (scope, role) = touches(&what);
        let closed = Closed { began: captured.began, answered: captured.ended, scope, role };
        let (key, connection) = (captured.key, Arc::clone(&captured.connection));
        self.jobs.insert(key, Pending { captured, exchange, what, ready: None });
        self.lines.entry(connection).or_default().waiting.push_back(key);
        self.order.close(key, closed);
    }

    async fn interpret(&mut self, exchange: &converge::Exchange) -> Meaning {
        let source = self.context.source.as_deref();
        let meaning = interpret(exchange, &self.knowledge.facts(source));
        if let Meaning::Control(control) = &meaning {
            self.knowledge.learn(exchange, control);
        }
        if let Meaning::Write(write) = &meaning
            && self.knowledge.meet(&write.scope(), source).await
        {
            return interpret(exchange, &self.knowledge.facts(source));
        }
        meaning
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
        let metrics = &self.context.metrics;
        let seen = &self.connections.seen;
        metrics.duplicates.inc_by(seen.duplicates.saturating_sub(metrics.duplicates.get()));
        metrics.gaps.inc_by((seen.gaps.len() as u64).saturating_sub(metrics.gaps.get()));
        let newest = Duration::from_nanos(self.newest);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        metrics.lag.set(now.saturating_sub(newest).as_secs_f64());

        self.quiet_ticks += 1;
        let expiry = self.context.settings.connection_expiry.as_nanos();
        let expiry = u64::try_from(expiry).unwrap_or(u64::MAX);
        let before = self.low_water.get().max(self.newest).saturating_sub(expiry);
        let events = self.connections.expire(before, &self.context.offsets, &mut self.next_key);
        self.enter(events).await;
        // The end may lie behind the last record: in a segment that a proxy began and wrote nothing to.
        self.look_for_end().await;
        if self.quiet_ticks == QUIET_TICKS && self.has_room() {
            // No heartbeat either: the proxies are gone, and nothing older can come any more.
            self.order.advance(self.newest);
        }
    }

    async fn commit(&mut self) {
        for (partition, offset) in self.context.offsets.take_committable() {
            if let Err(error) = self.reader.commit(partition, offset).await {
                tracing::warn!(%error, partition, offset, "cannot commit; trying again with the next");
            }
        }
    }

    fn is_done(&self) -> Result<bool, RunError> {
        let idle = self.running == 0 && self.is_reading_idle() && self.resending.is_none();
        if idle && !self.jobs.is_empty() {
            let first = self.jobs.values().next().map(|p| p.captured.id()).unwrap_or_default();
            return Err(RunError::Stuck { waiting: self.jobs.len(), first });
        }
        Ok(idle && self.doubts.is_empty() && self.deletes.is_empty())
    }
}

/// What a run leaves when it ends.
pub(crate) struct Ended {
    pub(crate) reader: Reader,
    pub(crate) gaps: Vec<Gap>,
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

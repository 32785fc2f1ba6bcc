//! The conductor: one task that reads the journal and knows what is going on.
//!
//! It owns the journal's reader, the connections, the order and everything that waits; what is sent is sent by
//! tasks of their own, at most one for each connection, which report back here. So nothing here is locked, and
//! nothing here waits for a cluster.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use codec::record::Nanos;
use converge::{
    DoubtKind, Meaning, Scope, interpret,
    order::{Closed, ExchangeKey, Order, Role},
};
use journal::{Ends, Entry, Reader};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use crate::{
    captured::Captured,
    connections::Connections,
    context::{Context, RunError},
    doubt::{self, Resolved, Swept, Waiting},
    exchange::{self, Job, Left, What},
    lowwater::LowWater,
    offsets::{Claims, Place},
    settings::Mutations,
    stream::Event,
};

/// Doubts that are resolved together, at most.
const DOUBT_BATCH: usize = 20_000;
/// Lines of what is open that a summary shows.
const SHOWN: usize = 50;
/// Ticks without a record after which a proxy that is gone holds nothing up any more.
const QUIET_TICKS: u32 = 30;
const TICK: Duration = Duration::from_secs(1);

/// A report from a task.
enum Report {
    Done { key: ExchangeKey, connection: Arc<str>, left: Result<Left, RunError> },
    Read { key: ExchangeKey, resolved: Result<Resolved, RunError>, swept: Swept },
}

pub(crate) struct Conductor {
    context: Arc<Context>,
    reader: Reader,
    /// Where the journal ended at the start, if the run ends there.
    ends: Option<Ends>,
    connections: Connections,
    low_water: LowWater,
    order: Order,
    next_key: u64,
    jobs: HashMap<ExchangeKey, Pending>,
    lines: HashMap<Arc<str>, Line>,
    running: usize,
    held: usize,
    /// Doubts by the time of their exchange's answer.
    doubts: BTreeMap<u64, Vec<Waiting>>,
    reading: Option<(ExchangeKey, Vec<Waiting>)>,
    swept: Option<Swept>,
    open: Vec<String>,
    reports: (mpsc::UnboundedSender<Report>, mpsc::UnboundedReceiver<Report>),
    at_end: bool,
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
            low_water: LowWater::new(&reader.partitions()),
            order: Order::new(skew),
            reader,
            ends,
            next_key: 0,
            jobs: HashMap::new(),
            lines: HashMap::new(),
            running: 0,
            held: 0,
            doubts: BTreeMap::new(),
            reading: None,
            swept: Some(Swept::new()),
            open: Vec::new(),
            reports: mpsc::unbounded_channel(),
            at_end: false,
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
        self.look_for_end();
        loop {
            self.start_what_is_ready();
            if shutdown.is_draining() && self.running == 0 && self.is_reading_idle() {
                break;
            }
            if self.at_end && self.ends.is_some() && self.is_done()? {
                break;
            }
            let may_read = !self.at_end && self.has_room() && !shutdown.is_draining();
            tokio::select! {
                report = self.reports.1.recv() => if let Some(report) = report { self.take(report)?; },
                entry = self.reader.next(), if may_read => self.read(entry?),
                _ = tick.tick() => self.tick().await,
                () = shutdown.draining(), if !shutdown.is_draining() => {}
                () = shutdown.stopping() => break,
            }
        }
        Ok(Ended {
            reader: self.reader,
            gaps: self.connections.seen.gaps,
            open: self.open,
            reached_end: self.at_end,
        })
    }

    /// Bytes held are bounded, but what runs must not wait for what can't be read.
    fn has_room(&self) -> bool {
        self.held < self.context.settings.lookahead_bytes || self.running == 0
    }

    // === the journal

    fn read(&mut self, entry: Entry) {
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
                    let before = self.connections.seen.bytes;
                    let events = self.connections.take(
                        record,
                        place,
                        &self.context.offsets,
                        &mut self.next_key,
                    );
                    self.held += (self.connections.seen.bytes - before) as usize;
                    self.enter(events);
                }
            }
        }
        self.context.offsets.release(own);
        self.order.advance(self.low_water.get());
        self.look_for_end();
    }

    fn look_for_end(&mut self) {
        let reached = self.ends.as_ref().is_some_and(|ends| self.reader.has_reached(ends));
        if !reached || self.at_end {
            return;
        }
        self.at_end = true;
        let events = self.connections.end(&self.context.offsets, &mut self.next_key);
        self.enter(events);
        self.order.advance(u64::MAX);
    }

    fn enter(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Began { key, at } => self.order.open(key, at, None),
                Event::Deletes { key, began, scope } => self.order.open(key, began, Some(scope)),
                Event::Closed(captured) => self.enter_exchange(*captured),
                Event::Cancelled { key, claims, weight } => {
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

    fn enter_exchange(&mut self, captured: Captured) {
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
            Mutations::Converge => {
                let facts = self.context.source.as_ref().map(|source| source.facts());
                What::Converge(interpret(&exchange, &facts.unwrap_or_default()))
            }
        };
        let (scope, role) = touches(&what);
        let closed = Closed { began: captured.began, answered: captured.ended, scope, role };
        let (key, connection) = (captured.key, Arc::clone(&captured.connection));
        self.jobs.insert(key, Pending { captured, exchange, what, ready: None });
        self.lines.entry(connection).or_default().waiting.push_back(key);
        self.order.close(key, closed);
    }

    // === what runs

    fn start_what_is_ready(&mut self) {
        self.start_reading();
        loop {
            let ready = self.order.take_ready();
            if ready.is_empty() {
                return;
            }
            for ready in ready {
                if self.reading.as_ref().is_some_and(|(key, _)| *key == ready.key) {
                    self.run_reading();
                    continue;
                }
                let Some(pending) = self.jobs.get_mut(&ready.key) else { continue };
                pending.ready = Some(ready.overlaps_deletion);
                let connection = Arc::clone(&pending.captured.connection);
                self.start_next(&connection);
            }
        }
    }

    /// Starts a connection's next exchange if it is free to run.
    fn start_next(&mut self, connection: &Arc<str>) {
        if self.context.shutdown.is_draining() {
            return;
        }
        let Some(line) = self.lines.get_mut(connection) else { return };
        if line.running.is_some() {
            return;
        }
        let Some(key) = line.waiting.front().copied() else {
            self.lines.remove(connection);
            return;
        };
        let Some(overlaps_deletion) = self.jobs.get(&key).and_then(|pending| pending.ready) else {
            return;
        };
        let Some(Pending { captured, exchange, what, .. }) = self.jobs.remove(&key) else { return };
        line.waiting.pop_front();
        line.running = Some((captured.weight, captured.ended));
        self.running += 1;
        let job = Job { captured, exchange, meaning: what, overlaps_deletion };
        let (context, reports) = (Arc::clone(&self.context), self.reports.0.clone());
        let connection = Arc::clone(connection);
        tokio::spawn(async move {
            let left = exchange::replay(context, job).await;
            // The conductor is gone only when the run is over.
            let _ = reports.send(Report::Done { key, connection, left });
        });
    }

    fn take(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::Done { key, connection, left } => {
                self.running -= 1;
                let running = self.lines.get_mut(&connection).and_then(|line| line.running.take());
                let (weight, answered) = running.unwrap_or_default();
                self.held = self.held.saturating_sub(weight);
                self.context.metrics.held_bytes.set(i64::try_from(self.held).unwrap_or(i64::MAX));
                let left = left?;
                if left.abandoned {
                    return Ok(());
                }
                for line in left.failed {
                    self.note(line);
                }
                if !left.doubts.is_empty() {
                    self.doubts.entry(answered).or_default().extend(left.doubts);
                }
                self.order.finished(key);
                self.start_next(&connection);
            }
            Report::Read { key, resolved, swept } => {
                self.swept = Some(swept);
                self.order.finished(key);
                for (waiting, why) in resolved?.left {
                    self.leave(&waiting, &why);
                }
            }
        }
        Ok(())
    }

    // === doubts

    fn is_reading_idle(&self) -> bool {
        self.reading.is_none() && self.swept.is_some()
    }

    /// Gathers the doubts that may be read from the source now into one reading.
    fn start_reading(&mut self) {
        if !self.is_reading_idle() || self.context.shutdown.is_draining() {
            return;
        }
        let mut batch = Vec::new();
        while let Some(first) = self.doubts.first_entry() {
            if batch.len() >= DOUBT_BATCH || !self.order.doubt_ready(*first.key()) {
                break;
            }
            batch.extend(first.remove());
        }
        if batch.is_empty() {
            return;
        }
        self.next_key += 1;
        let key = ExchangeKey(self.next_key);
        let (scope, role) = read_scope(&batch);
        self.reading = Some((key, batch));
        self.order.add_reading(key, scope, role);
    }

    fn run_reading(&mut self) {
        let Some((key, batch)) = self.reading.take() else { return };
        let mut swept = self.swept.take().unwrap_or_default();
        let (context, reports) = (Arc::clone(&self.context), self.reports.0.clone());
        tokio::spawn(async move {
            let resolved = doubt::resolve(&context, batch, &mut swept).await.map_err(RunError::from);
            let _ = reports.send(Report::Read { key, resolved, swept });
        });
    }

    fn leave(&mut self, waiting: &Waiting, why: &str) {
        self.context.metrics.doubt_left.inc();
        let what = match &waiting.doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
                format!("{}/{}", address.index, address.id)
            }
            DoubtKind::Sweep { index } => format!("sweep of {index}"),
            DoubtKind::Walk { index } => format!("walk of {index}"),
            DoubtKind::Definition { scope, .. } => format!("definition of {scope:?}"),
        };
        let reason = waiting.doubt.reason.as_str();
        self.note(format!("{} in doubt ({reason}): {what}: {why}", waiting.about));
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
        self.enter(events);
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
        let idle = self.running == 0 && self.is_reading_idle();
        if idle && !self.jobs.is_empty() {
            let first = self.jobs.values().next().map(|p| p.captured.id()).unwrap_or_default();
            return Err(RunError::Stuck { waiting: self.jobs.len(), first });
        }
        Ok(idle && self.doubts.is_empty())
    }
}

/// What a run leaves when it ends.
pub(crate) struct Ended {
    pub(crate) reader: Reader,
    pub(crate) gaps: Vec<crate::connections::Gap>,
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

/// The indices that a batch of doubts is about, and how reading them conflicts with others.
fn read_scope(batch: &[Waiting]) -> (Scope, Role) {
    let (mut names, mut role, mut all) = (BTreeSet::new(), Role::Reading, false);
    for waiting in batch {
        match &waiting.doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
                names.insert(address.index.to_string());
            }
            DoubtKind::Sweep { index } | DoubtKind::Walk { index } => {
                names.insert(index.to_string());
            }
            DoubtKind::Definition { scope, deletes } => {
                if *deletes {
                    role = Role::Control;
                }
                match scope {
                    Scope::Indices(scope) => names.extend(scope.iter().cloned()),
                    Scope::All => all = true,
                }
            }
        }
    }
    let scope = match all || names.contains("*") {
        true => Scope::All,
        false => Scope::Indices(names.into_iter().collect()),
    };
    (scope, role)
}

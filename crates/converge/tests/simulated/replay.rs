//! A replayer over the crate's public interface: in any order that it allows, with repetitions.

use std::collections::{BTreeMap, HashMap};

use converge::order::{Closed, ExchangeKey, Order, Ready, Role};
use converge::{
    Address, Change, Control, ControlKind, Doubt, DoubtKind, DoubtReason, Facts, IndexFacts,
    Meaning, Operation, Outcome, Rendering, Request, Scope, Shape, interpret, outcomes, render,
    render_documents, unsettles,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::history::{History, SKEW};
pub use super::mistakes::{Mistakes, Tally};
use super::one_in;
use super::resolve::{self, Before, Swept};
use super::source::Source;
use super::target::TargetCluster;

/// Something that is under way on the target.
enum Task {
    Send {
        key: Option<ExchangeKey>,
        request: Request,
        operations: Vec<Operation>,
        /// When it began, and when the source had answered it.
        times_of: (u64, u64),
        times: u32,
    },
    Control {
        key: ExchangeKey,
        control: Control,
    },
    /// A doubt, step by step.
    Read {
        key: ExchangeKey,
        doubt: Doubt,
        before: Option<Before>,
        found: Option<Found>,
    },
}

/// A request with its operations and the time that it began at, and the indices that they went to with their
/// creations.
type Sent = (Request, Vec<Operation>, u64, Vec<(String, u64)>);

/// When it was answered, and the delete.
type Delete = (u64, Operation);

type Found = BTreeMap<(String, usize, String), super::source::Stored>;

struct Replay {
    mistakes: Mistakes,
    /// Reading takes long against all else.
    reads_slowly: bool,
    order: Order,
    target: TargetCluster,
    facts: Facts,
    /// With when it began and was answered.
    meanings: HashMap<ExchangeKey, (Meaning, (u64, u64))>,
    readings: HashMap<ExchangeKey, Doubt>,
    doubts: Vec<(u64, Doubt)>,
    /// All that there ever were.
    doubted: Vec<(u64, Doubt)>,
    tasks: Vec<Task>,
    swept: Swept,
    /// For the delete sweep: (index, id, routing) → deletes with the times of their answers.
    kept: BTreeMap<(String, String, Option<String>), Vec<Delete>>,
    /// What may come again after a restart.
    sent: Vec<Sent>,
    next_key: u64,
    tally: Tally,
}

/// Replays one random history. An error says what the clusters don't agree on.
pub fn run(seed: u64, mistakes: Mistakes) -> Result<Tally, String> {
    let (history, recent, mut rng) = planned(seed);
    interleave(history, recent, mistakes, &mut rng)
}

/// A seed's history, whether its source is a recent one, and what goes on at random.
pub fn planned(seed: u64) -> (History, bool, StdRng) {
    let mut rng = StdRng::seed_from_u64(seed);
    let recent = one_in(&mut rng, 2);
    (History::plan(&mut rng, recent), recent, rng)
}

/// The same with some exchanges of it, by their numbers, which a seed of its own interleaves.
pub fn run_some(
    seed: u64,
    numbers: &[usize],
    interleaving: u64,
    mistakes: Mistakes,
) -> Result<Tally, String> {
    let (history, recent, _) = planned(seed);
    interleave(history.only(numbers), recent, mistakes, &mut StdRng::seed_from_u64(interleaving))
}

fn interleave(
    mut history: History,
    recent: bool,
    mistakes: Mistakes,
    rng: &mut StdRng,
) -> Result<Tally, String> {
    let mut source = Source::default();
    let mut replay = Replay::new(mistakes, recent);
    replay.reads_slowly = one_in(rng, 2);
    let end = history.end();
    let behind = one_in(rng, 2);
    let (mut source_now, mut journal_now) = (if behind { end } else { 0 }, 0);
    history.run_until(source_now, &mut source, rng);
    let mut read_all = false;
    let mut crashes = rng.random_range(0..4);
    for _ in 0..100_000 {
        match rng.random_range(0..10) {
            0 => {
                source_now = (source_now + rng.random_range(1..30)).min(end);
                history.run_until(source_now, &mut source, rng);
            }
            1 if journal_now < source_now => {
                let until = (journal_now + rng.random_range(1..40)).min(source_now);
                replay.read_journal(&history, journal_now, until, rng);
                journal_now = until;
            }
            1 if journal_now == end && !read_all => {
                replay.order.advance(u64::MAX);
                read_all = true;
            }
            2 if one_in(rng, 10) => replay.target.forget_tombstones(rng),
            3 if one_in(rng, 10) && crashes > 0 => {
                crashes -= 1;
                replay.crash(rng);
            }
            4 => replay.start_readings(rng),
            _ => replay.step(&source, rng),
        }
        replay.start_ready();
        if read_all && replay.is_idle() {
            return replay.finish(&source);
        }
    }
    Err(format!("stuck with {} pending", replay.order.pending()))
}

impl Replay {
    fn new(mistakes: Mistakes, recent: bool) -> Self {
        let piped = IndexFacts { default_pipeline: true, ..IndexFacts::default() };
        Self {
            mistakes,
            reads_slowly: false,
            order: Order::new(SKEW),
            target: TargetCluster::default(),
            facts: Facts {
                unnumbered: false,
                elasticsearch_major: Some(if recent { 8 } else { 7 }),
                indices: HashMap::from([("piped".to_owned(), piped)]),
                alias_routing: HashMap::new(),
            },
            meanings: HashMap::new(),
            readings: HashMap::new(),
            doubts: Vec::new(),
            doubted: Vec::new(),
            tasks: Vec::new(),
            swept: Swept::default(),
            kept: BTreeMap::new(),
            sent: Vec::new(),
            next_key: 1_000_000,
            tally: Tally::default(),
        }
    }

    /// Reads what was captured in `from..until`, by the source's clock; stamps are by the proxies'.
    fn read_journal(&mut self, history: &History, from: u64, until: u64, rng: &mut StdRng) {
        let span = from..until;
        for (number, captured) in history.captured.iter().enumerate() {
            let key = ExchangeKey(number as u64);
            if span.contains(&captured.began) {
                self.order.open(
                    key,
                    captured.began + captured.ahead,
                    unsettles(&captured.request(rng)),
                );
            }
        }
        for (number, captured) in history.captured.iter().enumerate() {
            if !span.contains(&captured.closes()) {
                continue;
            }
            let key = ExchangeKey(number as u64);
            let mut exchange = captured.request(rng);
            exchange.answer = captured.answer(rng);
            let meaning = interpret(&exchange, &self.facts);
            let (scope, role) = match &meaning {
                Meaning::Write(write) => (write.scope(), Role::Plain),
                Meaning::Control(control) => (control.scope.clone(), Role::Control),
                Meaning::Read(read) => (read.scope.clone(), Role::Plain),
                Meaning::Doubt(_) | Meaning::Nothing(_) | Meaning::NotSent(_) => {
                    (Scope::Indices(Vec::new()), Role::Plain)
                }
            };
            let answered = captured.closes() + captured.ahead;
            let began = captured.began + captured.ahead;
            self.meanings.insert(key, (meaning, (began, answered)));
            self.order.close(
                key,
                Closed { began: captured.began + captured.ahead, answered, scope, role },
            );
        }
        self.order.advance(until.saturating_sub(1));
    }

    fn start_ready(&mut self) {
        for Ready { key, overlaps_deletion, .. } in self.order.take_ready() {
            if let Some(doubt) = self.readings.remove(&key) {
                self.tasks.push(Task::Read { key, doubt, before: None, found: None });
                continue;
            }
            // A control that readings went in front of before its moment is told of twice.
            let Some((meaning, times_of)) = self.meanings.remove(&key) else { continue };
            let (_, answered) = times_of;
            match meaning {
                Meaning::Write(mut write) => {
                    if overlaps_deletion && !self.mistakes.ignores_overlaps {
                        self.tally.overlaps += 1;
                        write = write.into_doubt(DoubtReason::OverlapsDeletion);
                    }
                    let doubts: Vec<Doubt> = write.doubts().cloned().collect();
                    self.doubt(answered, doubts);
                    match render(&write, Rendering::default()) {
                        None => self.order.finished(key),
                        Some(request) => {
                            let operations: Vec<Operation> = write
                                .operations()
                                .map(|(_, operation)| operation.clone())
                                .collect();
                            self.tally.operations += operations.len();
                            self.tasks.push(Task::Send {
                                key: Some(key),
                                request,
                                operations,
                                times_of,
                                times: 0,
                            });
                        }
                    }
                }
                Meaning::Control(control) => self.tasks.push(Task::Control { key, control }),
                Meaning::Doubt(doubts) => {
                    self.doubt(answered, doubts);
                    self.order.finished(key);
                }
                Meaning::Nothing(_) => self.order.finished(key),
                Meaning::Read(_) | Meaning::NotSent(_) => unreachable!("no client does that"),
            }
        }
    }

    fn doubt(&mut self, answered: u64, doubts: Vec<Doubt>) {
        for doubt in doubts {
            *self.tally.doubts.entry(doubt.reason.as_str()).or_default() += 1;
            let ignored = self.mistakes.ignores_uncertain_deletions
                && matches!(doubt.kind, DoubtKind::Definition { .. });
            if !self.mistakes.drops_doubts && !ignored {
                self.doubted.push((answered, doubt.clone()));
                self.doubts.push((answered, doubt));
            }
        }
    }

    fn start_readings(&mut self, rng: &mut StdRng) {
        for place in (0..self.doubts.len()).rev() {
            let ready =
                self.mistakes.reads_doubts_early || self.order.doubt_ready(self.doubts[place].0);
            if !ready || one_in(rng, 3) {
                continue;
            }
            let (_, doubt) = self.doubts.swap_remove(place);
            let key = ExchangeKey(self.next_key);
            self.next_key += 1;
            let role = match doubt.kind {
                DoubtKind::Definition { .. } => Role::Control,
                _ if self.mistakes.reads_at_once => Role::Plain,
                _ => Role::Reading,
            };
            self.order.add_reading(key, resolve::scope(&doubt), role);
            self.readings.insert(key, doubt);
            self.tally.readings += 1;
        }
    }

    /// Does one thing of one task.
    fn step(&mut self, source: &Source, rng: &mut StdRng) {
        if self.tasks.is_empty() {
            return;
        }
        let place = rng.random_range(0..self.tasks.len());
        if self.reads_slowly && matches!(self.tasks[place], Task::Read { .. }) && !one_in(rng, 30) {
            return;
        }
        match self.tasks.swap_remove(place) {
            Task::Send { key, request, operations, times_of, times } => {
                // The connection may break when some is executed, and all is sent again.
                let breaks = times < 3 && one_in(rng, 4);
                let limit = (breaks && request.shape == Shape::Bulk)
                    .then(|| rng.random_range(0..=operations.len()));
                self.deliver(&request, &operations, limit);
                self.keep(&request, &operations, times_of);
                if breaks {
                    let times = times + 1;
                    self.tasks.push(Task::Send { key, request, operations, times_of, times });
                } else if let Some(key) = key {
                    self.order.finished(key);
                }
            }
            Task::Control { key, control } => {
                // Its moment may have come only now, and readings before it.
                if !self.order.begin(key) {
                    self.meanings.insert(key, (Meaning::Control(control), (0, 0)));
                    return;
                }
                self.tally.controls += 1;
                match (control.kind, control.scope) {
                    (ControlKind::DeleteIndex, Scope::Indices(names)) => {
                        self.target.indices.retain(|name, _| !names.contains(name));
                    }
                    (ControlKind::CreateIndex, Scope::Indices(names)) => {
                        names.iter().for_each(|name| self.target.create(name));
                    }
                    // Every write names the index behind it.
                    (ControlKind::Aliases, _) => {}
                    other => unreachable!("{other:?}"),
                }
                self.order.finished(key);
            }
            Task::Read { key, doubt, before, found } => {
                self.read_on(key, doubt, before, found, source)
            }
        }
    }

    /// Reads the target, then the source, then writes.
    fn read_on(
        &mut self,
        key: ExchangeKey,
        doubt: Doubt,
        before: Option<Before>,
        found: Option<Found>,
        source: &Source,
    ) {
        let source_first = self.mistakes.reads_the_source_first;
        match (before, found) {
            (None, found) if found.is_some() || !source_first => {
                if let DoubtKind::Definition { scope, deletes: true } = &doubt.kind {
                    self.target.indices.retain(|name, _| !scope.contains(name));
                }
                let before = Some(resolve::read_target(&doubt, &self.target));
                self.tasks.push(Task::Read { key, doubt, before, found });
            }
            (before, None) => {
                let found = Some(resolve::read_source(
                    &doubt,
                    source,
                    &self.target,
                    &mut self.swept,
                    self.mistakes,
                ));
                self.tasks.push(Task::Read { key, doubt, before, found });
            }
            (Some(before), Some(found)) => {
                let operations = resolve::operations(&before, &found);
                if let Some(request) = render_documents(&operations) {
                    self.deliver(&request, &operations, None);
                }
                self.order.finished(key);
            }
            (None, Some(_)) => unreachable!("then the target is read"),
        }
    }

    /// Sends a request, and again after making the indices that it lacks.
    fn deliver(&mut self, request: &Request, operations: &[Operation], limit: Option<usize>) {
        loop {
            let (status, body) = self.target.answer(request, limit);
            let count = limit.unwrap_or(operations.len());
            let outcomes = outcomes(request.shape, status, &body, count).expect("readable");
            let mut missing = false;
            for (outcome, operation) in outcomes.iter().zip(operations) {
                match outcome {
                    Outcome::IndexMissing => {
                        missing = true;
                        self.target.create(&operation.address.index);
                    }
                    outcome => assert!(outcome.is_success(), "{outcome:?}"),
                }
            }
            if !missing {
                break;
            }
        }
    }

    /// Remembers what was sent for the journal: deletes, and what may come again.
    fn keep(&mut self, request: &Request, operations: &[Operation], (began, answered): (u64, u64)) {
        let mut went_to: Vec<(String, u64)> = Vec::new();
        for operation in operations {
            let name = operation.address.index.to_string();
            self.target.create(&name);
            let made = self.target.indices[&name].number;
            if operation.change == Change::Delete {
                let Address { id, routing, .. } = operation.address.clone();
                let kept = self.kept.entry((name.clone(), id, routing)).or_default();
                kept.push((answered, operation.clone()));
            }
            went_to.push((name, made));
        }
        self.sent.push((request.clone(), operations.to_vec(), began, went_to));
    }

    /// A crash: what began since some time is read from the journal again and sent in another order. Doubts that
    /// were answered since then are read again too.
    fn crash(&mut self, rng: &mut StdRng) {
        let Some((_, _, since, _)) = self.sent.get(rng.random_range(0..self.sent.len().max(1)))
        else {
            return;
        };
        let since = *since;
        let mut again: Vec<Sent> =
            self.sent.iter().filter(|(_, _, began, _)| *began >= since).cloned().collect();
        again.shuffle(rng);
        for (request, operations, _, went_to) in again {
            let same = |(name, made): &(String, u64)| {
                self.target.indices.get(name).is_some_and(|index| index.number == *made)
            };
            if went_to.iter().all(same) {
                self.deliver(&request, &operations, None);
            }
        }
        let doubted = self.doubted.iter().filter(|(answered, _)| *answered >= since);
        self.doubts.extend(doubted.cloned());
    }

    fn is_idle(&self) -> bool {
        self.tasks.is_empty()
            && self.doubts.is_empty()
            && self.readings.is_empty()
            && self.meanings.is_empty()
            && self.order.pending() == 0
    }

    /// The delete sweep, then the comparison.
    fn finish(mut self, source: &Source) -> Result<Tally, String> {
        if !self.mistakes.forgets_deletes {
            for ((name, ..), deletes) in std::mem::take(&mut self.kept) {
                let Some(index) = source.indices.get(&name) else { continue };
                // Those of an index before it are superseded.
                let newest = deletes
                    .into_iter()
                    .filter(|(answered, _)| answered.saturating_add(SKEW) >= index.created)
                    .max_by_key(|(_, delete)| delete.version);
                if let Some((_, delete)) = newest {
                    let operations = [delete];
                    let request = render_documents(&operations).expect("one");
                    self.deliver(&request, &operations, None);
                }
            }
        }
        let (expected, found) = (source.contents(), self.target.contents());
        if expected == found {
            return Ok(self.tally);
        }
        let differs = expected
            .keys()
            .chain(found.keys())
            .find(|key| expected.get(key) != found.get(key))
            .expect("they differ");
        Err(format!(
            "{differs:?}: source {:?}, target {:?}",
            expected.get(differs),
            found.get(differs)
        ))
    }
}

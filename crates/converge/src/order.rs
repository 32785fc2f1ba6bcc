//! Which exchanges may run now, and which wait for others.
//!
//! Documents need no order: their versions carry it. What needs order across connections are
//! control requests, deletions of indices above all, and the reading of doubts. One replayer holds
//! one [`Order`] and tells it what it reads from the journal and what it has finished on the
//! target:
//!
//! ```text
//! open(key, began)     a request that may change something was read from the journal
//! close(key, Closed)   its end too, with what it touches
//! advance(low_water)   all up to this time has been read: admits what was answered before
//! take_ready()         what is free to run now
//! begin(key)           a control's moment has come: whether nothing has come in front of it since
//! finished(key)        it has been answered on the target (or nothing was to be sent)
//! ```
//!
//! Exchanges are admitted in the order of the source's answers. Of two that conflict (their scopes
//! meet and one of them is a control) the one answered later waits for the other. Waiting only ever
//! looks back in this order, and on one connection answers come in the order of the requests, so
//! there is no deadlock, neither among exchanges nor with a connection's own order. That holds for
//! what comes late too, from a partition that another replayer had read: it goes in front of
//! controls that were answered later and haven't begun.
//!
//! Memory is proportional to what is open, closed or not finished.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::scope::Scope;

/// A caller's name for an exchange, or for the reading of a doubt. Unique while it isn't finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeKey(pub u64);

/// A captured exchange that is over.
#[derive(Clone, Debug)]
pub struct Closed {
    /// When the first byte of the request was captured, in nanoseconds of any one clock.
    pub began: u64,
    /// When its answer was complete; for one that has none, a time by which the source has surely
    /// finished with it (the connection's end and some grace).
    pub answered: u64,
    pub scope: Scope,
    pub role: Role,
}

/// How an exchange conflicts with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A write of documents or a read: conflicts with controls.
    Plain,
    /// The reading of a doubt: conflicts with controls and with other readings. Of two at once on
    /// one document one could find the document on the source and, before it has written it, the
    /// other could find it gone there and not yet on the target: then nothing would delete it
    /// again.
    Reading,
    /// Conflicts with everything in its scope.
    Control,
}

/// An exchange that may run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub key: ExchangeKey,
    /// The source may have executed it before or after a deletion of an index in its scope: what it
    /// wrote is doubt, see [`crate::Write::into_doubt`]. Of no meaning for reads and controls.
    pub overlaps_deletion: bool,
    /// It had to follow another one.
    pub waited: bool,
}

/// The order of one replayer. See the module's documentation.
#[derive(Debug)]
pub struct Order {
    clock_skew: u64,
    low_water: u64,
    /// Began and not finished: of those that may change something.
    unfinished_changes: BTreeSet<(u64, ExchangeKey)>,
    began: HashMap<ExchangeKey, u64>,
    /// Over, but later than the low-water mark: by (answered, key).
    closed: BTreeMap<(u64, ExchangeKey), Closed>,
    /// When each of those was answered.
    answers: HashMap<ExchangeKey, u64>,
    /// Admitted and not finished, in the order of admission.
    admitted: BTreeMap<u64, Admitted>,
    places: HashMap<ExchangeKey, u64>,
    /// The places of the controls and of the readings among them.
    controls: BTreeSet<u64>,
    readings: BTreeSet<u64>,
    /// The places of readings that didn't go in front of controls, for one that did may not follow them.
    behind: BTreeSet<u64>,
    next_place: u64,
    /// Deletions that something not yet admitted may overlap.
    deletions: HashMap<ExchangeKey, Deletion>,
    ready: Vec<Ready>,
}

#[derive(Debug)]
struct Admitted {
    key: ExchangeKey,
    scope: Scope,
    overlaps_deletion: bool,
    /// A control whose moment hasn't come: readings go in front of it.
    ahead: bool,
    reading: bool,
    /// When the source had answered it; 0 of a reading.
    answered: u64,
    /// For how many it waits.
    waits_for: usize,
    /// The places of those that wait for it.
    awaited_by: Vec<u64>,
}

/// What is known of an exchange when it gets its place.
#[derive(Clone, Copy, Debug, Default)]
struct Lot {
    overlaps_deletion: bool,
    ahead: bool,
    reading: bool,
    /// 0 of a reading.
    answered: u64,
}

#[derive(Debug)]
struct Deletion {
    began: u64,
    /// `u64::MAX` while it is open.
    answered: u64,
    scope: Scope,
}

impl Order {
    /// `clock_skew`: by how many nanoseconds two captured times may be wrong against each other.
    pub fn new(clock_skew: u64) -> Self {
        Self {
            clock_skew,
            low_water: 0,
            unfinished_changes: BTreeSet::new(),
            began: HashMap::new(),
            closed: BTreeMap::new(),
            answers: HashMap::new(),
            admitted: BTreeMap::new(),
            places: HashMap::new(),
            controls: BTreeSet::new(),
            readings: BTreeSet::new(),
            behind: BTreeSet::new(),
            next_place: 0,
            deletions: HashMap::new(),
            ready: Vec::new(),
        }
    }

    /// A request that may change something was read from the journal, before its answer. Reads need
    /// no opening.
    ///
    /// `deletes`: the indices that it deletes if it succeeds, see [`crate::unsettles`]; when that is
    /// known only from the body, open it again.
    pub fn open(&mut self, key: ExchangeKey, began: u64, deletes: Option<Scope>) {
        self.began.insert(key, began);
        self.unfinished_changes.insert((began, key));
        if let Some(scope) = deletes {
            self.deletions.insert(key, Deletion { began, answered: u64::MAX, scope });
        }
    }

    /// An exchange is over. It is admitted when the low-water mark has passed its answer by the
    /// clock skew.
    pub fn close(&mut self, key: ExchangeKey, closed: Closed) {
        if let Some(deletion) = self.deletions.get_mut(&key) {
            deletion.answered = closed.answered;
        }
        self.answers.insert(key, closed.answered);
        self.closed.insert((closed.answered, key), closed);
        self.admit();
    }

    /// Everything that was captured up to this time has been given to [`Order::open`] and
    /// [`Order::close`]. At the end of the journal, when all are closed: `u64::MAX`.
    pub fn advance(&mut self, low_water: u64) {
        self.low_water = self.low_water.max(low_water);
        self.admit();
        self.forget_deletions();
    }

    /// Adds work that isn't an exchange, the reading of a doubt ([`Role::Reading`], or
    /// [`Role::Control`] to make an index anew): it gets the next place. It waits for the controls
    /// admitted so far that conflict, and controls admitted later wait for it: otherwise what was
    /// read before an index was deleted could be written after. It is finished when what was read
    /// has been written.
    ///
    /// A [`Role::Reading`] goes in front of controls that haven't begun ([`Order::begin`]): one that
    /// was read far ahead of its moment would hold it up for as long. It does not while one is there
    /// that makes an index anew: that waits for all before it, such controls too.
    pub fn add_reading(&mut self, key: ExchangeKey, scope: Scope, role: Role) {
        self.place(key, scope, role, Lot { reading: true, ..Lot::default() });
    }

    /// Asked before a control that was ready is sent. `false`: a reading has come in front of it; it
    /// will be among those of [`Order::take_ready`] again.
    pub fn begin(&mut self, key: ExchangeKey) -> bool {
        let place = self.places.get(&key);
        let Some(admitted) = place.and_then(|place| self.admitted.get_mut(place)) else {
            return true;
        };
        let free = admitted.waits_for == 0;
        admitted.ahead &= !free;
        free
    }

    /// What has become free to run since the last call, in the order of admission as far as
    /// possible.
    pub fn take_ready(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.ready)
    }

    /// An exchange has been answered on the target, or there was nothing to send, or somebody else has done it before
    /// its turn came here. Doubts that it left don't hold it up: they have their own rule, [`Order::doubt_ready`].
    pub fn finished(&mut self, key: ExchangeKey) {
        if let Some(began) = self.began.remove(&key) {
            self.unfinished_changes.remove(&(began, key));
        }
        // Given a place later, it would never be finished, and hold up what comes behind it for ever.
        if let Some(answered) = self.answers.remove(&key) {
            self.closed.remove(&(answered, key));
        }
        let Some(place) = self.places.remove(&key) else { return };
        self.controls.remove(&place);
        self.readings.remove(&place);
        self.behind.remove(&place);
        let Some(done) = self.admitted.remove(&place) else { return };
        for waiting in done.awaited_by {
            let Some(next) = self.admitted.get_mut(&waiting) else { continue };
            next.waits_for = next.waits_for.saturating_sub(1);
            if next.waits_for == 0 {
                let overlaps_deletion = next.overlaps_deletion;
                self.ready.push(Ready { key: next.key, overlaps_deletion, waited: true });
            }
        }
        self.forget_deletions();
    }

    /// Whether a doubt left by an exchange answered at `answered` may be read from the source:
    /// everything that began before has been finished on the target.
    ///
    /// What the source has is written with its own version, and then any order is right. But what
    /// is gone is deleted on the target with the version that the target has, for want of another.
    /// An operation that the source executed before it was gone, but which reaches the target after
    /// that delete, would bring the document back, and nothing would delete it again. Such an
    /// operation began before the doubt's answer; what began later was executed later, and if the
    /// document is gone in spite of it, there is a later delete (or doubt) in the journal to say
    /// so.
    pub fn doubt_ready(&self, answered: u64) -> bool {
        let horizon = answered.saturating_add(self.clock_skew);
        self.low_water >= horizon
            && self.unfinished_changes.first().is_none_or(|(began, _)| *began > horizon)
    }

    /// When the oldest change began that isn't finished.
    pub fn oldest_unfinished(&self) -> Option<u64> {
        self.unfinished_changes.first().map(|(began, _)| *began)
    }

    /// For which exchanges this one waits; empty when it is free, or not admitted.
    pub fn waits_for(&self, key: ExchangeKey) -> Vec<ExchangeKey> {
        let Some(place) = self.places.get(&key) else { return Vec::new() };
        self.admitted
            .values()
            .filter(|other| other.awaited_by.contains(place))
            .map(|other| other.key)
            .collect()
    }

    /// How many exchanges are known and not finished.
    pub fn pending(&self) -> usize {
        let opened = self.began.keys().filter(|key| !self.places.contains_key(key));
        let reads = self.closed.keys().filter(|(_, key)| !self.began.contains_key(key));
        self.admitted.len() + opened.count() + reads.count()
    }

    fn admit(&mut self) {
        while let Some(first) = self.closed.first_entry() {
            let (answered, key) = *first.key();
            if answered.saturating_add(self.clock_skew) > self.low_water {
                return;
            }
            let closed = first.remove();
            self.answers.remove(&key);
            let lot = Lot {
                overlaps_deletion: closed.role == Role::Plain
                    && self.overlaps_deletion(key, &closed),
                ahead: closed.role == Role::Control,
                reading: false,
                answered,
            };
            self.place(key, closed.scope, closed.role, lot);
        }
    }

    /// Whether the source may have executed this on either side of a deletion.
    ///
    /// Deletions that are still open count: the low-water mark has passed this exchange's answer by
    /// the skew, so that every deletion that may have begun before it is known.
    fn overlaps_deletion(&self, key: ExchangeKey, closed: &Closed) -> bool {
        self.deletions.iter().any(|(deleting, deletion)| {
            *deleting != key
                && closed.began <= deletion.answered.saturating_add(self.clock_skew)
                && deletion.began <= closed.answered.saturating_add(self.clock_skew)
                && deletion.scope.intersects(&closed.scope)
        })
    }

    /// Gives an exchange its place behind all that were admitted before, and finds for which it
    /// waits.
    fn place(&mut self, key: ExchangeKey, scope: Scope, role: Role, lot: Lot) {
        let Lot { overlaps_deletion, ahead, reading, answered } = lot;
        let passes = role == Role::Reading && self.behind.is_empty();
        let place = self.next_place;
        self.next_place += 1;
        // Read again after it had come to another replayer: what was answered later mustn't hold it up, and goes
        // behind it where it hasn't begun.
        let mut controls = self.controls.iter().filter_map(|control| self.admitted.get(control));
        let is_late = !reading && controls.any(|control| control.answered > answered);
        let (mut waits_for, mut awaited_by) = (0, Vec::new());
        let mut wait = |(at, other): (u64, &mut Admitted)| {
            if !other.scope.intersects(&scope) {
                return;
            }
            let is_later = !reading && other.answered > answered;
            let in_front = other.ahead && (passes || is_later)
                || is_late && other.reading && other.waits_for > 0;
            if in_front {
                other.waits_for += 1;
                awaited_by.push(at);
            } else if !is_later {
                other.awaited_by.push(place);
                waits_for += 1;
            }
        };
        match role {
            Role::Control => {
                self.admitted.iter_mut().for_each(|(at, other)| wait((*at, other)));
            }
            Role::Plain | Role::Reading => {
                let readings = self.readings.iter().filter(|_| role == Role::Reading);
                for other in self.controls.iter().chain(readings) {
                    if let Some(control) = self.admitted.get_mut(other) {
                        wait((*other, control));
                    }
                }
            }
        }
        match role {
            Role::Control => self.controls.insert(place),
            Role::Reading => self.readings.insert(place),
            Role::Plain => false,
        };
        if reading && !passes {
            self.behind.insert(place);
        }
        if waits_for == 0 {
            self.ready.push(Ready { key, overlaps_deletion, waited: false });
        }
        self.places.insert(key, place);
        let admitted = Admitted {
            key,
            scope,
            overlaps_deletion,
            ahead,
            reading,
            answered,
            waits_for,
            awaited_by,
        };
        self.admitted.insert(place, admitted);
    }

    /// Forgets deletions that nothing can overlap any more: what isn't admitted yet, known or not,
    /// began later.
    fn forget_deletions(&mut self) {
        if self.deletions.is_empty() {
            return;
        }
        let opened = self.unfinished_changes.first().map_or(u64::MAX, |(began, _)| *began);
        let closed = self.closed.values().map(|closed| closed.began).min().unwrap_or(u64::MAX);
        let earliest = opened.min(closed).min(self.low_water);
        let skew = self.clock_skew;
        let places = &self.places;
        let began = &self.began;
        self.deletions.retain(|key, deletion| {
            began.contains_key(key)
                || places.contains_key(key)
                || deletion.answered.saturating_add(skew) >= earliest
        });
    }
}

#[cfg(test)]
mod tests;

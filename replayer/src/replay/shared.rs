//! One of several replayers: what it has to know of the others, and what they wait for.
//!
//! Documents need no order, wherever they are read. A control does: it is announced before the mark that passes its
//! answer, so that each replayer has it in its own order, as an exchange that somebody else sends. It is sent when
//! everybody has finished what was answered before, and in turn: controls and readings of the source run in one
//! replayer at a time.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use codec::record::Nanos;
use converge::{
    Exchange, Meaning, Scope, Selection,
    order::{Closed, ExchangeKey, Ready, Role},
};
use tokio::time::Instant;

use super::{Conductor, nanos, touches};
use crate::{
    exchange::{Job, What},
    group::{Announced, Announcements, Group, Member, Told, View},
    indices,
};

/// Behind our own clock: what was captured before, by proxies that have been silent for longer, has been read.
const SILENCE: Duration = Duration::from_secs(20);

/// What a conductor that shares a journal holds beside.
pub(super) struct Share {
    group: Arc<Group>,
    view: View,
    /// When the view came: an old one says nothing of whose turn it is.
    seen: Instant,
    timeout: Duration,
    partitions: BTreeSet<i32>,
    /// Own controls and deletions, by name.
    announced: Announcements,
    names: HashMap<ExchangeKey, String>,
    /// The others', by name, and what was captured of them.
    remote: HashMap<String, Remote>,
    told: HashMap<String, Told>,
    remote_names: HashMap<ExchangeKey, String>,
    /// Own exchanges that are over and not finished, by their answer.
    unfinished: BTreeSet<(u64, ExchangeKey)>,
    answers: HashMap<ExchangeKey, u64>,
    /// Controls that wait for their turn.
    controls: Vec<(Box<Job>, Instant)>,
    /// Readings that do.
    readings: Vec<ExchangeKey>,
    /// What runs under the turn that we have.
    guarded: HashSet<ExchangeKey>,
    wants: bool,
    /// How often partitions have gone: a view from before says nothing of what they held.
    moves: u64,
    /// The turn is over when what runs is done.
    closing: bool,
    /// Nothing has come for long: the proxies are gone.
    pub(super) quiet: bool,
}

/// A control that another replayer sends, in our order.
struct Remote {
    key: ExchangeKey,
    began: u64,
    answered: Option<u64>,
    /// It has been its turn here.
    ready: Option<Ready>,
    deletes: Vec<Selection>,
}

impl Share {
    pub(super) fn new(group: Arc<Group>, timeout: Duration) -> Self {
        Self {
            group,
            view: View::default(),
            seen: Instant::now(),
            timeout,
            partitions: BTreeSet::new(),
            announced: Announcements::new(),
            names: HashMap::new(),
            remote: HashMap::new(),
            told: HashMap::new(),
            remote_names: HashMap::new(),
            unfinished: BTreeSet::new(),
            answers: HashMap::new(),
            controls: Vec::new(),
            readings: Vec::new(),
            guarded: HashSet::new(),
            wants: false,
            moves: 0,
            closing: false,
            quiet: false,
        }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.view.members <= 1
    }

    /// Whether everybody has read everything, and nothing waits here. Who comes when the others have read everything already waits
    /// for its share of what they haven't sent.
    pub(super) fn is_at_end(&self) -> bool {
        let has_share = !self.partitions.is_empty() || self.view.done == u64::MAX;
        has_share
            && self.view.read == u64::MAX
            && self.controls.is_empty()
            && self.readings.is_empty()
    }

    pub(super) fn gain(&mut self, partition: i32) {
        self.partitions.insert(partition);
    }

    pub(super) fn lose(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.moves += 1;
        self.group.own.lock().moves = self.moves;
    }

    /// Up to which time the others have finished what began.
    pub(super) fn began(&self) -> u64 {
        self.view.began
    }

    pub(super) fn held(&self) -> u64 {
        self.view.held
    }

    /// Controls that wait for other replayers.
    pub(super) fn controls(&self) -> usize {
        self.controls.len()
    }

    /// Controls whose moment has come and that wait for their turn; they count as running.
    pub(super) fn waiting(&mut self) -> &mut Vec<(Box<Job>, Instant)> {
        &mut self.controls
    }

    fn announce(&mut self, key: ExchangeKey, name: String, announced: Announced) {
        self.announced.insert(name.clone(), announced);
        self.names.insert(key, name);
    }

    /// An exchange is over.
    fn closed(&mut self, key: ExchangeKey, answered: u64) {
        self.unfinished.insert((answered, key));
        self.answers.insert(key, answered);
    }

    fn finished(&mut self, key: ExchangeKey) {
        if let Some(answered) = self.answers.remove(&key) {
            self.unfinished.remove(&(answered, key));
        }
        if let Some(name) = self.names.remove(&key) {
            self.announced.remove(&name);
        }
    }

    /// Asked before something that only one replayer does at a time; `answered`: of a control.
    fn begin(&mut self, key: ExchangeKey, answered: Option<u64>) -> bool {
        // What the others haven't finished comes first, and may need the turn.
        if answered.is_some_and(|at| self.view.done < at) {
            return false;
        }
        if !self.wants {
            self.wants = true;
            self.group.own.lock().wants_turn = true;
            self.group.wake.notify_one();
        }
        let is_ours = self.view.turn && self.seen.elapsed() < self.timeout / 2;
        if !is_ours || self.closing {
            return false;
        }
        self.guarded.insert(key);
        true
    }

    /// Something of that is done.
    fn ended(&mut self, key: ExchangeKey) {
        if self.guarded.remove(&key) && self.guarded.is_empty() {
            self.group.wake.notify_one();
        }
    }

    fn publish(&mut self, member: Member) {
        let mut own = self.group.own.lock();
        own.member = member;
        own.wants_turn = self.wants || !self.guarded.is_empty();
        if self.view.turn && self.guarded.is_empty() && (self.closing || !self.wants) {
            own.gives_turn_back = true;
            // Until the next view says so, it isn't ours.
            self.view.turn = false;
            self.closing = false;
            self.group.wake.notify_one();
        }
    }
}

impl Conductor {
    /// An exchange is finished on the target, or there was nothing to do.
    pub(super) fn finish(&mut self, key: ExchangeKey) {
        if let Some(share) = &mut self.share {
            share.finished(key);
        }
        self.order.finished(key);
    }

    /// An exchange of a partition that another replayer reads: a control stays in the order, as the other's.
    pub(super) fn hand_over(&mut self, key: ExchangeKey, ready: bool, deletes: Vec<Selection>) {
        let Some(share) = &mut self.share else { return };
        let named = share.names.get(&key).cloned();
        let announced = named.as_ref().and_then(|name| share.announced.get(name).cloned());
        share.finished(key);
        let (Some(name), Some(announced)) = (named, announced) else {
            return self.order.finished(key);
        };
        if share.remote.contains_key(&name) {
            // It has its place already, from when the partition was another's before.
            return self.order.finished(key);
        }
        let ready = ready.then_some(Ready { key, overlaps_deletion: false, waited: false });
        let Announced { began, answered, .. } = announced;
        share.remote.insert(name.clone(), Remote { key, began, answered, ready, deletes });
        share.remote_names.insert(key, name);
    }

    /// A request was read that deletes what `scope` says if it succeeds.
    pub(super) fn open_deletion(
        &mut self,
        key: ExchangeKey,
        name: String,
        began: u64,
        scope: Scope,
    ) {
        if let Some(share) = &mut self.share {
            share.announce(key, name, Announced::deleting(began, &scope));
        }
        self.order.open(key, began, Some(scope));
    }

    /// An exchange is over: gives it its place in the order. What another replayer has announced of it before, when it
    /// read the partition, is taken over: others may wait for that already. `true`: it is free to run.
    pub(super) fn close(
        &mut self,
        name: String,
        exchange: &Exchange,
        key: &mut ExchangeKey,
        closed: Closed,
    ) -> Option<Ready> {
        let Some(share) = &mut self.share else {
            self.order.close(*key, closed);
            return None;
        };
        let (began, answered, is_control) =
            (closed.began, closed.answered, closed.role == Role::Control);
        let deletes = share.announced.get(&name).and_then(|open| open.deletes.clone());
        let mut ready = None;
        match share.remote.remove(&name) {
            None => self.order.close(*key, closed),
            Some(remote) => {
                share.remote_names.remove(&remote.key);
                share.finished(*key);
                self.order.finished(*key);
                *key = remote.key;
                ready = remote.ready;
                if remote.answered.is_none() {
                    self.order.close(*key, closed);
                }
            }
        }
        share.closed(*key, answered);
        if is_control {
            let announced = Announced { began, answered: Some(answered), deletes };
            share.announce(*key, name.clone(), announced);
            share.group.own.lock().tell.push((name, Told::of(exchange)));
        }
        ready
    }

    /// Whether a doubt that was answered then may be read from the source: here and elsewhere everything that began
    /// before is finished.
    pub(super) fn doubt_ready(&self, answered: u64) -> bool {
        let horizon = answered.saturating_add(nanos(self.context.settings.clock_skew));
        let elsewhere = self.share.as_ref().is_none_or(|share| share.began() > horizon);
        elsewhere && self.order.doubt_ready(answered)
    }

    /// Whether this is a control that another replayer sends.
    pub(super) fn is_remote(&mut self, ready: Ready) -> bool {
        let Some(share) = &mut self.share else { return false };
        let Some(name) = share.remote_names.get(&ready.key) else { return false };
        if let Some(remote) = share.remote.get_mut(name) {
            remote.ready = Some(ready);
        }
        true
    }

    /// Whether a reading, or deletes that are sent again, may run now; else it is tried again when its turn comes.
    pub(super) fn begin_reading(&mut self, key: ExchangeKey) -> bool {
        let Some(share) = &mut self.share else { return true };
        let begins = share.begin(key, None);
        if !begins {
            share.readings.push(key);
        }
        begins
    }

    /// Whether a control may be sent now.
    pub(super) fn begin_turn(&mut self, key: ExchangeKey, answered: u64) -> bool {
        self.share.as_mut().is_none_or(|share| share.begin(key, Some(answered)))
    }

    pub(super) fn wait_for_turn(&mut self, job: Box<Job>, moment: Instant) {
        if let Some(share) = &mut self.share {
            share.controls.push((job, moment));
        }
        // Others aren't to wait for it.
        self.pacer.done();
    }

    pub(super) fn end_turn(&mut self, key: ExchangeKey) {
        if let Some(share) = &mut self.share {
            share.ended(key);
        }
    }

    /// Takes in what the others say.
    pub(super) async fn take_view(&mut self, mut view: View) {
        let Some(share) = &mut self.share else { return };
        share.told.extend(std::mem::take(&mut view.told));
        // Whoever has had it for a while lets the others have it.
        share.closing = view.turn && view.awaited && share.view.turn;
        let is_new = view.moves == share.moves;
        share.view = view;
        share.seen = Instant::now();
        share.wants = false;
        self.meet_remote();
        for (name, exchange) in self.told_and_open() {
            self.close_remote(&name, &exchange).await;
        }
        if is_new {
            self.part_from_remote();
        }
        if let Some(share) = &self.share {
            self.order.advance(share.view.read);
        }
        self.try_again();
        self.publish();
    }

    /// Controls of others that are new.
    fn meet_remote(&mut self) {
        let Some(share) = &mut self.share else { return };
        for (name, announced) in &share.view.elsewhere {
            if share.remote.contains_key(name) || share.announced.contains_key(name) {
                continue;
            }
            self.next_key += 1;
            let (key, began) = (ExchangeKey(self.next_key), announced.began);
            self.order.open(key, began, announced.scope());
            let remote = Remote { key, began, answered: None, ready: None, deletes: Vec::new() };
            share.remote.insert(name.clone(), remote);
            share.remote_names.insert(key, name.clone());
        }
    }

    /// Others' controls that are open here although they have been answered. What is told of one may come before the
    /// partition goes that it is of.
    fn told_and_open(&mut self) -> Vec<(String, Exchange)> {
        let Some(share) = &mut self.share else { return Vec::new() };
        let (told, elsewhere) = (&mut share.told, &share.view.elsewhere);
        told.retain(|name, _| elsewhere.contains_key(name));
        let open = told.iter().filter(|(name, _)| {
            share.remote.get(*name).is_some_and(|remote| remote.answered.is_none())
        });
        open.map(|(name, told)| (name.clone(), told.exchange())).collect()
    }

    /// What was captured of another's control.
    async fn close_remote(&mut self, name: &str, exchange: &Exchange) {
        let Some(share) = &self.share else { return };
        let Some(answered) = share.view.elsewhere.get(name).and_then(|one| one.answered) else {
            return;
        };
        let meaning = self.interpret(exchange).await;
        let Meaning::Control(control) = &meaning else {
            tracing::warn!(name, "another replayer's control isn't one here");
            if let Some(share) = &mut self.share {
                share.told.remove(name);
            }
            return;
        };
        let deletes = control.deletes.clone();
        let (scope, role) = touches(&What::Converge(meaning));
        let Some(share) = &mut self.share else { return };
        let Some(remote) = share.remote.get_mut(name) else { return };
        (remote.answered, remote.deletes) = (Some(answered), deletes);
        self.order.close(remote.key, Closed { began: remote.began, answered, scope, role });
    }

    /// Controls that nobody announces any more, although everything up to their time has been read: they are done.
    fn part_from_remote(&mut self) {
        let skew = nanos(self.context.settings.clock_skew);
        let Some(share) = &mut self.share else { return };
        let (view, mut done) = (&share.view, Vec::new());
        share.remote.retain(|name, remote| {
            let at = remote.answered.unwrap_or(remote.began).saturating_add(skew);
            let stays = view.elsewhere.contains_key(name) || view.read < at;
            if !stays {
                done.push((remote.key, remote.answered, std::mem::take(&mut remote.deletes)));
            }
            stays
        });
        for (key, answered, deletes) in done {
            share.remote_names.remove(&key);
            for named in deletes {
                self.context.indices.remember_deletion(named, answered.unwrap_or(0));
            }
            self.order.finished(key);
        }
    }

    /// What waited for its turn.
    fn try_again(&mut self) {
        let Some(share) = &mut self.share else { return };
        let mut controls = std::mem::take(&mut share.controls);
        let readings = std::mem::take(&mut share.readings);
        controls.sort_by_key(|(job, _)| job.captured.ended);
        for (job, moment) in controls {
            self.pacer.again();
            self.begin_control(job, moment);
        }
        for key in readings {
            self.run_ready(key);
        }
    }

    /// Says how far this replayer is.
    pub(super) fn publish(&mut self) {
        let (own_read, newest_read) = (self.low_water.get(), self.at_end.is_some());
        let held = self.held_back.oldest();
        let unfinished = self.order.oldest_unfinished();
        let Some(share) = &mut self.share else { return };
        let silent = indices::now().saturating_sub(nanos(SILENCE));
        let read: Nanos = match share.partitions.is_empty() || newest_read {
            true => u64::MAX,
            false if share.quiet => own_read.max(silent),
            false => own_read,
        };
        let answered = share.unfinished.first().map_or(u64::MAX, |(at, _)| *at);
        share.publish(Member {
            beat: 0,
            partitions: share.partitions.iter().copied().collect(),
            read,
            done: answered.min(read),
            began: unfinished.unwrap_or(u64::MAX).min(read),
            held: held.unwrap_or(u64::MAX),
            controls: share.announced.clone(),
        });
    }
}

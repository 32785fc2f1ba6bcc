//! What the two ways of one client's connection know of each other.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use buffer::Budget;
use codec::http1::{Method, Reason, RequestHead};
use codec::record::Nanos;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::Settings;
use crate::accept;
use crate::metrics::Metrics;
use crate::recording::Recording;
use crate::tape::Tape;

/// A request whose answer has not ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outstanding {
    pub method: Method,
    pub held: bool,
    /// Whether it and its answer are recorded.
    pub recorded: bool,
    pub since: Nanos,
    /// Whether the client may wait for 100 before it sends the body.
    pub expects: bool,
    /// Whether it asks for another protocol.
    pub upgrade: bool,
    /// Whether the request itself has ended.
    pub ended: bool,
}

/// What both ways of a connection share. All locks are held for a moment, by one task.
pub(crate) struct Connection<'a> {
    pub settings: &'a Settings,
    pub metrics: &'a Metrics,
    pub tape: &'a Tape,
    pub budget: &'a Arc<Budget>,
    recording: &'a Recording,
    from: Option<SocketAddr>,
    /// Who sent the last request, where a trusted balancer says so in each.
    sender: Mutex<Option<IpAddr>>,
    outstanding: Mutex<VecDeque<Outstanding>>,
    opaque: Mutex<Option<Reason>>,
    /// Whether what is opaque is HTTP/2.
    http2: AtomicBool,
    draining: watch::Receiver<bool>,
    answered: Notify,
    /// Whether a request has begun and not ended.
    in_request: AtomicBool,
    /// Whether the last byte that the source was sent is not a request's last.
    midway: AtomicBool,
    /// Requests that the source has whole.
    sent: AtomicU64,
    /// Requests that it has answered: those first, and one more where it answers before it has all.
    answers: AtomicU64,
    /// Whether the client has a part of an answer: then it can't be given another.
    answering: AtomicBool,
    /// Whether a request may change the protocol, and the source has not said whether it does.
    may_switch: AtomicBool,
    /// Whether a part of a head is kept back.
    half_head: AtomicBool,
    /// Whether something is on its way to the client.
    sending: AtomicBool,
    /// Whether the client has been told that the answer at hand is the last.
    last: AtomicBool,
    /// Whether the client has a part of an answer that it would take for the whole if the connection ended.
    looks_whole: AtomicBool,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        metrics: &'a Metrics,
        tape: &'a Tape,
        budget: &'a Arc<Budget>,
        recording: &'a Recording,
        from: Option<SocketAddr>,
    ) -> Connection<'a> {
        Connection {
            settings,
            metrics,
            tape,
            budget,
            recording,
            from,
            sender: Mutex::default(),
            outstanding: Mutex::default(),
            opaque: Mutex::new(None),
            http2: AtomicBool::new(false),
            draining: recording.over(tape.records()),
            answered: Notify::new(),
            in_request: AtomicBool::new(false),
            midway: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            may_switch: AtomicBool::new(false),
            half_head: AtomicBool::new(false),
            sending: AtomicBool::new(false),
            last: AtomicBool::new(false),
            looks_whole: AtomicBool::new(false),
        }
    }

    /// Whether this request and its answer are passed on and not recorded, though others of its connection are; counts it.
    pub(crate) fn leaves_out(&self, head: &RequestHead<'_>, writes: bool) -> bool {
        let counters = match self.recording.off() {
            Some(_) => &self.metrics.left_out.off,
            None if self.settings.left_out.has(head) => &self.metrics.left_out.pattern,
            None => return false,
        };
        counters[usize::from(writes)].inc();
        true
    }

    /// A request with this head has come.
    pub(crate) fn came(&self, head: &[u8]) {
        let entry = &self.settings.entry;
        if !entry.trusted.is_empty() {
            *self.sender.lock() = accept::sender(entry, self.from, head);
        }
    }

    /// Who the last request is from, as far as is known and believed.
    pub(crate) fn sender(&self) -> Option<IpAddr> {
        self.sender.lock().or(self.from.map(|from| from.ip()))
    }

    /// A request has begun.
    pub(crate) fn begun(&self, request: Outstanding) {
        self.in_request.store(true, Ordering::Relaxed);
        self.may_switch.store(request.upgrade, Ordering::Relaxed);
        let mut outstanding = self.outstanding.lock();
        outstanding.push_back(request);
        self.note_open_write(&outstanding);
    }

    /// The request that began last has ended.
    pub(crate) fn ended(&self) {
        self.in_request.store(false, Ordering::Relaxed);
        if let Some(last) = self.outstanding.lock().back_mut() {
            last.ended = true;
        }
    }

    /// Whether the client is in the midst of a request, as far as is known.
    pub(crate) fn is_in_request(&self) -> bool {
        self.in_request.load(Ordering::Relaxed)
    }

    /// The source was sent something; whether a request ends with it.
    pub(crate) fn sent_on(&self, ends: bool) {
        self.midway.store(!ends, Ordering::Relaxed);
        self.sent.fetch_add(u64::from(ends), Ordering::Relaxed);
    }

    /// Whether the source has a part of a request, and not its end.
    pub(crate) fn is_midway(&self) -> bool {
        self.midway.load(Ordering::Relaxed)
    }

    /// The answer to the oldest request has ended; whether that was a write.
    pub(crate) fn answered(&self) -> bool {
        let mut outstanding = self.outstanding.lock();
        let request = outstanding.pop_front();
        self.note_open_write(&outstanding);
        drop(outstanding);
        self.answers.fetch_add(u64::from(request.is_some()), Ordering::Relaxed);
        self.answered.notify_one();
        if request.is_some_and(|request| request.expects && !request.ended) {
            // Answered without 100: some servers read what follows as the body, some as the next
            // request.
            self.turned_opaque(Reason::UnmetExpectation);
        }
        request.is_some_and(|request| request.held)
    }

    fn note_open_write(&self, outstanding: &VecDeque<Outstanding>) {
        let oldest = outstanding.iter().find(|request| request.held);
        self.tape.seat().open_write(oldest.map_or(0, |request| request.since));
    }

    /// Whether a part of an answer went to the client, and not all of it.
    pub(crate) fn answering(&self, in_progress: bool) {
        self.answering.store(in_progress, Ordering::Relaxed);
    }

    /// The oldest request is being answered, and not with another protocol.
    pub(crate) fn stays(&self) {
        if self.outstanding.lock().front().is_some_and(|request| request.upgrade) {
            self.may_switch.store(false, Ordering::Relaxed);
        }
    }

    /// Whether nobody can tell what follows the last request.
    pub(crate) fn is_switching(&self) -> bool {
        self.may_switch.load(Ordering::Relaxed)
    }

    /// A part of a head is kept back, or none is any more.
    pub(crate) fn keep_half_head(&self, kept: bool) {
        self.half_head.store(kept, Ordering::Relaxed);
    }

    /// Whether the proxy may answer a request for the source: the client has the answers to all before it, and nothing of
    /// one to it.
    pub(crate) fn may_answer(&self) -> bool {
        let unanswered = self.sent.load(Ordering::Relaxed) != self.answers.load(Ordering::Relaxed);
        !unanswered && !self.is_in_answer()
    }

    /// Whether the client is yet to have an answer, or the rest of one, to what the source was sent whole.
    pub(crate) fn owes_answers(&self) -> bool {
        let sent = self.sent.load(Ordering::Relaxed);
        sent > self.answers.load(Ordering::Relaxed) || self.is_in_answer()
    }

    fn is_in_answer(&self) -> bool {
        self.answering.load(Ordering::Relaxed) || self.is_sending()
    }

    /// Whether something is on its way to the client.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Relaxed)
    }

    /// The request whose answer comes next.
    pub(crate) fn awaited(&self) -> Option<Outstanding> {
        self.outstanding.lock().front().copied()
    }

    /// Whether a request that was sent whole has no answer yet.
    pub(crate) fn awaits_answers(&self) -> bool {
        let opaque = self.opaque.lock().is_some();
        !opaque && self.outstanding.lock().iter().any(|request| request.ended)
    }

    /// Where requests or answers begin and end is not known from here on. What one direction
    /// doesn't know, the other can't pair.
    pub(crate) fn turned_opaque(&self, reason: Reason) {
        let mut opaque = self.opaque.lock();
        if opaque.is_some() {
            return;
        }
        *opaque = Some(reason);
        self.metrics.opaque.with_label_values(&[reason.as_str()]).inc();
        self.tape.exception(&format!("opaque: {}", reason.as_str()));
    }

    /// Why the connection is opaque, if it is.
    pub(crate) fn opaque(&self) -> Option<Reason> {
        *self.opaque.lock()
    }

    /// What follows, in both directions, is HTTP/2.
    pub(crate) fn speaks_http2(&self) {
        self.http2.store(true, Ordering::Relaxed);
    }

    /// Whether it is: then no secret in it can be found.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// Whether the proxy takes no new connections and waits for those that are open.
    pub(crate) fn is_draining(&self) -> bool {
        // The value changes once, and this receiver never says that it has seen it.
        self.draining.has_changed().unwrap_or(true)
    }

    /// Something goes to the client, or has gone.
    pub(crate) fn sends(&self, in_progress: bool) {
        self.sending.store(in_progress, Ordering::Relaxed);
        if !in_progress && self.is_draining() {
            self.answered.notify_one();
        }
    }

    /// What is kept back of an answer is missing and, if the connection ended, nobody would see that; or nothing is any more.
    pub(crate) fn looks_whole(&self, looks_so: bool) {
        self.looks_whole.store(looks_so, Ordering::Relaxed);
    }

    /// Whether the client is not to see an end of the connection: it breaks.
    pub(crate) fn is_to_break(&self) -> bool {
        self.looks_whole.load(Ordering::Relaxed)
    }

    /// Whether the answer that begins may say that it is the connection's last: the proxy drains, and no other request has
    /// come, nor the beginning of one.
    pub(crate) fn ends_with_this_answer(&self) -> bool {
        let ends = self.is_draining() && {
            let outstanding = self.outstanding.lock();
            outstanding.len() == 1 && outstanding.front().is_some_and(|request| request.ended)
        };
        ends && !self.half_head.load(Ordering::Relaxed)
    }

    /// The client has been told so.
    pub(crate) fn told_last(&self) {
        self.last.store(true, Ordering::Relaxed);
    }

    /// Whether the client has been told: what it sends after that is not a request any more.
    pub(crate) fn is_last(&self) -> bool {
        self.last.load(Ordering::Relaxed)
    }

    /// Resolves when the proxy drains and nothing is in progress here; a client that could not be told is given a moment to
    /// send what it is about to send.
    pub(crate) async fn drained(&self) {
        let mut draining = self.draining.clone();
        if draining.wait_for(|draining| *draining).await.is_err() {
            return std::future::pending().await;
        }
        loop {
            if !self.is_idle() {
                self.answered.notified().await;
                continue;
            }
            if self.is_last() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(self.settings.drain_idle) => if self.is_idle() {
                    return;
                },
                () = self.answered.notified() => {}
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.outstanding.lock().is_empty()
            && !self.is_sending()
            && (self.is_last() || !self.half_head.load(Ordering::Relaxed))
    }
}

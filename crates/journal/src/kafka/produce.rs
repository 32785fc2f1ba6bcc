//! The produce call that does not copy, and the only `unsafe` code of the workspace.
//!
//! `rd_kafka_produce` is called with no copy flag: librdkafka keeps the pointer to the record until
//! its delivery report. So that the memory stays and does not change until then, the record's
//! [`Bytes`] (immutable, reference-counted) are parked in a box whose address travels as the
//! message's opaque pointer; the delivery report gives it back, exactly once, and drops it.
//! `message.copy.max.bytes` says up to which length librdkafka copies a record into its batch; the
//! record itself stays where it is.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rdkafka::bindings as sys;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::ClientConfig;

use super::access::{PRINCIPAL, told};
use super::anew::{Broken, lacking};
use super::token::{Token, Tokens};
use crate::Lane;

/// How long the reports of what is taken back may take, in milliseconds. They are there at once: it waits for nobody.
const TAKE_BACK: c_int = 5000;

/// How often librdkafka's own words are passed on.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What delivery reports add up to, of all producers that one journal has had.
#[derive(Debug)]
pub(super) struct Reports {
    wakers: Mutex<Vec<Waker>>,
    pub(super) waiting_bytes: AtomicUsize,
    pub(super) delivered: AtomicUsize,
    pub(super) lost: AtomicUsize,
    /// Records whose address in the report was not the one that was handed over.
    pub(super) moved: AtomicUsize,
    /// By partition: records that are done with, whatever came of them.
    pub(super) settled: Box<[AtomicU64]>,
    /// Producers that met what they can't go on from, and another can.
    pub(super) broken: AtomicU64,
    /// There is a spill for what Kafka does not take.
    pub(super) spills: bool,
    /// What was not delivered, for a spill to take, or for another producer.
    kept: Mutex<Vec<Message>>,
    /// When librdkafka last said something that was passed on.
    said: Mutex<Option<Instant>>,
}

impl Reports {
    pub(super) fn new(partitions: i32, spills: bool) -> Reports {
        Reports {
            wakers: Mutex::default(),
            waiting_bytes: AtomicUsize::new(0),
            delivered: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
            settled: (0..partitions).map(|_| AtomicU64::new(0)).collect(),
            broken: AtomicU64::new(0),
            spills,
            kept: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// The record is on its way no more.
    pub(super) fn settle(&self, message: &Message) {
        self.waiting_bytes.fetch_sub(message.record.len(), Ordering::Relaxed);
        let partition = usize::try_from(message.lane.partition()).ok();
        if let Some(settled) = partition.and_then(|partition| self.settled.get(partition)) {
            settled.fetch_add(1, Ordering::Release);
        }
    }

    /// What became of a record. With a spill, or when another producer follows its own, nothing that follows an undelivered
    /// record of a lane counts before that is there: it goes there too, delivered or not.
    fn report(&self, message: Box<Message>, delivered: bool, another_follows: bool) {
        self.delivered.fetch_add(usize::from(delivered), Ordering::Relaxed);
        let lane = &message.lane;
        let waker = if delivered && !lane.is_kept() {
            self.settle(&message);
            lane.durable().raise(message.number)
        } else if !lane.drains() && (self.spills || another_follows || lane.is_kept()) {
            lane.keep(true);
            // Under the lock: who sees that it is settled sees that it is kept.
            let mut kept = self.kept.lock();
            // For another producer it is on its way as before.
            if self.spills {
                self.settle(&message);
            }
            return kept.push(*message);
        } else {
            self.settle(&message);
            self.lost.fetch_add(usize::from(!lane.drains()), Ordering::Relaxed);
            lane.durable().lose()
        };
        if let Some(waker) = waker {
            self.wakers.lock().push(waker);
        }
    }

    /// Brokers that are down are told of at every attempt to reach them: one line in a while will do.
    fn may_say(&self) -> bool {
        let mut said = self.said.lock();
        let is_due = said.is_none_or(|at| at.elapsed() >= SAY_EVERY);
        if is_due {
            *said = Some(Instant::now());
        }
        is_due
    }

    /// Whether there are records for the spill, or for another producer.
    pub(super) fn has_kept(&self) -> bool {
        !self.kept.lock().is_empty()
    }

    pub(super) fn take_kept(&self) -> Vec<Message> {
        std::mem::take(&mut *self.kept.lock())
    }
}

/// A producer for one topic. Sends from any thread; one thread at a time polls.
pub(super) struct Producer {
    client: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
    reports: Arc<Reports>,
    /// It was told that this one is broken.
    told: AtomicBool,
}

// SAFETY: librdkafka's handles may be used from any thread at once (rdkafka.h, "Thread safety");
// `reports` is made of atomics and a mutex.
unsafe impl Send for Producer {}
// SAFETY: as above.
unsafe impl Sync for Producer {}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("reports", &self.reports).finish_non_exhaustive()
    }
}

impl Producer {
    pub(super) fn new(
        config: &ClientConfig,
        topic: &str,
        reports: Arc<Reports>,
        tokens: Option<&Tokens>,
    ) -> Result<Producer, String> {
        let native = config.create_native_config().map_err(|error| told(&error))?;
        let topic = CString::new(topic).map_err(|error| error.to_string())?;
        let mut message = [0; 512];
        // SAFETY: `native` is a live configuration; rd_kafka_new takes ownership of a duplicate of
        // it. `reports` outlives the client: Drop destroys the client before the Arc is released.
        unsafe {
            let conf = sys::rd_kafka_conf_dup(native.ptr());
            sys::rd_kafka_conf_set_opaque(conf, Arc::as_ptr(&reports).cast_mut().cast());
            sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(delivered));
            sys::rd_kafka_conf_set_log_cb(conf, Some(log));
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let client = sys::rd_kafka_new(kind, conf, message.as_mut_ptr(), message.len());
            if client.is_null() {
                sys::rd_kafka_conf_destroy(conf);
                return Err(CStr::from_ptr(message.as_ptr()).to_string_lossy().into_owned());
            }
            let topic = sys::rd_kafka_topic_new(client, topic.as_ptr(), ptr::null_mut());
            if topic.is_null() {
                sys::rd_kafka_destroy(client);
                return Err("the topic's handle could not be made".into());
            }
            let producer = Producer { client, topic, reports, told: AtomicBool::new(false) };
            // Where there is none yet, one follows.
            if let Some(Ok(token)) = tokens.map(Tokens::now) {
                producer.show(&token);
            }
            Ok(producer)
        }
    }

    /// Gives brokers this token from now on.
    pub(super) fn show(&self, token: &Token) {
        // SAFETY: `client` is live.
        if let Err(error) = unsafe { set_token(self.client, token) } {
            tracing::warn!(error, "librdkafka does not take the token");
        }
    }

    /// Hands a record over, whose bytes the caller has counted as waiting. Gives it back when the
    /// queue is full, and when this producer is broken and another will take it. One that is barred reports it as not
    /// delivered.
    pub(super) fn send(&self, message: Message) -> Result<(), SendError> {
        let (data, length) = (message.record.as_ptr(), message.record.len());
        let (key, partition) = (message.lane.key(), message.lane.partition());
        let (key, key_length) = (key.as_ptr(), key.len());
        let parked = Box::into_raw(Box::new(message));
        // SAFETY: `data` points into the parked message's record, which is immutable and stays alive until the
        // delivery report takes the box back (or until we do, below, when the call fails and there
        // will be no report). librdkafka only reads the payload; the key is copied by it.
        let code = unsafe {
            sys::rd_kafka_produce(
                self.topic,
                partition,
                0,
                data.cast_mut().cast(),
                length,
                key.cast(),
                key_length,
                parked.cast(),
            )
        };
        if code == 0 {
            return Ok(());
        }
        // SAFETY: produce failed, so librdkafka has forgotten the pointer; the box is ours again.
        let parked = unsafe { Box::from_raw(parked) };
        // SAFETY: reads a thread-local of librdkafka.
        let error = unsafe { sys::rd_kafka_last_error() };
        match (error, broken(self.client)) {
            (Code::RD_KAFKA_RESP_ERR__QUEUE_FULL, _) => Err(SendError::Later(*parked)),
            (Code::RD_KAFKA_RESP_ERR__FATAL, Some(Broken::Disagrees)) if !self.reports.spills => {
                Err(SendError::Later(*parked))
            }
            // Why was logged when it broke: not for each record again.
            (Code::RD_KAFKA_RESP_ERR__FATAL, Some(Broken::Barred)) => {
                self.reports.report(parked, false, false);
                Ok(())
            }
            (error, broken) => {
                self.reports.report(parked, false, broken == Some(Broken::Disagrees));
                Err(SendError::Refused(format!("{error:?}")))
            }
        }
    }

    /// What it can't go on from, once it has met that: then it takes no record ever again. Logged once, and counted when
    /// another producer helps.
    pub(super) fn broken(&self) -> Option<Broken> {
        let mut reason = [0; 512];
        // SAFETY: `client` is live; librdkafka writes a C string into the buffer when there is such an error.
        let code =
            unsafe { sys::rd_kafka_fatal_error(self.client, reason.as_mut_ptr(), reason.len()) };
        let broken = Broken::by(code)?;
        if self.told.swap(true, Ordering::Relaxed) {
            return Some(broken);
        }
        // SAFETY: as above: there is one.
        let reason = unsafe { CStr::from_ptr(reason.as_ptr()) }.to_string_lossy();
        if let Some(missing) = lacking(code) {
            tracing::error!(missing, %reason, ?code, "Kafka lets no producer write: something is missing. It is tried again");
        } else {
            self.reports.broken.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%reason, ?code, "Kafka and its producer disagree for good: another producer is made");
        }
        Some(broken)
    }

    /// Serves delivery reports for at most `patience`, then wakes who waited for them.
    pub(super) fn poll(&self, patience: Duration) {
        // Up, or less than a millisecond would be no patience at all.
        let patience = c_int::try_from(patience.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX);
        // SAFETY: `client` is live. Callbacks run in here, on this thread.
        unsafe { sys::rd_kafka_poll(self.client, patience) };
        let wakers = std::mem::take(&mut *self.reports.wakers.lock());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until everything is delivered; what isn't after `patience` is taken back, and reported as not delivered.
    pub(super) fn flush(&self, patience: Duration) {
        let purge = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: `client` is live; purge makes a report for every message it takes back, and the
        // second flush serves them, so that no box leaks.
        unsafe {
            let timeout = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
            sys::rd_kafka_flush(self.client, timeout);
            sys::rd_kafka_purge(self.client, purge as c_int);
            sys::rd_kafka_flush(self.client, TAKE_BACK);
        }
        self.poll(Duration::ZERO);
    }

    /// Takes back everything that isn't delivered: when this returns, every record has been reported. Blocks, and waits for
    /// nobody but librdkafka's own threads.
    pub(super) fn take_back(&self) {
        self.flush(Duration::ZERO);
        // SAFETY: `client` is live.
        while unsafe { sys::rd_kafka_outq_len(self.client) } > 0 {
            tracing::error!("librdkafka keeps records that were taken back: it is waited for");
            // SAFETY: `client` is live.
            unsafe { sys::rd_kafka_flush(self.client, TAKE_BACK) };
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.flush(Duration::ZERO);
        // SAFETY: nothing uses the handles after this; no message is left that refers to a box.
        unsafe {
            sys::rd_kafka_topic_destroy(self.topic);
            sys::rd_kafka_destroy(self.client);
        }
    }
}

/// Gives the brokers of another client a first token: it would ask for one from within a poll, which some never do.
pub(super) fn show<C: ClientContext>(
    client: &Client<C>,
    tokens: Option<&Tokens>,
) -> Result<(), String> {
    let Some(tokens) = tokens else { return Ok(()) };
    let token = tokens.now()?;
    // SAFETY: the client is borrowed, so it is live.
    unsafe { set_token(client.native_ptr(), &token) }
}

/// # Safety
/// `client` is live.
unsafe fn set_token(client: *mut sys::rd_kafka_t, token: &Token) -> Result<(), String> {
    let until = token.until_milliseconds();
    let text = CString::new(token.text.as_str()).map_err(|error| error.to_string())?;
    let principal = CString::new(PRINCIPAL).map_err(|error| error.to_string())?;
    let mut message = [0; 512];
    // SAFETY: the strings live as long as the call, which copies them; there are no extensions.
    let code = unsafe {
        sys::rd_kafka_oauthbearer_set_token(
            client,
            text.as_ptr(),
            until,
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            message.as_mut_ptr(),
            message.len(),
        )
    };
    if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    // SAFETY: librdkafka has written a C string into it.
    let reason = unsafe { CStr::from_ptr(message.as_ptr()) };
    Err(reason.to_string_lossy().into_owned())
}

/// A record and where it goes. On its way it is parked in a box that librdkafka has the address of.
#[derive(Debug)]
pub(crate) struct Message {
    pub lane: Lane,
    pub number: u64,
    pub record: Bytes,
    /// Its place among all records of the journal.
    pub order: u64,
}

/// Why a record was not handed over.
#[derive(Debug)]
pub(super) enum SendError {
    /// There is no room now, or this producer is broken and another follows.
    Later(Message),
    /// It was reported as not delivered.
    Refused(String),
}

/// What a client can't go on from, if it has met that. The client is live.
fn broken(client: *mut sys::rd_kafka_t) -> Option<Broken> {
    // SAFETY: the client is live, as callers see to; without a buffer only the code is given.
    Broken::by(unsafe { sys::rd_kafka_fatal_error(client, ptr::null_mut(), 0) })
}

/// librdkafka's own log lines.
///
/// # Safety
/// Called by librdkafka with its client and two C strings, which live as long as the call.
unsafe extern "C" fn log(
    client: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: both are valid, NUL-terminated strings.
    let (facility, line) = unsafe { (CStr::from_ptr(facility), CStr::from_ptr(line)) };
    let (facility, line) = (facility.to_string_lossy(), line.to_string_lossy());
    // SAFETY: the client is live while it logs; its opaque is the Reports that it was made with, or nothing yet.
    let reports = unsafe { sys::rd_kafka_opaque(client).cast::<Reports>().as_ref() };
    match level {
        ..=3 if reports.is_none_or(Reports::may_say) => tracing::warn!(%facility, "{line}"),
        _ => tracing::debug!(%facility, "{line}"),
    }
}

/// The delivery report of one record.
///
/// # Safety
/// Called by librdkafka from within poll or flush, with the message and the opaque of the client.
unsafe extern "C" fn delivered(
    client: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: the message is valid during the callback; its opaque is the box made in `send`, and
    // each message is reported exactly once. The client's opaque is the Reports it was made with.
    let (message, parked, reports) = unsafe {
        let message = &*message;
        let parked = Box::from_raw(message._private.cast::<Message>());
        (message, parked, &*opaque.cast::<Reports>())
    };
    if message.payload.cast_const().cast() != parked.record.as_ptr() {
        reports.moved.fetch_add(1, Ordering::Relaxed);
    }
    let delivered = message.err == Code::RD_KAFKA_RESP_ERR_NO_ERROR;
    let another_follows = !delivered && broken(client) == Some(Broken::Disagrees);
    reports.report(parked, delivered, another_follows);
}

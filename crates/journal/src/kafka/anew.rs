//! Another producer in place of one that can't go on.
//!
//! An idempotent producer that finds a broker without what that had acknowledged (it lost its unflushed end, or an unclean
//! election made another the leader) takes no record ever again. What was acknowledged is the broker's loss; everything else
//! goes to another producer, in the order in which it was taken. What the broker has of it comes twice: readers know a record
//! by its number.
//!
//! Where no producer is let write, because a right is missing, nothing is kept for another: what comes is reported as not
//! delivered at once, so that nobody waits for an operator. Another producer is tried once in a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::config::ClientConfig;

use super::access::Access;
use super::append::Core;
use super::produce::{Message, Producer, Reports};
use super::token::Tokens;
use super::topic::Limits;
use crate::AppendSettings;

/// Records up to this length are copied into their batch by librdkafka: a reference costs it a part
/// of its own in every checksum and every call to the kernel. Larger ones are never copied.
const COPIED: usize = 2600;
/// Between two producers, where one breaks after the other.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where none is let write: somebody may have put that right.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// What a producer can't go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It and Kafka disagree on what was acknowledged: another one can go on.
    Disagrees,
    /// Another one would be told the same, before somebody has changed something.
    Barred,
}

impl Broken {
    /// By the code that librdkafka broke it with.
    pub(super) fn by(code: Code) -> Option<Broken> {
        match code {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => None,
            code if lacking(code).is_some() => Some(Broken::Barred),
            _ => Some(Broken::Disagrees),
        }
    }

    fn pause(self) -> Duration {
        match self {
            Broken::Disagrees => PAUSE,
            Broken::Barred => LONG_PAUSE,
        }
    }
}

/// What every producer lacks that breaks with this code, if one does.
pub(super) fn lacking(code: Code) -> Option<&'static str> {
    match code {
        Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED => {
            Some("the right to Write to the topic, and IdempotentWrite on brokers before 2.8")
        }
        Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED => {
            Some("the right to Write with its transactional.id")
        }
        Code::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT => {
            Some("a transaction.timeout.ms that brokers allow")
        }
        Code::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE => Some("brokers of Kafka 0.11 or later"),
        _ => None,
    }
}

/// What a producer is made of.
pub(super) struct Recipe {
    topic: String,
    config: ClientConfig,
    tokens: Option<Tokens>,
}

impl std::fmt::Debug for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets are in the configuration.
        f.debug_struct("Recipe").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Recipe {
    pub(super) fn new(
        access: &Access,
        topic: &str,
        settings: &AppendSettings,
        limits: Limits,
    ) -> Recipe {
        let queue = (settings.queue_bytes / 1024 + 1).to_string();
        let ours = [
            ("client.id", "godwit-capture-proxy".to_owned()),
            ("enable.idempotence", "true".into()),
            ("acks", "all".into()),
            ("message.timeout.ms", "0".into()),
            ("message.copy.max.bytes", COPIED.to_string()),
            ("linger.ms", "0".into()),
            // One request in flight: what comes while it is on its way goes together in the next.
            // So a lone record waits for nobody, and a thousand share a few requests.
            ("max.in.flight.requests.per.connection", "1".into()),
            ("queue.buffering.max.messages", "1000000".into()),
            ("queue.buffering.max.kbytes", queue),
            ("socket.nagle.disable", "true".into()),
            // A broker that is back is found again within half a second.
            ("reconnect.backoff.ms", "50".into()),
            ("reconnect.backoff.max.ms", "500".into()),
            ("log_level", "3".into()),
        ];
        let mut config = access.config(&ours);
        // What an operator gave is in it, as far as the topic takes it.
        config.set("message.max.bytes", limits.batch.to_string());
        Recipe { topic: topic.to_owned(), config, tokens: access.tokens().cloned() }
    }

    pub(super) fn make(&self, reports: &Arc<Reports>) -> Result<Producer, String> {
        Producer::new(&self.config, &self.topic, Arc::clone(reports), self.tokens.as_ref())
    }
}

/// When another producer was last made.
#[derive(Debug, Default)]
pub(super) struct Retry(Option<Instant>);

impl Retry {
    /// Makes another producer in place of one that is broken so, unless that is to wait: for so long.
    pub(super) fn begin_anew(&mut self, core: &Core, broken: Broken) -> Option<Duration> {
        let pause = broken.pause();
        let wait = self.0.map_or(Duration::ZERO, |at| pause.saturating_sub(at.elapsed()));
        if !wait.is_zero() {
            return Some(wait);
        }
        self.0 = Some(Instant::now());
        if let Err(error) = core.begin_anew() {
            tracing::error!(error, "no other producer can be made: it is tried again");
            return Some(pause);
        }
        None
    }
}

impl Core {
    /// Gives another producer everything that isn't acknowledged. One thread at a time does, the one that polls. Blocks
    /// for nobody but librdkafka's own threads.
    fn begin_anew(&self) -> Result<(), String> {
        let anew = self.recipe.make(&self.reports)?;
        let old = {
            let mut gathered = self.gathered.lock();
            // What comes meanwhile comes behind.
            gathered.halted = true;
            std::mem::replace(&mut gathered.producer, Arc::new(anew))
        };
        old.take_back();
        let mut gathered = self.gathered.lock();
        let mut all = self.reports.take_kept();
        gathered.bytes += all.iter().map(|message| message.record.len()).sum::<usize>();
        tracing::warn!(
            records = all.len(),
            "another producer takes what Kafka has not acknowledged"
        );
        all.extend(gathered.messages.drain(..));
        all.sort_unstable_by_key(|message| message.order);
        all.iter().for_each(|message| message.lane.keep(false));
        gathered.messages = all.into();
        (gathered.halted, gathered.held) = (false, true);
        gathered.since.get_or_insert_with(Instant::now);
        self.hand_over(&mut gathered);
        Ok(())
    }

    /// Delivers what there is, or gives it up after `patience`. Nothing else polls any more. Blocks.
    pub(super) fn finish(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let left = || until.saturating_duration_since(Instant::now());
        let mut retry = Retry::default();
        loop {
            let producer = {
                let mut gathered = self.gathered.lock();
                self.hand_over(&mut gathered);
                Arc::clone(&gathered.producer)
            };
            producer.flush(left());
            let broken = producer.broken().filter(|broken| *broken == Broken::Disagrees);
            let Some(broken) = broken else { break };
            if self.reports.spills || left().is_zero() {
                break;
            }
            if let Some(wait) = retry.begin_anew(self, broken) {
                producer.poll(wait.min(left()));
            }
        }
        let mut rest = self.reports.take_kept();
        rest.extend(self.gathered.lock().messages.drain(..));
        rest.into_iter().for_each(|message| self.give_up(&message));
    }

    fn give_up(&self, message: &Message) {
        if !message.lane.drains() {
            self.reports.lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        message.lane.give_up();
    }
}

#[cfg(test)]
mod tests;

//! The topic of a journal: made if it isn't there, and what it takes.

use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;

use super::access::{Access, Probe, Voice};

/// How long making a topic may take, and until it has leaders.
const PATIENCE: Duration = Duration::from_secs(15);
/// What a batch is longer than the one record in it: the frame of the batch, of the record, and a connection's id.
const FRAME: usize = 1024;
/// Brokers take batches of 1 MiB with their frame, unless told otherwise.
const USUAL_BATCH: usize = 1_000_000;
/// What librdkafka can be told.
const BATCHES: std::ops::RangeInclusive<usize> = 1000..=1_000_000_000;
/// No topic for records: a proxy reads 4 KiB at a time, at least.
const LEAST_RECORD: usize = 8 << 10;

/// A topic that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) partitions: i32,
    /// Brokers that have each record.
    replicas: usize,
}

/// What is remembered of a topic, for when no broker can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) partitions: i32,
    /// Bytes of its largest batch; `None`: whoever remembers it did not know.
    pub(crate) batch: Option<usize>,
}

/// What a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// librdkafka's `message.max.bytes`.
    pub(super) batch: usize,
    pub(super) record: usize,
}

impl Limits {
    /// Of a topic that takes batches up to `most`; `asked`: librdkafka's property, if it was given.
    fn new(most: Option<usize>, asked: Option<usize>) -> Limits {
        let batch = match (most, asked) {
            (Some(most), Some(asked)) => most.min(asked),
            (most, asked) => most.or(asked).unwrap_or(USUAL_BATCH),
        };
        let batch = batch.clamp(*BATCHES.start(), *BATCHES.end());
        Limits { batch, record: batch.saturating_sub(FRAME) }
    }

    /// Where no broker can be asked: as it is `remembered`.
    pub(super) fn unasked(access: &Access, remembered: Option<usize>) -> Limits {
        Limits::new(remembered, asked(access))
    }
}

fn asked(access: &Access) -> Option<usize> {
    access.property("message.max.bytes")?.parse().ok()
}

/// Makes the topic when it is not there.
pub(super) fn ensure(
    access: &Access,
    topic: &str,
    partitions: i32,
    patience: Duration,
) -> Result<Topic, String> {
    let probe = access.probe()?;
    if let Some(there) = find(&probe, topic, patience)? {
        return Ok(there);
    }
    let admin = access.admin()?;
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let made = futures::executor::block_on(admin.create_topics([&new], &options));
    for answer in made.map_err(|error| error.to_string())? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(format!(
                    "topic {name} could not be made: {code}; make it, or let the proxy's user make it"
                ));
            }
        }
    }
    // The topic's leaders are elected a moment after it was made.
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(there) = find(&probe, topic, patience)? {
            return Ok(there);
        }
        probe.pause();
    }
    Err(format!("topic {topic} was made but has no leader after {PATIENCE:?}"))
}

/// As [`ensure`], for a topic that had `partitions`: one that came back with fewer, as brokers make it by themselves, gets
/// the others again.
pub(super) fn restore(
    access: &Access,
    topic: &str,
    partitions: i32,
    patience: Duration,
) -> Result<(), String> {
    let there = ensure(access, topic, partitions, patience)?;
    if there.partitions >= partitions {
        return Ok(());
    }
    let wanted = NewPartitions::new(topic, partitions.max(0) as usize);
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let admin = access.admin()?;
    let made = futures::executor::block_on(admin.create_partitions([&wanted], &options));
    for answer in made.map_err(|error| error.to_string())? {
        answer.map_err(|(name, code)| {
            let there = there.partitions;
            format!("topic {name} has {there} partitions and had {partitions}; more can't be made: {code}")
        })?;
    }
    Ok(())
}

/// The topic, when all of its partitions have a leader; `None` when it isn't there.
fn find(probe: &Probe, topic: &str, patience: Duration) -> Result<Option<Topic>, String> {
    let metadata = probe.metadata(patience)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let led = found.filter(|found| {
        found.error().is_none() && found.partitions().iter().all(|part| part.leader() >= 0)
    });
    Ok(led.filter(|found| !found.partitions().is_empty()).map(|found| Topic {
        partitions: found.partitions().len() as i32,
        replicas: found.partitions().iter().map(|part| part.replicas().len()).min().unwrap_or(0),
    }))
}

/// Asks what the topic takes, and says what an operator should know of it.
pub(super) fn limits(access: &Access, name: &str, topic: Topic) -> Result<Limits, String> {
    let settings = match Settings::read(&access.admin()?, name) {
        Ok(settings) => settings,
        Err(reason) => {
            tracing::warn!(
                topic = name,
                reason,
                "the topic's settings can't be read: it is taken to have max.message.bytes of {USUAL_BATCH}"
            );
            return Ok(Limits::unasked(access, None));
        }
    };
    if settings.in_sync.is_some_and(|wanted| wanted > topic.replicas) {
        let (wanted, replicas) = (settings.in_sync.unwrap_or_default(), topic.replicas);
        return Err(format!(
            "topic {name} takes no record: it wants min.insync.replicas={wanted} and has {replicas}; add replicas, or lower it"
        ));
    }
    let acknowledge = settings.in_sync.unwrap_or(1);
    if acknowledge <= 1 {
        let replicas = topic.replicas;
        tracing::warn!(
            topic = name,
            replicas,
            "a record counts as durable when one broker has it: for production give the topic 3 replicas and min.insync.replicas=2"
        );
    }
    let limits = Limits::new(settings.largest, asked(access));
    if limits.record < LEAST_RECORD {
        let least = LEAST_RECORD + FRAME;
        return Err(format!(
            "topic {name} takes batches of {} bytes: set its max.message.bytes to {least} at least, better 1048588",
            limits.batch
        ));
    }
    Ok(limits)
}

/// Settings of a topic.
#[derive(Debug, Default)]
struct Settings {
    /// `max.message.bytes`.
    largest: Option<usize>,
    /// `min.insync.replicas`.
    in_sync: Option<usize>,
}

impl Settings {
    fn read(admin: &AdminClient<Voice>, topic: &str) -> Result<Settings, String> {
        let wanted = ResourceSpecifier::Topic(topic);
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let asked = futures::executor::block_on(admin.describe_configs([&wanted], &options));
        let mut settings = Settings::default();
        for resource in asked.map_err(|error| error.to_string())? {
            let resource = resource.map_err(|code| code.to_string())?;
            let number = |name: &str| resource.get(name)?.value.as_deref()?.parse().ok();
            settings.largest = number("max.message.bytes").or(settings.largest);
            settings.in_sync = number("min.insync.replicas").or(settings.in_sync);
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_leaves_room_for_its_batch() {
        let both = |most, asked| (Limits::new(most, asked).batch, Limits::new(most, asked).record);
        assert_eq!(both(None, None), (1_000_000, 998_976));
        assert_eq!(both(Some(1_048_588), None), (1_048_588, 1_047_564));
        assert_eq!(both(Some(8 << 20), Some(2 << 20)), (2 << 20, (2 << 20) - 1024));
        assert_eq!(both(Some(100_000), Some(2 << 20)).0, 100_000);
        assert_eq!(both(Some(0), None), (1000, 0));
        assert_eq!(both(Some(usize::MAX), None).0, 1_000_000_000);
    }
}

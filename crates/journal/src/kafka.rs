//! A journal in a Kafka topic: a connection's records in one partition, in order.
//!
//! The producer is idempotent, waits for all replicas and never gives a record up by itself
//! (`message.timeout.ms=0`): what Godwit does when Kafka is slow or gone is Godwit's decision.
//! Records are handed over without a copy; see [`produce`].

mod append;
mod moves;
mod produce;
mod reader;

pub(crate) use append::{KafkaAppender, MAX_RECORD};
pub(crate) use reader::KafkaReader;

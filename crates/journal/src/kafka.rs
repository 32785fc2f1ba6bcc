//! A journal in a Kafka topic: a connection's records in one partition, in order.
//!
//! The producer is idempotent, waits for all replicas and never gives a record up by itself
//! (`message.timeout.ms=0`): what Godwit does when Kafka is slow or gone is Godwit's decision.
//! Records are handed over without a copy; see [`produce`]. Whoever talks to brokers is told the same ([`access`]).

mod access;
mod anew;
mod append;
mod moves;
mod msk;
mod produce;
mod properties;
mod reader;
mod token;
mod topic;

pub(crate) use append::KafkaAppender;
pub use properties::{KafkaProperties, WrongProperty};
pub(crate) use reader::KafkaReader;
pub(crate) use topic::Remembered;

//! `capture-proxy audit`.

use clap::Parser;
use journal::{JournalUrl, ReadError, Reader, StartFrom};

use super::{Audit, Auditor};

/// The group that reads here; it commits nothing.
const GROUP: &str = "godwit-audit";

/// Reads a journal up to its end as it is now, and names what is missing.
#[derive(Debug, Clone, Default, Parser)]
pub struct AuditFlags {
    /// The journal: file:///folder or kafka://host:port/topic.
    #[arg(long, value_name = "URL")]
    pub journal: String,
    /// Kafka: a property of librdkafka, as in security.protocol=SSL. May be given several times.
    #[arg(long = "kafka-property", value_name = "NAME=VALUE")]
    pub kafka_properties: Vec<String>,
    /// JSON in place of text.
    #[arg(long)]
    pub json: bool,
}

/// Audits a journal from its beginning to its end as it is now.
///
/// # Errors
/// [`ReadError`] when it can't be read at all.
pub async fn audit(
    url: &JournalUrl,
    kafka_properties: &[(String, String)],
) -> Result<Audit, ReadError> {
    let mut reader = Reader::open(url, GROUP, StartFrom::Beginning, kafka_properties).await?;
    let ends = reader.ends().await?;
    let mut auditor = Auditor::default();
    while !reader.has_reached(&ends) {
        auditor.take(&reader.next().await?);
    }
    Ok(auditor.finish())
}

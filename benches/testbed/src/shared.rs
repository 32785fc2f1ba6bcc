//! One server for all tests of a binary.

use tokio::sync::OnceCell;

use crate::kafka::Kafka;
use crate::server::{Server, Testbed};

/// A server that is booted at its first use and lives until the test binary ends:
///
/// ```no_run
/// static SOURCE: testbed::Shared = testbed::Shared::elasticsearch("7.10");
/// # async fn example() -> anyhow::Result<()> {
/// let url = SOURCE.get().await?.url();
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Shared {
    kind: Kind,
    server: OnceCell<Server>,
}

#[derive(Debug)]
enum Kind {
    Elasticsearch(&'static str),
    OpenSearch(&'static str),
}

impl Shared {
    /// As [`Testbed::elasticsearch`].
    #[must_use]
    pub const fn elasticsearch(version: &'static str) -> Self {
        Self { kind: Kind::Elasticsearch(version), server: OnceCell::const_new() }
    }

    /// As [`Testbed::opensearch`].
    #[must_use]
    pub const fn opensearch(version: &'static str) -> Self {
        Self { kind: Kind::OpenSearch(version), server: OnceCell::const_new() }
    }

    /// The server, booted by the first who asks.
    ///
    /// # Errors
    /// When it doesn't boot; the next who asks tries again.
    pub async fn get(&self) -> anyhow::Result<&Server> {
        let boot = || async {
            match self.kind {
                Kind::Elasticsearch(version) => Testbed::elasticsearch(version).await,
                Kind::OpenSearch(version) => Testbed::opensearch(version).await,
            }
        };
        self.server.get_or_try_init(boot).await
    }
}

/// A Kafka that is booted at its first use and lives until the test binary ends.
#[derive(Debug, Default)]
pub struct SharedKafka {
    kafka: OnceCell<Kafka>,
}

impl SharedKafka {
    /// Not booted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { kafka: OnceCell::const_new() }
    }

    /// The broker, booted by the first who asks.
    ///
    /// # Errors
    /// When it doesn't boot; the next who asks tries again.
    pub async fn get(&self) -> anyhow::Result<&Kafka> {
        self.kafka.get_or_try_init(Testbed::kafka).await
    }
}

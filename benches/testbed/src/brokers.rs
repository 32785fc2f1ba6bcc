//! Several brokers of one Kafka.

use anyhow::Context;
use futures::future::try_join_all;

use crate::kafka::Kafka;
use crate::ports::Ports;
use crate::server::Server;

/// Three brokers, each a voter: one may be away. Topics have three replicas, two of which acknowledge.
#[derive(Debug)]
pub struct Brokers(Vec<Kafka>);

const COUNT: usize = 3;

impl Brokers {
    pub(crate) async fn boot() -> anyhow::Result<Self> {
        let ports = (0..COUNT).map(|_| Ports::take()).collect::<anyhow::Result<Vec<_>>>()?;
        let voters =
            ports.iter().zip(1..).map(|(ports, id)| format!("{id}@{}", ports.second_addr()));
        let voters = voters.collect::<Vec<_>>().join(",");
        let cluster = crate::server::cluster_token();
        let booting = ports.into_iter().zip(1..).map(|(ports, id)| {
            let lines = format!(
                "node.id={id}\n\
                controller.quorum.voters={voters}\n\
                default.replication.factor=3\n\
                min.insync.replicas=2\n\
                offsets.topic.replication.factor=3\n\
                transaction.state.log.replication.factor=3\n\
                transaction.state.log.min.isr=2\n\
                broker.session.timeout.ms=3000\n\
                broker.heartbeat.interval.ms=500\n\
                leader.imbalance.check.interval.seconds=3\n\
                unclean.leader.election.enable=false\n"
            );
            let env = vec![("TESTBED_YML", lines), ("TESTBED_HEAP", "256m".to_owned())];
            // None answers before two of them are there.
            Server::boot_in(cluster.clone(), ports, "kafka", env)
        });
        let booted = try_join_all(booting).await?;
        Ok(Self(booted.into_iter().map(Kafka::over).collect()))
    }

    /// The url of a journal, with all brokers in it.
    #[must_use]
    pub fn journal(&self, topic: &str) -> String {
        let all: Vec<String> = self.0.iter().map(|broker| broker.addr().to_string()).collect();
        format!("kafka://{}/{topic}", all.join(","))
    }

    /// All of them, by number from 1.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &Kafka)> {
        (1..).zip(&self.0)
    }

    /// The broker of this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn broker(&self, id: i32) -> anyhow::Result<&Kafka> {
        let found = self.iter().find(|(number, _)| *number == id);
        found.map(|(_, broker)| broker).with_context(|| format!("no broker {id}"))
    }
}

//! A production whose network loses packets.

use std::time::{Duration, Instant};

use testbed::Network;

use super::outage::Production;

/// Whom the proxy can't talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    Kafka,
    Source,
    /// Nor clients to it: some packets of everybody.
    All,
}

/// Loses `percent` of the packets for `length`, twice; in the end no write failed and none that was acknowledged is missing.
pub async fn lossy(test: &str, percent: u8, behind: Behind, length: Duration) {
    testbed::fetch("kafka").await.unwrap();
    let Some(network) = Network::of_its_own(test).await.unwrap() else { return };
    let production = Production::start().await;
    let (kafka, source) = (production.kafka.addr(), production.source.addr());
    let addresses = match behind {
        Behind::Kafka => vec![kafka],
        Behind::Source => vec![source],
        Behind::All => vec![kafka, source, production.address],
    };
    let mut lost = 0;
    for _ in 0..2 {
        production.goes_on().await;
        let until = Instant::now() + length;
        network.lose(percent, &addresses).await.unwrap();
        while Instant::now() < until {
            match behind {
                // Nothing can go on.
                Behind::Source => tokio::time::sleep_until(until.into()).await,
                Behind::Kafka | Behind::All => production.goes_on().await,
            }
        }
        lost += network.heal().await.unwrap();
        // Connections come back by themselves: the sender's timer has backed off for as long as they were gone.
        production.goes_on().await;
        println!(
            "{behind:?}: drained {:?} after the network was whole",
            production.drained().await
        );
    }
    println!("{behind:?}: {lost} packets lost");
    assert!(lost > 0);
    let failures = production.finish().await;
    assert!(failures.is_empty(), "{failures:?}");
}

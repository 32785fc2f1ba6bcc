//! Three real brokers, of which one goes at a time: killed, stopped, paused, relieved of what it leads.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;
mod load;

use std::time::{Duration, Instant};

use journal::*;
use load::Load;
use tempfile::TempDir;
use testbed::{Brokers, Testbed};

/// Who leads partition 0, asked of whoever answers.
async fn leader(brokers: &Brokers, topic: &str, but: i32) -> Option<i32> {
    for (id, broker) in brokers.iter() {
        let asking = tokio::time::timeout(Duration::from_secs(1), broker.leaders(topic));
        if id != but
            && let Ok(Ok(leaders)) = asking.await
            && let Some(leader) = leaders.get(&0).filter(|leader| **leader != but)
        {
            return Some(*leader);
        }
    }
    None
}

/// `but`: that one isn't asked.
async fn until_led(brokers: &Brokers, topic: &str, but: i32, is: impl Fn(i32) -> bool) -> i32 {
    let until = Instant::now() + 2 * conformance::PATIENCE;
    loop {
        let found = leader(brokers, topic, but).await;
        if let Some(leader) = found.filter(|leader| is(*leader)) {
            return leader;
        }
        assert!(Instant::now() < until, "led by {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_moves_is_followed() {
    let brokers = Testbed::kafka_brokers().await.unwrap();
    let folder = TempDir::new().unwrap();
    let spilling = load::with_spill(folder.path());
    let waiting = AppendSettings { spill: None, ..spilling.clone() };
    for (topic, settings) in [("waiting", waiting), ("spilling", spilling)] {
        let url: JournalUrl = brokers.journal(topic).parse().unwrap();
        let load = Load::begin(load::open(&url, &settings).await, 300);
        load.goes_on(20).await;
        let led = until_led(&brokers, topic, 0, |_| true).await;

        // Killed: another leads, and when it is back it leads again, while records are written.
        let broker = brokers.broker(led).unwrap();
        broker.kill().await.unwrap();
        let other = until_led(&brokers, topic, led, |leader| leader != led).await;
        println!("{topic}: {led} killed, led by {other}, {} rounds", load.rounds());
        load.goes_on(20).await;
        broker.start().await.unwrap();
        until_led(&brokers, topic, 0, |leader| leader == led).await;
        println!("{topic}: led by {led} again, {} rounds", load.rounds());
        load.goes_on(20).await;

        // Stopped in order: it hands over first.
        broker.stop().await.unwrap();
        load.goes_on(20).await;
        broker.start().await.unwrap();
        load.goes_on(20).await;

        println!("{topic}: stopped and started, {} rounds", load.rounds());
        // Paused, and so out of the cluster until it goes on. Without a spill its answers are waited for as long as librdkafka
        // waits for any: a minute.
        if settings.spill.is_some() {
            let paused = brokers.broker(other).unwrap();
            paused.pause();
            until_led(&brokers, topic, other, |leader| leader != other).await;
            load.goes_on(20).await;
            paused.resume();
            load.goes_on(20).await;
            load.spills(false).await;
        }
        let (expected, slowest) = load.end().await;
        println!("{topic}: the slowest round took {slowest:?}");
        assert_eq!(conformance::last_numbers(&url).await, expected);
    }
}

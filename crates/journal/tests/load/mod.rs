//! Connections that append all the time, each record held until it is durable.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use journal::*;
use tokio::task::JoinHandle;

use crate::conformance::{self, PATIENCE};

const CONNECTIONS: usize = 24;

pub fn with_spill(folder: &Path) -> AppendSettings {
    let after = Duration::from_secs(1);
    let spill = SpillSettings { folder: folder.to_owned(), limit_bytes: 1 << 30, after };
    AppendSettings { spill: Some(spill), partitions: 6, ..AppendSettings::default() }
}

pub async fn open(url: &JournalUrl, settings: &AppendSettings) -> Appender {
    let (url, settings) = (url.clone(), settings.clone());
    let opening = tokio::task::spawn_blocking(move || Appender::open(&url, &settings).unwrap());
    opening.await.unwrap()
}

pub struct Load {
    appender: Appender,
    rounds: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    task: JoinHandle<Duration>,
}

impl Load {
    /// Each record has so many bytes.
    pub fn begin(appender: Appender, length: usize) -> Load {
        let (rounds, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let ids: Vec<String> = (0..CONNECTIONS).map(|number| format!("client-{number}")).collect();
        let lanes: Vec<Lane> = ids.iter().map(|id| appender.lane(id)).collect();
        let task = tokio::spawn({
            let (appender, rounds, stopped) = (appender.clone(), rounds.clone(), stopped.clone());
            async move {
                let (mut number, mut slowest) = (0, Duration::ZERO);
                while !stopped.load(Ordering::Acquire) {
                    number += 1;
                    let began = Instant::now();
                    for (lane, id) in lanes.iter().zip(&ids) {
                        let record = conformance::record(id, number, length);
                        let held = Urgency::Held;
                        appender.append_with_room(lane, number, record, held).await.unwrap();
                    }
                    for lane in &lanes {
                        let durable = lane.durable().reached(number);
                        tokio::time::timeout(PATIENCE, durable).await.unwrap().unwrap();
                    }
                    slowest = slowest.max(began.elapsed());
                    rounds.store(number, Ordering::Release);
                }
                slowest
            }
        });
        Load { appender, rounds, stopped, task }
    }

    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    /// Waits until every connection has had so many more records made durable.
    pub async fn goes_on(&self, rounds: u64) {
        let until = self.rounds() + rounds;
        self.wait("more rounds", || self.rounds() >= until).await;
    }

    pub async fn spills(&self, spilling: bool) {
        let is = || self.appender.spill().unwrap().spilling == spilling;
        self.wait(if spilling { "spilling" } else { "the spill's end" }, is).await;
    }

    pub async fn wait(&self, what: &str, is: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE * 2;
        while !is() {
            let state = self.appender.spill();
            assert!(Instant::now() < until, "{what}: round {}, {state:?}", self.rounds());
            assert!(!self.task.is_finished(), "{what}: the load has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it: the last number of each connection, and the longest that a round took.
    pub async fn end(self) -> (BTreeMap<String, u64>, Duration) {
        self.stopped.store(true, Ordering::Release);
        let slowest = self.task.await.unwrap();
        let (last, appender) = (self.rounds.load(Ordering::Acquire), self.appender);
        println!("{last} rounds, the slowest of {slowest:?}; {:?}", appender.spill());
        let closing = tokio::task::spawn_blocking(move || appender.close(PATIENCE));
        assert_eq!(closing.await.unwrap(), 0);
        ((0..CONNECTIONS).map(|number| (format!("client-{number}"), last)).collect(), slowest)
    }
}

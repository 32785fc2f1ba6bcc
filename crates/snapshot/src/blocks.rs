//! A file's bytes in sequence, a bounded number of blocks ahead of the reader.

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::{File, Reading, Shard, SnapshotError};

/// Blocks of a range of a file, in order. Each is a ranged request of its own, retried by itself; they run ahead of
/// the reader as tasks of the runtime, and end with this value.
#[derive(Debug)]
pub struct Blocks {
    shard: Shard,
    file: File,
    /// What no task has begun to read.
    rest: Range<u64>,
    reading: Reading,
    ahead: VecDeque<Task>,
}

/// A task that ends when nobody waits for it any more.
#[derive(Debug)]
struct Task(JoinHandle<Result<Bytes, SnapshotError>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Blocks {
    pub(crate) fn new(shard: Shard, file: File, rest: Range<u64>, reading: Reading) -> Self {
        Self { shard, file, rest, reading, ahead: VecDeque::with_capacity(reading.ahead) }
    }

    /// The next bytes; `None` at the end, which is exactly the end of the range. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, SnapshotError>> {
        self.fill();
        let mut first = self.ahead.pop_front()?;
        let block = match (&mut first.0).await {
            Ok(block) => block,
            Err(error) => Err(SnapshotError::Damaged {
                place: Box::new(self.shard.place().clone()),
                problem: format!("a task that reads `{}` ended: {error}", self.file.physical_name),
            }),
        };
        match &block {
            Ok(_) => self.fill(),
            Err(_) => {
                self.ahead.clear();
                self.rest.start = self.rest.end;
            }
        }
        Some(block)
    }

    fn fill(&mut self) {
        while self.ahead.len() < self.reading.ahead && self.rest.start < self.rest.end {
            let start = self.rest.start;
            let end = start.saturating_add(self.reading.block as u64).min(self.rest.end);
            self.rest.start = end;
            let (shard, file) = (self.shard.clone(), self.file.clone());
            let read = async move { shard.read_range(&file, start..end).await };
            self.ahead.push_back(Task(tokio::spawn(read)));
        }
    }
}

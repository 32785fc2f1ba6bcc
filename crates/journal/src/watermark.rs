//! How far one connection's records are durable.
//!
//! A connection's records become durable in order (one partition, one writer), so one number says
//! it all: everything up to it is. That is one atomic a record, no allocation, and one waiter: the
//! task of the connection.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};

use futures::task::AtomicWaker;
use thiserror::Error;

/// A record that was held for durability did not become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("record {number} did not reach the journal; {durable} of this connection did")]
pub struct NotDurable {
    pub number: u64,
    pub durable: u64,
}

/// The highest record number of a connection that is durable.
#[derive(Debug, Default)]
pub struct Watermark {
    durable: AtomicU64,
    lost: AtomicBool,
    waker: AtomicWaker,
}

impl Watermark {
    /// Everything up to this number is durable.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Whether a record of this connection was lost on its way; nothing becomes durable after it.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Waits until `number` is durable. One task at a time may wait on a watermark.
    ///
    /// # Errors
    /// [`NotDurable`] when the journal gave a record of this connection up.
    pub async fn reached(&self, number: u64) -> Result<(), NotDurable> {
        poll_fn(|context| {
            if let Some(answer) = self.look(number) {
                return Poll::Ready(answer);
            }
            self.waker.register(context.waker());
            self.look(number).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn look(&self, number: u64) -> Option<Result<(), NotDurable>> {
        let durable = self.durable();
        if durable >= number {
            return Some(Ok(()));
        }
        self.is_lost().then_some(Err(NotDurable { number, durable }))
    }

    /// Raises the mark; gives back who waits, to be woken when a whole group has been marked.
    pub(crate) fn raise(&self, number: u64) -> Option<Waker> {
        self.durable.fetch_max(number, Ordering::Release);
        self.waker.take()
    }

    /// Says that a record is lost; later ones don't count any more.
    pub(crate) fn lose(&self) -> Option<Waker> {
        self.lost.store(true, Ordering::Release);
        self.waker.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_waiter_is_told_of_durability_and_of_loss() {
        let mark = Arc::new(Watermark::default());
        let waiting = tokio::spawn({
            let mark = mark.clone();
            async move { (mark.reached(3).await, mark.reached(4).await) }
        });
        let raising = tokio::spawn(async move {
            for number in 1..=3 {
                tokio::task::yield_now().await;
                if let Some(waker) = mark.raise(number) {
                    waker.wake();
                }
            }
            tokio::task::yield_now().await;
            if let Some(waker) = mark.lose() {
                waker.wake();
            }
        });
        raising.await.unwrap();
        let (third, fourth) = waiting.await.unwrap();
        assert_eq!(third, Ok(()));
        assert_eq!(fourth, Err(NotDurable { number: 4, durable: 3 }));
    }
}

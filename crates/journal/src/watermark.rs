//! How far one connection's records are durable.
//!
//! A connection's records become durable in order (one partition, one writer), so one number says
//! it all: everything up to it is. That is one atomic a record, no allocation, and one waiter: the
//! task of the connection.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The bit that says that a record was lost: in the same word as the number, so that no thread can
/// raise the number after another has said so.
const LOST: u64 = 1 << 63;

/// The highest record number of a connection that is durable, up to the first that was lost.
#[derive(Debug, Default)]
pub struct Watermark {
    /// A number below [`LOST`], and that bit. Once the bit is set, nothing changes any more.
    state: AtomicU64,
    waker: AtomicWaker,
}

impl Watermark {
    /// Everything up to this number is durable.
    pub fn durable(&self) -> u64 {
        self.state.load(Ordering::Acquire) & !LOST
    }

    /// Whether a record of this connection was lost on its way; nothing becomes durable after it.
    pub fn is_lost(&self) -> bool {
        self.state.load(Ordering::Acquire) & LOST != 0
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

    /// What became of record `number`; `None` while that is open.
    pub fn look(&self, number: u64) -> Option<Result<(), NotDurable>> {
        let state = self.state.load(Ordering::Acquire);
        let durable = state & !LOST;
        if durable >= number {
            return Some(Ok(()));
        }
        (state & LOST != 0).then_some(Err(NotDurable { number, durable }))
    }

    /// Raises the mark, unless a record before was lost: "everything up to it" would not hold.
    /// Gives back who waits, to be woken when a whole group has been marked.
    pub(crate) fn raise(&self, number: u64) -> Option<Waker> {
        let raised = |state: u64| (state & LOST == 0 && state < number).then_some(number & !LOST);
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, raised);
        self.waker.take()
    }

    /// Says that a record is lost; later ones don't count any more.
    pub(crate) fn lose(&self) -> Option<Waker> {
        self.state.fetch_or(LOST, Ordering::AcqRel);
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

    #[tokio::test]
    async fn nothing_becomes_durable_after_a_loss_and_what_was_stays() {
        let mark = Watermark::default();
        mark.raise(4);
        mark.lose();
        mark.raise(6);
        assert_eq!(mark.reached(4).await, Ok(()));
        for number in [5, 6] {
            assert_eq!(mark.reached(number).await, Err(NotDurable { number, durable: 4 }));
        }
        assert_eq!((mark.durable(), mark.is_lost()), (4, true));
    }

    #[test]
    fn a_loss_on_another_thread_is_final() {
        for _ in 0..200 {
            let mark = Watermark::default();
            let after_loss = std::thread::scope(|scope| {
                scope.spawn(|| (1..100).for_each(|number| drop(mark.raise(number))));
                mark.lose();
                mark.durable()
            });
            assert_eq!(mark.durable(), after_loss);
        }
    }
}

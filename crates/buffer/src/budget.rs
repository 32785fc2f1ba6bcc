//! One bound for the memory that all connections hold together.
//!
//! What is counted is what is pinned: a slab with its whole allocation, from the read that filled it until the last one
//! who needs it is done; a copied record with its own. Connections themselves are counted by what an idle one costs. A read that
//! finds no room waits for its turn, so that its client's bytes stay in the kernel and the client waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};

/// A number of bytes, and how many of them are in use.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    bytes: AtomicUsize,
    connections: AtomicUsize,
    /// How many are in the queue: most of the time none is, and nobody has to look.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

/// Who waits for room, in the order of their coming.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Bytes,
    Connection,
}

/// A part of a budget that is in use until this is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    amount: usize,
    what: What,
}

impl Budget {
    /// A budget of `limit` bytes, all of them free.
    pub fn of(limit: usize) -> Arc<Budget> {
        Arc::new(Budget {
            limit,
            bytes: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            queue: Mutex::default(),
        })
    }

    /// The bound in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes in use; more than the limit when something was charged that could not wait.
    pub fn used(&self) -> usize {
        self.bytes.load(Ordering::SeqCst) + self.connections.load(Ordering::SeqCst)
    }

    /// Bytes that may still be read. Connections take three quarters at most: however many there are, bytes get through.
    pub fn left(&self) -> usize {
        let connections = self.connections.load(Ordering::SeqCst).min(self.limit / 4 * 3);
        (self.limit - connections).saturating_sub(self.bytes.load(Ordering::SeqCst))
    }

    /// Counts bytes that are there, whether or not there is room for them.
    pub fn charge(self: &Arc<Budget>, amount: usize) -> Charge {
        self.bytes.fetch_add(amount, Ordering::SeqCst);
        Charge { budget: self.clone(), amount, what: What::Bytes }
    }

    /// Counts what a connection costs while nothing passes.
    pub fn connection(self: &Arc<Budget>, amount: usize) -> Charge {
        self.connections.fetch_add(amount, Ordering::SeqCst);
        Charge { budget: self.clone(), amount, what: What::Connection }
    }

    /// Waits until `amount` bytes are left. They are not set aside: who is told so looks again, and may be too late.
    pub fn room(&self, amount: usize) -> Room<'_> {
        Room { budget: self, amount, place: None }
    }

    /// Wakes the first who waits, when there is something to be had.
    fn pass_on(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 || self.left() == 0 {
            return;
        }
        let mut queue = self.queue();
        let first = queue.wakers.pop_first();
        self.waiting.store(queue.wakers.len(), Ordering::SeqCst);
        drop(queue);
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

impl Charge {
    /// What it is a part of.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let counter = match self.what {
            What::Bytes => &self.budget.bytes,
            What::Connection => &self.budget.connections,
        };
        counter.fetch_sub(self.amount, Ordering::SeqCst);
        self.budget.pass_on();
    }
}

/// Resolves when there is room. Who is woken wakes the next as long as there is more.
#[derive(Debug)]
pub struct Room<'a> {
    budget: &'a Budget,
    amount: usize,
    place: Option<u64>,
}

impl Future for Room<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.budget.left() < self.amount {
            let mut queue = self.budget.queue();
            let place = self.place.unwrap_or(queue.next);
            queue.next = queue.next.max(place + 1);
            queue.wakers.insert(place, context.waker().clone());
            self.budget.waiting.store(queue.wakers.len(), Ordering::SeqCst);
            drop(queue);
            self.place = Some(place);
            // Room that came before the place was taken woke nobody.
            if self.budget.left() < self.amount {
                return Poll::Pending;
            }
        }
        self.leave();
        self.budget.pass_on();
        Poll::Ready(())
    }
}

impl Room<'_> {
    /// Whether there was a place to leave, and it had been called.
    fn leave(&mut self) -> bool {
        let Some(place) = self.place.take() else { return false };
        let mut queue = self.budget.queue();
        let was_called = queue.wakers.remove(&place).is_none();
        self.budget.waiting.store(queue.wakers.len(), Ordering::SeqCst);
        was_called
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        // The call was meant for someone who wants room.
        if self.leave() {
            self.budget.pass_on();
        }
    }
}

/// Bytes that are counted for as long as any view of them lives.
pub(crate) fn counted(bytes: BytesMut, charge: Charge) -> Bytes {
    Bytes::from_owner(Counted { bytes, _charge: charge })
}

struct Counted {
    bytes: BytesMut,
    _charge: Charge,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Calls(AtomicU32);

    impl Wake for Calls {
        fn wake(self: Arc<Calls>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Waiter<'a> {
        room: Pin<Box<Room<'a>>>,
        calls: Arc<Calls>,
    }

    impl Waiter<'_> {
        fn of(budget: &Budget, amount: usize) -> Waiter<'_> {
            Waiter { room: Box::pin(budget.room(amount)), calls: Arc::default() }
        }

        fn has_room(&mut self) -> bool {
            let waker = Waker::from(self.calls.clone());
            self.room.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        }

        fn calls(&self) -> u32 {
            self.calls.0.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn who_waits_is_called_in_turn_and_calls_the_next() {
        let budget = Budget::of(100);
        let held = budget.charge(90);
        let mut waiters: Vec<_> = (0..3).map(|_| Waiter::of(&budget, 20)).collect();
        assert!(waiters.iter_mut().all(|waiter| !waiter.has_room()));
        drop(held);
        assert_eq!(waiters.iter().map(Waiter::calls).collect::<Vec<_>>(), [1, 0, 0]);
        assert!(waiters[0].has_room());
        assert_eq!(waiters[1].calls(), 1);
        // Someone else was faster: the next waits on, and so does the last, until there is room.
        let held = budget.charge(90);
        assert!(!waiters[1].has_room());
        assert_eq!(waiters[2].calls(), 0);
        drop(held);
        assert!(waiters[1].has_room() && waiters[2].has_room());
        assert_eq!(budget.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_call_for_one_who_is_gone_goes_to_the_next() {
        let budget = Budget::of(100);
        let held = budget.charge(100);
        let (mut first, mut second) = (Waiter::of(&budget, 10), Waiter::of(&budget, 10));
        assert!(!first.has_room() && !second.has_room());
        drop(held);
        assert_eq!((first.calls(), second.calls()), (1, 0));
        drop(first);
        assert_eq!(second.calls(), 1);
    }

    #[test]
    fn connections_leave_a_quarter_for_bytes() {
        let budget = Budget::of(100);
        let idle: Vec<_> = (0..50).map(|_| budget.connection(10)).collect();
        assert_eq!((budget.used(), budget.left()), (500, 25));
        let _bytes = budget.charge(30);
        assert_eq!(budget.left(), 0);
        drop(idle);
        assert_eq!((budget.used(), budget.left()), (30, 70));
    }

    #[test]
    fn threads_that_take_and_give_back_all_get_their_turn() {
        let budget = Budget::of(1000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let mut room = std::pin::pin!(budget.room(400));
                        let parked = Waker::from(Arc::new(Unpark(std::thread::current())));
                        while room.as_mut().poll(&mut Context::from_waker(&parked)).is_pending() {
                            std::thread::park();
                        }
                        drop(budget.charge(400));
                    }
                });
            }
        });
        assert_eq!((budget.used(), budget.waiting.load(Ordering::SeqCst)), (0, 0));
    }

    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Unpark>) {
            self.0.unpark();
        }
    }
}

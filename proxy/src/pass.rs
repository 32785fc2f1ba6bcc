//! Reading into slabs and writing them on: the bytes' way through.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use buffer::{Budget, ReadSize, Shelf, Slab};
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

/// Smallest slab: a usual request with its head fits. Slabs are powers of two as a whole, room for the record's frame included:
/// an allocator gives a quarter more for what is a little longer.
pub(crate) const LEAST_READ: usize = 8 << 10;
/// A slab is no larger than this part of what is left of the memory of all.
const SHARE: usize = 4096;
/// What of a slab isn't read into.
const FRAME: usize = Slab::allocation(0);
/// Reads up to this length are recorded as a copy: in place, a record keeps a slab that is several
/// times as large until the journal has it.
pub(crate) const SMALL: usize = 2 << 10;

thread_local! {
    /// Slabs for reads that find nothing; a handful serves all idle connections of a thread.
    static SHELF: RefCell<Shelf> = const { RefCell::new(Shelf::keeping(8)) };
}

/// What a read does when the memory of all connections is used up.
#[derive(Clone, Copy)]
pub(crate) enum Memory<'a> {
    /// Of a client: it waits for room, and so does the client. The counter says how often.
    Waits(&'a Arc<Budget>, &'a prometheus::IntCounter),
    /// Of the source: it takes the least that makes sense. What is in use is given back only because answers go on.
    Goes(&'a Arc<Budget>),
}

impl Memory<'_> {
    fn budget(&self) -> &Arc<Budget> {
        match self {
            Memory::Waits(budget, _) | Memory::Goes(budget) => budget,
        }
    }

    /// The room of the next slab; `None`: there is none to be had.
    fn fitting(&self, wanted: usize) -> Option<usize> {
        let left = self.budget().left();
        let mut size = wanted;
        // Small slabs in good time: large ones, when there is little left, would be added to what the allocator keeps of small ones.
        while size > LEAST_READ && size > left / SHARE {
            size = (size / 2).max(LEAST_READ);
        }
        match self {
            Memory::Waits(..) if size > left => None,
            _ => Some(size - FRAME),
        }
    }

    /// Waits until the least read has room.
    async fn room(&self) {
        if let Memory::Waits(budget, waits) = self {
            waits.inc();
            budget.room(LEAST_READ).await;
        }
    }
}

/// What came of one try to read.
enum Tried {
    Read(Slab),
    End,
    NoRoom,
}

/// One read into a slab of at most `size` bytes; `None` at the end. Holds no memory while it waits, and loses
/// nothing when dropped.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    size: &mut ReadSize,
    memory: Memory<'_>,
) -> io::Result<Option<Slab>> {
    loop {
        let tried = poll_fn(|context| {
            let Some(room) = memory.fitting(size.next()) else {
                return Poll::Ready(Ok(Tried::NoRoom));
            };
            SHELF.with_borrow_mut(|shelf| {
                let slab = shelf.ready(room);
                match poll_read_buf(Pin::new(&mut *from), context, &mut slab.unfilled()) {
                    Poll::Ready(Ok(0)) => Poll::Ready(Ok(Tried::End)),
                    Poll::Ready(Ok(_)) => {
                        Poll::Ready(Ok(shelf.take().map_or(Tried::End, Tried::Read)))
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                }
            })
        });
        match tried.await? {
            Tried::Read(mut slab) => {
                slab.charge(memory.budget());
                size.read(slab.len() + FRAME);
                return Ok(Some(slab));
            }
            Tried::End => return Ok(None),
            Tried::NoRoom => memory.room().await,
        }
    }
}

/// Bytes on their way, and what they lie in.
pub(crate) enum Passing {
    /// As it was read, and nobody else's.
    Slab(Slab),
    /// The journal has them too.
    Shared(Bytes),
}

impl Passing {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Passing::Slab(slab) => slab.data(),
            Passing::Shared(bytes) => bytes,
        }
    }

    /// The bytes alone, in what they lie in.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Passing::Slab(slab) => slab.into_data(),
            Passing::Shared(bytes) => bytes,
        }
    }

    /// They are where they should go: a slab is free again.
    pub(crate) fn passed(self) {
        if let Passing::Slab(slab) = self {
            SHELF.with_borrow_mut(|shelf| shelf.put(slab));
        }
    }
}

/// Writes all of it, and out of the buffers that TLS has.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> io::Result<()> {
    to.write_all(data).await?;
    to.flush().await
}

/// Writes `front` and `data` behind it, together where the stream can.
pub(crate) async fn send_both(
    to: &mut (impl AsyncWrite + Unpin),
    front: &[u8],
    data: &[u8],
) -> io::Result<()> {
    if front.is_empty() {
        return send(to, data).await;
    }
    to.write_all_buf(&mut front.chain(data)).await?;
    to.flush().await
}

/// Writes one behind the other, together where the stream can.
pub(crate) async fn send_parts(
    to: &mut (impl AsyncWrite + Unpin),
    [first, second, third]: [&[u8]; 3],
) -> io::Result<()> {
    to.write_all_buf(&mut first.chain(second).chain(third)).await?;
    to.flush().await
}

//! Reading into slabs and writing them on: the bytes' way through.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use buffer::{ReadSize, Shelf, Slab};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

/// Smallest read: a usual request with its head.
pub(crate) const LEAST_READ: usize = 8 << 10;

thread_local! {
    /// Slabs for reads that find nothing; a handful serves all idle connections of a thread.
    static SHELF: RefCell<Shelf> = const { RefCell::new(Shelf::keeping(8)) };
}

/// One read of at most `size` bytes; `None` at the end. Holds no memory while it waits, and loses
/// nothing when dropped.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    size: &mut ReadSize,
) -> io::Result<Option<Slab>> {
    let slab = poll_fn(|context| {
        SHELF.with_borrow_mut(|shelf| {
            let mut slab = shelf.take(size.next());
            match poll_read_buf(Pin::new(&mut *from), context, &mut slab.unfilled()) {
                Poll::Ready(Ok(0)) => Poll::Ready(Ok(None)),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(Some(slab))),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => {
                    shelf.put(slab);
                    Poll::Pending
                }
            }
        })
    })
    .await?;
    if let Some(slab) = &slab {
        size.read(slab.len());
    }
    Ok(slab)
}

/// Writes all of it, and out of the buffers that TLS has.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> io::Result<()> {
    to.write_all(data).await?;
    to.flush().await
}

/// Passes bytes on until the end, without looking at them; then ends the other side.
pub(crate) async fn pass_all(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    most: usize,
    passed: &prometheus::IntCounter,
) -> io::Result<()> {
    let mut size = ReadSize::between(LEAST_READ, most);
    while let Some(slab) = read(from, &mut size).await? {
        send(to, slab.data()).await?;
        passed.inc_by(slab.len() as u64);
        SHELF.with_borrow_mut(|shelf| shelf.put(slab.emptied()));
    }
    to.shutdown().await
}

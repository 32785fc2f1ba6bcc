//! A TCP relay that writes down what passes, in both directions.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes bytes on unchanged. Dropping it ends no connection that is open; it takes no more.
#[derive(Debug)]
pub struct Tap {
    addr: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What one connection brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tapped {
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
}

#[derive(Debug)]
struct State {
    target: watch::Sender<SocketAddr>,
    connections: Mutex<Vec<Arc<Mutex<Tapped>>>>,
    open: watch::Sender<usize>,
}

impl Tap {
    /// In front of `target`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn in_front_of(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State {
            target: watch::Sender::new(target),
            connections: Mutex::default(),
            open: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { addr, state, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and [`Tap::addr`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// New connections go there.
    pub fn point_at(&self, target: SocketAddr) {
        self.state.target.send_replace(target);
    }

    /// Waits until no connection is open.
    ///
    /// # Errors
    /// After `patience`.
    pub async fn closed(&self, patience: std::time::Duration) -> anyhow::Result<()> {
        let mut open = self.state.open.subscribe();
        let closed = open.wait_for(|open| *open == 0);
        let closed = tokio::time::timeout(patience, closed).await;
        closed.context("connections are still open")?.context("the tap is gone").map(drop)
    }

    /// What all connections that brought anything have brought so far, sorted: two taps on the same traffic have
    /// the same.
    #[must_use]
    pub fn tapped(&self) -> Vec<Tapped> {
        let connections = self.state.connections.lock();
        let mut tapped: Vec<Tapped> = connections
            .iter()
            .map(|connection| connection.lock().clone())
            .filter(|tapped| *tapped != Tapped::default())
            .collect();
        tapped.sort_unstable();
        tapped
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let tapped = Arc::new(Mutex::new(Tapped::default()));
        state.connections.lock().push(Arc::clone(&tapped));
        state.open.send_modify(|open| *open += 1);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let target = *state.target.borrow();
            carry(client, target, &tapped).await;
            state.open.send_modify(|open| *open -= 1);
        });
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, tapped: &Mutex<Tapped>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let ways = async {
        tokio::try_join!(
            pump(from_client, to_server, |bytes| tapped.lock().to_server.extend_from_slice(bytes)),
            pump(from_server, to_client, |bytes| tapped.lock().to_client.extend_from_slice(bytes)),
        )
    };
    let _ = ways.await;
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut note: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        note(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_passes_is_written_down() {
        let source =
            crate::ScriptedSource::answering(&b"HTTP/1.1 200 OK\r\n\r\n"[..]).await.unwrap();
        let tap = Tap::in_front_of(source.addr()).await.unwrap();
        let ask = b"GET / HTTP/1.1\r\n\r\n";
        for _ in 0..2 {
            let mut client = TcpStream::connect(tap.addr()).await.unwrap();
            client.write_all(ask).await.unwrap();
            let mut answer = [0; 19];
            client.read_exact(&mut answer).await.unwrap();
        }
        let one =
            Tapped { to_server: ask.to_vec(), to_client: b"HTTP/1.1 200 OK\r\n\r\n".to_vec() };
        assert_eq!(tap.tapped(), [one.clone(), one]);
    }
}

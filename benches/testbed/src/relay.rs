//! A TCP relay that misbehaves on demand, in front of a real server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ports::Ports;

/// Passes bytes both ways until told otherwise. Dropping it closes everything.
#[derive(Debug)]
pub struct Relay {
    ports: Ports,
    switches: Arc<Switches>,
    listening: watch::Receiver<bool>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Switches {
    faults: watch::Sender<Faults>,
    /// Bytes that still go to clients before the connection that carries the last one is cut.
    left_to_client: Mutex<Option<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Faults {
    target: SocketAddr,
    paused: bool,
    refusing: bool,
    /// Connections opened under a lower number are cut.
    generation: u64,
}

impl Relay {
    /// A relay on a port of its own that connects to `target` for each client.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn in_front_of(target: SocketAddr) -> anyhow::Result<Self> {
        let ports = Ports::take()?;
        let listener = TcpListener::bind(ports.addr()).await?;
        let faults = Faults { target, paused: false, refusing: false, generation: 0 };
        let switches = Arc::new(Switches {
            faults: watch::Sender::new(faults),
            left_to_client: Mutex::new(None),
        });
        let (say, listening) = watch::channel(true);
        let accepting = tokio::spawn(accept(listener, ports.addr(), Arc::clone(&switches), say));
        Ok(Self { ports, switches, listening, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.ports.addr()
    }

    /// `http://` and [`Relay::addr`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// No byte moves in either direction; connections stay open, new ones are accepted.
    pub fn pause(&self) {
        self.switches.faults.send_modify(|faults| faults.paused = true);
    }

    /// Lets bytes move again.
    pub fn resume(&self) {
        self.switches.faults.send_modify(|faults| faults.paused = false);
    }

    /// Resets every open connection, on both sides.
    pub fn cut(&self) {
        self.switches.faults.send_modify(|faults| faults.generation += 1);
    }

    /// After exactly `bytes` more bytes to clients, the connection that carried the last of them is
    /// closed on both sides. Once.
    pub fn cut_after(&self, bytes: u64) {
        *self.switches.left_to_client.lock() = Some(bytes);
    }

    /// New connections are refused as by a host without a listener; open ones stay.
    pub async fn refuse(&self) {
        self.switches.faults.send_modify(|faults| faults.refusing = true);
        let _ = self.listening.clone().wait_for(|listening| !listening).await;
    }

    /// Accepts connections again.
    pub async fn accept(&self) {
        self.switches.faults.send_modify(|faults| faults.refusing = false);
        let _ = self.listening.clone().wait_for(|listening| *listening).await;
    }

    /// New connections go to another server.
    pub fn point_at(&self, target: SocketAddr) {
        self.switches.faults.send_modify(|faults| faults.target = target);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    addr: SocketAddr,
    switches: Arc<Switches>,
    say: watch::Sender<bool>,
) {
    let mut faults = switches.faults.subscribe();
    let mut listener = Some(listener);
    loop {
        let refusing = faults.borrow_and_update().refusing;
        match (&listener, refusing) {
            (Some(_), true) => {
                listener = None;
                let _ = say.send(false);
            }
            (None, false) => match TcpListener::bind(addr).await {
                Ok(bound) => {
                    listener = Some(bound);
                    let _ = say.send(true);
                }
                Err(_) => tokio::task::yield_now().await,
            },
            (None, true) => {
                if faults.changed().await.is_err() {
                    return;
                }
            }
            (Some(open), false) => tokio::select! {
                changed = faults.changed() => if changed.is_err() { return },
                client = open.accept() => if let Ok((client, _)) = client {
                    tokio::spawn(carry(client, Arc::clone(&switches)));
                },
            },
        }
    }
}

async fn carry(mut client: TcpStream, switches: Arc<Switches>) {
    let mut faults = switches.faults.subscribe();
    let Faults { target, generation, .. } = *faults.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(target).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                pump(from_client, to_server, &switches, None),
                pump(from_server, to_client, &switches, Some(&switches.left_to_client)),
            )
        };
        tokio::select! {
            _ = both => false,
            _ = faults.wait_for(|faults| faults.generation != generation) => true,
        }
    };
    if cut {
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// Carries one direction. An error ends both.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    switches: &Switches,
    budget: Option<&Mutex<Option<u64>>>,
) -> io::Result<()> {
    let mut faults = switches.faults.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let flowing = |faults: &Faults| !faults.paused;
        let gone = |_| io::Error::other("the relay is gone");
        faults.wait_for(flowing).await.map_err(gone)?;
        let count = tokio::select! {
            count = from.read(&mut buffer) => count?,
            _ = faults.changed() => continue,
        };
        // Paused while it waited for these bytes: they wait as well.
        faults.wait_for(flowing).await.map_err(gone)?;
        if count == 0 {
            return to.shutdown().await;
        }
        let allowed = budget.map_or(count, |left| spend(left, count));
        to.write_all(&buffer[..allowed]).await?;
        if budget.is_some_and(is_spent) || allowed < count {
            return Err(io::Error::other("cut after the last allowed byte"));
        }
    }
}

fn spend(left: &Mutex<Option<u64>>, count: usize) -> usize {
    match left.lock().as_mut() {
        None => count,
        Some(left) => {
            let allowed = count.min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= allowed as u64;
            allowed
        }
    }
}

fn is_spent(left: &Mutex<Option<u64>>) -> bool {
    left.lock().take_if(|left| *left == 0).is_some()
}

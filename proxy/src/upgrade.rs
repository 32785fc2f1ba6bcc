//! A new process takes over from an old one, and no connection is refused in between.
//!
//! On SIGQUIT the proxy starts its program again, as it was started itself, with one end of a pair of sockets as its standard
//! input, and hands the listening sockets over through it. The new process says one byte:
//!
//! - [`SERVES`]: it accepts connections. That is so where both may write to the journal at a time. The old one stops
//!   accepting and drains.
//! - [`WAITS`]: it has read its settings, could have opened the journal as far as that can be told, and waits for the old
//!   one's end, since a file journal and a spill have one writer.
//!   The old one stops accepting and drains; what connects meanwhile waits in the sockets' queue.
//!
//! When it says neither in time, or ends, it is killed, and the old process serves on.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use thiserror::Error;

const SERVES: u8 = b'S';
const WAITS: u8 = b'W';
/// Set for a process that takes over.
const VARIABLE: &str = "GODWIT_TAKES_OVER_FROM";

/// How this program was started, and so how the next one is.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// What this process has from the one that it takes over from.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    sockets: Vec<TcpListener>,
    predecessor: Option<UnixStream>,
}

/// What became of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Successor {
    Serves { process: u32 },
    Waits { process: u32 },
}

/// Why a new process did not take over.
#[derive(Debug, Error)]
pub(crate) enum UpgradeError {
    #[error("{0} can't be started: {1}")]
    Start(PathBuf, io::Error),
    #[error("the new process can't be talked to: {0}")]
    Talk(#[from] io::Error),
    #[error("the new process ended before it served; it has logged why")]
    Ended,
    #[error("the new process was not ready within {0:?}")]
    Late(Duration),
}

impl Program {
    /// The running one. Asked when it starts: after an upgrade its file is another.
    pub(crate) fn running() -> io::Result<Program> {
        let path = std::env::current_exe()?;
        Ok(Program { path, arguments: std::env::args_os().skip(1).collect() })
    }

    /// Starts it, hands it `sockets`, and waits until it can take over.
    pub(crate) async fn succeed(
        &self,
        sockets: Vec<TcpListener>,
        patience: Duration,
    ) -> Result<Successor, UpgradeError> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.path)
            .args(&self.arguments)
            .env(VARIABLE, std::process::id().to_string())
            // The new process is the one to be watched.
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(|error| UpgradeError::Start(self.path.clone(), error))?;
        let process = child.id();
        let asked = tokio::task::spawn_blocking(move || {
            send(&ours, &sockets)?;
            ours.set_read_timeout(Some(patience))?;
            let mut word = [0];
            ours.read_exact(&mut word)?;
            // Kept open to this process's end, which it tells the new one.
            Ok::<_, io::Error>((word[0], ours))
        });
        let outcome = match asked.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((SERVES, ours)) => Ok((Successor::Serves { process }, ours)),
            Ok((WAITS, ours)) => Ok((Successor::Waits { process }, ours)),
            Ok(_) => Err(UpgradeError::Ended),
            // A reset: it had not even taken the sockets.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::BrokenPipe
                ) =>
            {
                Err(UpgradeError::Ended)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(UpgradeError::Late(patience))
            }
            Err(error) => Err(UpgradeError::Talk(error)),
        };
        match outcome {
            Ok((successor, ours)) => {
                std::mem::forget(ours);
                Ok(successor)
            }
            Err(error) => {
                end(child).await;
                Err(error)
            }
        }
    }
}

/// Kills a process that did not take over, and takes its end in.
async fn end(mut child: Child) {
    let ended = tokio::task::spawn_blocking(move || {
        let _ = child.kill();
        child.wait()
    });
    let _ = ended.await;
}

impl Inherited {
    /// What an older process hands over, if one started this for that.
    pub(crate) fn take() -> io::Result<Inherited> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(Inherited::default());
        }
        let predecessor = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let sockets = receive(&predecessor)?;
        Ok(Inherited { sockets, predecessor: Some(predecessor) })
    }

    /// The socket that listens on `address`, if there is one.
    pub(crate) fn socket(&mut self, address: std::net::SocketAddr) -> Option<TcpListener> {
        let at = self.sockets.iter().position(|socket| {
            socket.local_addr().is_ok_and(|bound| {
                bound == address || (address.port() == 0 && bound.ip() == address.ip())
            })
        });
        at.map(|at| self.sockets.remove(at))
    }

    /// Whether there is an older process.
    pub(crate) fn takes_over(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Waits for the end of the older process, whose journal is taken over.
    pub(crate) async fn predecessor_ends(&mut self) -> io::Result<()> {
        let Some(mut predecessor) = self.predecessor.take() else { return Ok(()) };
        tracing::info!("waits for the process that it takes over from");
        let waited = tokio::task::spawn_blocking(move || {
            predecessor.write_all(&[WAITS])?;
            let mut rest = [0];
            // Its end, in whatever way, closes the other side.
            while matches!(predecessor.read(&mut rest), Ok(read) if read > 0) {}
            Ok(())
        });
        waited.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Tells the older process that this one accepts connections. What was handed over and isn't wanted is closed.
    pub(crate) fn serves(self) {
        if let Some(mut predecessor) = self.predecessor
            && let Err(error) = predecessor.write_all(&[SERVES])
        {
            tracing::warn!(%error, "the process that it takes over from can't be told");
        }
    }
}

/// Sends sockets, and how many they are.
fn send(through: &UnixStream, sockets: &[TcpListener]) -> io::Result<()> {
    let descriptors: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("too many sockets"));
    }
    let count = [descriptors.len() as u8];
    sendmsg(through, &[IoSlice::new(&count)], &mut control, SendFlags::empty())?;
    Ok(())
}

/// The listener's and the admin's.
const MOST: usize = 2;

fn receive(through: &UnixStream) -> io::Result<Vec<TcpListener>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut count = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(through, &mut [IoSliceMut::new(&mut count)], &mut control, flags)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors.map(TcpListener::from));
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_arrive_and_still_listen() {
        let (one, other) = UnixStream::pair().unwrap();
        let sockets = [(); MOST].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        send(&one, &sockets).unwrap();
        drop(sockets);
        let mut inherited = Inherited { sockets: receive(&other).unwrap(), predecessor: None };
        let admin = inherited.socket(addresses[1]).unwrap();
        let client = std::net::TcpStream::connect(addresses[1]).unwrap();
        assert_eq!(admin.accept().unwrap().1, client.local_addr().unwrap());
        assert!(inherited.socket(addresses[1]).is_none());
        assert!(inherited.socket("127.0.0.1:0".parse().unwrap()).is_some());
    }
}

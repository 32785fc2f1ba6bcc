//! Breaks a client's connection off, so that no client takes its end for the end of an answer.
//!
//! A connection that is closed has ended, and an answer that ends with it would look whole. One that is reset broke. Over TLS the
//! notice of an end stays away too: it is sent by a shutdown only.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::accept::Client;

/// Resets the connection. What the client has not been sent yet is gone.
pub(crate) fn break_off(client: Client) {
    let made = client.socket().map_or(Ok(()), make_reset);
    if let Err(error) = made {
        tracing::warn!(%error, "a connection that is to break is closed instead");
    }
    drop(client);
}

/// The socket of this number is reset when it is closed. pingora tells no more of it than the number; what that stands for the kernel
/// gives out once more.
fn make_reset(socket: RawFd) -> io::Result<()> {
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    let same = pidfd_getfd(process, socket, PidfdGetfdFlags::empty())?;
    Ok(sockopt::set_socket_linger(same, Some(Duration::ZERO))?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_socket_goes_on_until_it_is_closed_and_then_is_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        make_reset(accepted.as_raw_fd()).unwrap();
        accepted.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        drop(accepted);
        let ended = client.read(&mut [0]);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

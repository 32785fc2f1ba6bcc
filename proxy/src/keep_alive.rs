//! A peer that is gone without a word is noticed: its connection would else be held, and what belongs to it, for good.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;

/// After so long without a byte the peer's host is asked whether it is there.
const IDLE: Duration = Duration::from_secs(60);
/// Then again this often, until it has not answered so many times.
const INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 5;

/// Has the kernel look after a connection. Set on a socket that listens, it holds for all that it accepts.
///
/// # Errors
/// Those of the kernel.
pub(crate) fn keep_alive(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, IDLE)?;
    sockopt::set_tcp_keepintvl(socket, INTERVAL)?;
    Ok(sockopt::set_tcp_keepcnt(socket, PROBES)?)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_a_listener_accepts_is_looked_after() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        keep_alive(&listener).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(sockopt::socket_keepalive(&accepted).unwrap());
        let times = (sockopt::tcp_keepidle(&accepted), sockopt::tcp_keepintvl(&accepted));
        assert_eq!(times, (Ok(IDLE), Ok(INTERVAL)));
        assert_eq!(sockopt::tcp_keepcnt(&accepted), Ok(PROBES));
    }
}

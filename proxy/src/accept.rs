//! From an accepted connection to one that can be served: the balancer's word for its client, and TLS.
//!
//! pingora accepts and hands over bare connections: its own listener would end TLS before a PROXY header could be read, and
//! has one certificate for its life.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

use codec::proxy_header::{self, Begins};
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as Bare;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::addresses::Trusted;
use crate::tls::Listening;
use crate::watched::Watched;

/// A client's connection, TLS ended.
pub(crate) type Client = Box<dyn BothWays>;

pub(crate) trait BothWays: AsyncRead + AsyncWrite + Unpin + Send {
    /// The number of the socket below, where there is one.
    fn socket(&self) -> Option<RawFd>;
}

impl BothWays for Bare {
    fn socket(&self) -> Option<RawFd> {
        Some(self.as_raw_fd())
    }
}

impl BothWays for TlsStream<Box<Bare>> {
    fn socket(&self) -> Option<RawFd> {
        Some(self.as_raw_fd())
    }
}

#[cfg(test)]
impl BothWays for tokio::io::DuplexStream {
    fn socket(&self) -> Option<RawFd> {
        None
    }
}

/// Whether a connection begins with a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    Off,
    /// From a trusted address it may.
    Optional,
    /// It does, and comes from a trusted address.
    Required,
}

/// How clients are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub proxy_protocol: ProxyProtocol,
    pub trusted: Trusted,
    /// For the PROXY header and the TLS handshake together.
    pub handshake_timeout: Duration,
}

/// Why a connection is closed before it was served. Nothing of it reached the source.
#[derive(Debug, Error)]
pub(crate) enum NotServed {
    #[error("it does not come from an address of --trusted-proxies")]
    Untrusted,
    #[error("it begins without a PROXY header")]
    NoHeader,
    #[error("its PROXY header is malformed: {0}")]
    Header(#[from] proxy_header::Malformed),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("it did not come so far in time")]
    Late,
    #[error("it ended: {0}")]
    Gone(io::Error),
}

impl NotServed {
    /// The reason's name in metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            NotServed::Untrusted => "untrusted",
            NotServed::NoHeader => "no_proxy_header",
            NotServed::Header(_) => "bad_proxy_header",
            NotServed::Tls(_) => "tls",
            NotServed::Late => "handshake_timeout",
            NotServed::Gone(_) => "gone",
        }
    }
}

/// An accepted connection.
pub(crate) struct Accepted {
    pub stream: Client,
    /// Whose it is, as far as the connection itself tells.
    pub from: Option<SocketAddr>,
}

/// Makes a connection ready.
pub(crate) async fn make_ready(
    entry: &Entry,
    tls: Option<&Watched<Listening>>,
    stream: Stream,
) -> Result<Accepted, NotServed> {
    let other_kind = || NotServed::Gone(io::Error::other("not a socket"));
    let bare = stream.into_any().downcast::<Bare>().map_err(|_| other_kind())?;
    let peer = peer(&bare);
    if entry.proxy_protocol == ProxyProtocol::Off && tls.is_none() {
        return Ok(Accepted { stream: bare, from: peer });
    }
    // Boxed: a handshake is 8 KB of state that every connection would else keep room for.
    let shaken = Box::pin(shake_hands(entry, tls, bare, peer));
    tokio::time::timeout(entry.handshake_timeout, shaken).await.unwrap_or(Err(NotServed::Late))
}

/// Where the connection comes from.
fn peer(bare: &Bare) -> Option<SocketAddr> {
    use pingora_core::protocols::GetSocketDigest as _;
    let digest = bare.get_socket_digest()?;
    let peer = digest.peer_addr()?.as_inet().copied()?;
    Some(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

async fn shake_hands(
    entry: &Entry,
    tls: Option<&Watched<Listening>>,
    mut bare: Box<Bare>,
    peer: Option<SocketAddr>,
) -> Result<Accepted, NotServed> {
    let is_trusted = peer.is_some_and(|peer| entry.trusted.holds(peer.ip()));
    let said = match (entry.proxy_protocol, is_trusted) {
        (ProxyProtocol::Off, _) | (ProxyProtocol::Optional, false) => None,
        (ProxyProtocol::Required, false) => return Err(NotServed::Untrusted),
        (ProxyProtocol::Optional, true) => header(&mut bare).await?.unwrap_or(None),
        (ProxyProtocol::Required, true) => header(&mut bare).await?.ok_or(NotServed::NoHeader)?,
    };
    let from = said.or(peer);
    let Some(tls) = tls else { return Ok(Accepted { stream: bare, from }) };
    let config = tls.current().config.clone();
    let stream = TlsAcceptor::from(config).accept(bare).await.map_err(NotServed::Tls)?;
    Ok(Accepted { stream: Box::new(stream), from })
}

/// Takes the header off; `None` when there is none, and then nothing is taken.
async fn header(bare: &mut Bare) -> Result<Option<Option<SocketAddr>>, NotServed> {
    let mut bytes = Vec::new();
    loop {
        match proxy_header::look(&bytes)? {
            Begins::With(client) => return Ok(Some(client)),
            Begins::Without => {
                bare.rewind(&bytes);
                return Ok(None);
            }
            Begins::Open(more) => {
                let so_far = bytes.len();
                bytes.resize(so_far + more, 0);
                let read = bare.read(&mut bytes[so_far..]).await.map_err(NotServed::Gone)?;
                bytes.truncate(so_far + read);
                if read == 0 {
                    // A balancer that looks whether the port is open, or half a header, which is no request either.
                    return Err(NotServed::Gone(io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
    }
}

/// Who sent a request with this head, which came over a connection of `from`.
pub(crate) fn sender(entry: &Entry, from: Option<SocketAddr>, head: &[u8]) -> Option<IpAddr> {
    let from = from?.ip();
    entry.trusted.forwarded_for(from, head).or(Some(from))
}

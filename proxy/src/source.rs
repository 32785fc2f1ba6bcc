//! Connecting to the source cluster.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};

/// The source cluster's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddress {
    host: String,
    port: u16,
    tls: bool,
}

/// What is wrong with the source's address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("use http://host:port or https://host:port, without a path")]
pub struct SourceAddressError;

/// A connection to the source. Plain ones are bare sockets, so that nothing is buffered twice.
#[derive(Debug)]
pub(crate) enum Source {
    Plain(TcpStream),
    Tls(Stream),
}

/// Makes connections to the source.
pub(crate) struct Sources {
    address: SourceAddress,
    timeout: Duration,
    tls: TransportConnector,
}

impl FromStr for SourceAddress {
    type Err = SourceAddressError;

    fn from_str(text: &str) -> Result<SourceAddress, SourceAddressError> {
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(SourceAddressError),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (rest, Some(if tls { 443 } else { 80 })),
        };
        let port = port.filter(|port| *port > 0).ok_or(SourceAddressError)?;
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(SourceAddressError);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(SourceAddress { host, port, tls })
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let SourceAddress { host, port, .. } = self;
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

impl Sources {
    pub(crate) fn new(address: SourceAddress, timeout: Duration) -> Sources {
        Sources { address, timeout, tls: TransportConnector::new(None) }
    }

    /// A new connection, made within the timeout; each address of the name is tried in turn.
    pub(crate) async fn connect(&self) -> io::Result<Source> {
        let connecting = tokio::time::timeout(self.timeout, self.try_addresses());
        connecting.await.unwrap_or_else(|_| {
            let message = format!("{} did not accept within {:?}", self.address, self.timeout);
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }

    async fn try_addresses(&self) -> io::Result<Source> {
        let SourceAddress { host, port, .. } = &self.address;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((host.as_str(), *port)).await? {
            match self.try_address(address).await {
                Ok(source) => return Ok(source),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn try_address(&self, address: SocketAddr) -> io::Result<Source> {
        if !self.address.tls {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            return Ok(Source::Plain(socket));
        }
        // The name is never empty, so the certificate is always verified against it.
        let peer = HttpPeer::new(address, true, self.address.host.clone());
        // Boxed: a TLS handshake is 8 KB of state that every connection would else keep room for.
        let stream = Box::pin(self.tls.new_stream(&peer)).await;
        stream.map(Source::Tls).map_err(|error| io::Error::other(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_anything_connects() {
        for (text, shown) in [
            ("http://es:9200", "http://es:9200"),
            ("http://es/", "http://es:80"),
            ("https://[::1]:9200", "https://[::1]:9200"),
            ("https://es.example", "https://es.example:443"),
        ] {
            assert_eq!(text.parse::<SourceAddress>().unwrap().to_string(), shown);
        }
        for text in ["es:9200", "http://", "http://es:0", "http://es:9200/path", "http://u@es:1"] {
            assert!(text.parse::<SourceAddress>().is_err(), "{text}");
        }
    }
}

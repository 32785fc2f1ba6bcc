//! Connecting to the source cluster.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::keep_alive::keep_alive;
use crate::tls::{Reaching, SourceTls, reaching};
use crate::watched::{FileError, Watched};

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
    Tls(Box<TlsStream<TcpStream>>),
}

/// Makes connections to the source.
pub(crate) struct Sources {
    address: SourceAddress,
    timeout: Duration,
    tls: Option<Tls>,
}

struct Tls {
    files: Watched<Reaching>,
    /// A name, or an address: the certificate is verified against either.
    name: ServerName<'static>,
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
    /// Reads what TLS needs, if the source speaks it.
    pub(crate) fn new(
        address: SourceAddress,
        tls: &SourceTls,
        timeout: Duration,
    ) -> Result<Sources, FileError> {
        let tls = match address.tls {
            false => None,
            true => {
                let name = tls.server_name.clone().unwrap_or_else(|| address.host.clone());
                let checked = ServerName::try_from(name.clone());
                let name = checked.map_err(|error| FileError::new(Path::new(&name), &error))?;
                Some(Tls { files: reaching(tls)?, name })
            }
        };
        Ok(Sources { address, timeout, tls })
    }

    /// The files of its TLS.
    pub(crate) fn files(&self) -> Option<&Watched<Reaching>> {
        self.tls.as_ref().map(|tls| &tls.files)
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
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        keep_alive(&socket)?;
        let Some(Tls { files, name }) = &self.tls else { return Ok(Source::Plain(socket)) };
        let connector = TlsConnector::from(files.current().config.clone());
        // Boxed: a TLS handshake is 8 KB of state that every connection would else keep room for.
        let stream = Box::pin(connector.connect(name.clone(), socket)).await?;
        Ok(Source::Tls(Box::new(stream)))
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

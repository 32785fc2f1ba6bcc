//! The PROXY protocol, versions 1 and 2: a balancer's word for who a connection comes from.
//!
//! It stands in front of everything, TLS too, and is for us alone: it goes neither to the source nor into the journal. What
//! is read of a connection to find it is never more than it has, so that nothing has to be given back behind it.
//!
//! ```text
//! 1   PROXY TCP4 203.0.113.5 10.0.0.1 51234 9200 CRLF        (or PROXY UNKNOWN … CRLF; at most 107 bytes)
//! 2   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | 2x: 0 LOCAL, 1 PROXY | family | length | addresses, TLVs
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// What the first bytes of a connection come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// At least so many bytes more are needed, and a header has them.
    Open(usize),
    /// With no header.
    Without,
    /// With this header, whole. `None`: the balancer speaks for itself, as its health checks do, or of no address that we
    /// know.
    With(Option<SocketAddr>),
}

/// It begins as a header, and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("version 1: no CRLF within 107 bytes")]
    Unended,
    #[error("version 1: not `PROXY TCP4|TCP6|UNKNOWN …`")]
    Line,
    #[error("version 2: neither LOCAL nor PROXY")]
    Command,
    #[error("version 2: longer than 4 KiB")]
    Long,
    #[error("version 2: shorter than its addresses")]
    Short,
}

const FIRST: &[u8] = b"PROXY ";
const SECOND: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The shortest header of either version, and of version 1 with addresses.
const SHORTEST: usize = 15;
const SHORTEST_LINE: usize = 22;
const LONGEST_LINE: usize = 107;
const FIXED: usize = 16;
/// Type-length-values behind the addresses say nothing that is used; some KiB are more than balancers send.
const LONGEST: usize = 4096;

/// Looks at what a connection begins with, as far as it has been read.
pub fn look(bytes: &[u8]) -> Result<Begins, Malformed> {
    if is_or_may_become(bytes, FIRST) {
        return first(bytes);
    }
    if is_or_may_become(bytes, SECOND) {
        return second(bytes);
    }
    Ok(Begins::Without)
}

fn is_or_may_become(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(one, other)| one == other)
}

fn first(bytes: &[u8]) -> Result<Begins, Malformed> {
    // However much came at once, a longer line is none.
    let begins = &bytes[..bytes.len().min(LONGEST_LINE)];
    if let Some(end) = begins.windows(2).position(|two| two == b"\r\n") {
        return line(&bytes[FIRST.len()..end]).map(Begins::With);
    }
    let left = LONGEST_LINE - begins.len();
    if left == 0 {
        return Err(Malformed::Unended);
    }
    let known = bytes.get(FIRST.len()..).unwrap_or_default();
    let shortest = match known.starts_with(b"TCP") {
        true => SHORTEST_LINE,
        false => SHORTEST,
    };
    let ends = if bytes.ends_with(b"\r") { 1 } else { 2 };
    Ok(Begins::Open(shortest.saturating_sub(bytes.len()).max(ends).min(left)))
}

/// What stands between `PROXY ` and CRLF.
fn line(text: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed::Line)?;
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Ok(None);
    }
    let words: Vec<&str> = text.split(' ').collect();
    let [family, from, to, from_port, to_port] = words[..] else { return Err(Malformed::Line) };
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| Malformed::Line);
    let port = |text: &str| text.parse::<u16>().map_err(|_| Malformed::Line);
    let (from, to, from_port, _) = (address(from)?, address(to)?, port(from_port)?, port(to_port)?);
    match family {
        "TCP4" if from.is_ipv4() && to.is_ipv4() => {}
        "TCP6" if from.is_ipv6() && to.is_ipv6() => {}
        _ => return Err(Malformed::Line),
    }
    Ok(Some(SocketAddr::new(from, from_port)))
}

fn second(bytes: &[u8]) -> Result<Begins, Malformed> {
    let fixed = bytes.get(SECOND.len()..).and_then(<[u8]>::first_chunk);
    let Some(&[version_command, family, high, low]) = fixed else {
        return Ok(Begins::Open(FIXED - bytes.len()));
    };
    let is_local = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed::Command),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST {
        return Err(Malformed::Long);
    }
    let rest = &bytes[FIXED..];
    if rest.len() < length {
        return Ok(Begins::Open(length - rest.len()));
    }
    if is_local {
        return Ok(Begins::With(None));
    }
    let client = match family {
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *taken::<12>(rest)?;
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
        }
        0x21 => {
            let addresses = taken::<36>(rest)?;
            let from: [u8; 16] = *taken(addresses)?;
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Some(SocketAddr::new(Ipv6Addr::from(from).to_canonical(), port))
        }
        // Datagrams, Unix sockets, unspecified.
        _ => None,
    };
    Ok(Begins::With(client))
}

fn taken<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], Malformed> {
    bytes.first_chunk().ok_or(Malformed::Short)
}

#[cfg(test)]
mod tests;

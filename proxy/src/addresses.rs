//! Which address a client has: whose word for it is taken.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// A range of addresses, as in 10.0.0.0/8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: IpAddr,
    bits: u32,
}

/// Those whose word for a client's address is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted(Vec<Range>);

/// What is wrong with a list of ranges.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "use addresses or ranges with commas between them, as in 10.0.0.0/8,fd00::/8; `{0}` is none"
)]
pub struct RangeError(String);

impl std::str::FromStr for Trusted {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Trusted, RangeError> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| range(word).ok_or_else(|| RangeError(word.into()))).collect()
    }
}

impl FromIterator<Range> for Trusted {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Trusted {
        Trusted(ranges.into_iter().collect())
    }
}

fn range(word: &str) -> Option<Range> {
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (word, None),
    };
    let first: IpAddr = address.parse().ok()?;
    let most = if first.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some(Range { first, bits })
}

impl Range {
    fn holds(&self, address: IpAddr) -> bool {
        let differs = match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(other)) => {
                (first.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(first), IpAddr::V6(other)) => {
                (first.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differs >= self.bits
    }
}

impl Trusted {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        // A socket that listens to both kinds shows an IPv4 address as an IPv6 one.
        let address = address.to_canonical();
        self.0.iter().any(|range| range.holds(address))
    }

    /// Who sent a request that came from `peer`, as its head says: the last hop that is not one of ours. `None` when `peer`
    /// isn't trusted, or the head says nothing.
    pub(crate) fn forwarded_for(&self, peer: IpAddr, head: &[u8]) -> Option<IpAddr> {
        if !self.holds(peer) {
            return None;
        }
        let mut believed = None;
        for value in forwarded(head).into_iter().rev() {
            let hops = value.rsplit(|byte| *byte == b',');
            for hop in hops {
                // What no address is was not written by one of ours, and nothing before it either.
                let Some(address) = hop_address(hop.trim_ascii()) else { return believed };
                believed = Some(address);
                if !self.holds(address) {
                    return believed;
                }
            }
        }
        believed
    }
}

const FIELD: &[u8] = b"x-forwarded-for:";

fn forwarded(head: &[u8]) -> Vec<&[u8]> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let fields = lines.filter_map(|line| {
        let name = line.get(..FIELD.len())?;
        name.eq_ignore_ascii_case(FIELD).then(|| line[FIELD.len()..].trim_ascii())
    });
    fields.collect()
}

/// An address as balancers write it: some with a port.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let trusted: Trusted = "10.0.0.0/8, 192.0.2.7,fd00::/8,::1".parse().unwrap();
        for inside in ["10.255.0.1", "192.0.2.7", "fd12::3", "::1", "::ffff:10.1.2.3"] {
            assert!(trusted.holds(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.0", "192.0.2.8", "fe80::1", "::2", "::ffff:11.1.2.3"] {
            assert!(!trusted.holds(ip(outside)), "{outside}");
        }
        let all: Trusted = "0.0.0.0/0,::/0".parse().unwrap();
        assert!(all.holds(ip("203.0.113.1")) && all.holds(ip("2001:db8::1")));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "host", "10.0.0.0/x", "::/129"] {
            assert!(wrong.parse::<Trusted>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_hop_that_is_not_ours_is_believed() {
        let trusted: Trusted = "10.0.0.0/8".parse().unwrap();
        let said = |peer: &str, fields: &str| {
            let head = format!("GET / HTTP/1.1\r\nhost: x-forwarded-for: 1.1.1.1\r\n{fields}\r\n");
            trusted.forwarded_for(ip(peer), head.as_bytes()).map(|ip| ip.to_string())
        };
        let one = "X-Forwarded-For: 203.0.113.5\r\n";
        assert_eq!(said("10.0.0.1", one).as_deref(), Some("203.0.113.5"));
        assert_eq!(said("192.0.2.1", one), None, "anyone may write that");
        let spoofed = "x-forwarded-for: 1.2.3.4, 203.0.113.5,10.0.0.9\r\n";
        assert_eq!(said("10.0.0.1", spoofed).as_deref(), Some("203.0.113.5"));
        let two = "x-forwarded-for: 1.2.3.4\r\nX-FORWARDED-FOR: [2001:db8::1]:443 , 10.0.0.9\r\n";
        assert_eq!(said("10.0.0.1", two).as_deref(), Some("2001:db8::1"));
        let inside = "x-forwarded-for: 10.1.1.1, 10.0.0.9:1234\r\n";
        assert_eq!(said("10.0.0.1", inside).as_deref(), Some("10.1.1.1"));
        let odd = "x-forwarded-for: 203.0.113.5, unknown, 10.0.0.9\r\n";
        assert_eq!(said("10.0.0.1", odd).as_deref(), Some("10.0.0.9"));
        assert_eq!(said("10.0.0.1", ""), None);
    }
}

//! Compression of request bodies.

use std::io::Write;
use std::str::FromStr;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};

/// When to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gzip {
    /// Unless the target is on this machine.
    #[default]
    Auto,
    On,
    Off,
}

impl Gzip {
    /// What it comes to for a target at `url`.
    pub(super) fn for_target(self, url: &str) -> bool {
        match self {
            Self::Auto => !is_loopback(url),
            Self::On => true,
            Self::Off => false,
        }
    }
}

impl FromStr for Gzip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(format!("gzip `{text}`: expected `auto`, `on` or `off`")),
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Compresses on a thread for such work, so that answers of other requests aren't held up.
pub(super) async fn compress(body: Bytes) -> std::io::Result<Bytes> {
    let work = move || {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        encoder.write_all(&body)?;
        encoder.finish().map(Bytes::from)
    };
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_on_this_machine_gets_it_plain() {
        for near in ["http://127.0.0.1:9200", "https://localhost", "http://[::1]:1/x"] {
            assert!(!Gzip::Auto.for_target(near), "{near}");
            assert!(Gzip::On.for_target(near));
        }
        for far in
            ["https://search.example.com", "http://10.0.0.1:9200", "http://localhost.example.com"]
        {
            assert!(Gzip::Auto.for_target(far), "{far}");
            assert!(!Gzip::Off.for_target(far));
        }
        assert_eq!("on".parse(), Ok(Gzip::On));
        assert!("yes".parse::<Gzip>().is_err());
    }
}

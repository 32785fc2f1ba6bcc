//! The admin listeners of the programs, asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a listener on this host, or near it, has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const LIMIT: u64 = 8 << 20;

/// Numbers by name and labels, as `/metrics` prints them: `name{label="value"}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

/// Whether the program at this address is ready.
pub async fn is_ready(admin: SocketAddr) -> bool {
    matches!(get(admin, "/readyz").await, Some((200, _)))
}

/// Its metrics; `None` when nobody answers.
pub async fn metrics(admin: SocketAddr) -> Option<Metrics> {
    match get(admin, "/metrics").await? {
        (200, text) => Some(Metrics::parse(&text)),
        _ => None,
    }
}

/// Status and body.
async fn get(admin: SocketAddr, path: &str) -> Option<(u16, String)> {
    let asked = async {
        let mut stream = TcpStream::connect(admin).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: {admin}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(LIMIT).read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    };
    timeout(PATIENCE, asked).await.ok()?
}

impl Metrics {
    fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Metrics(lines.filter_map(pair).collect())
    }

    /// The sum over all labels of a metric; `None` when there is no such.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let labelled = format!("{name}{{");
        let found = self.0.iter().filter(|(key, _)| *key == name || key.starts_with(&labelled));
        found.map(|(_, value)| *value).reduce(|sum, value| sum + value)
    }

    /// As [`Metrics::sum`], rounded down; 0 when there is no such.
    pub fn count(&self, name: &str) -> u64 {
        self.sum(name).map_or(0, |value| value.max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# HELP a x\na{b=\"1\"} 2\na{b=\"2\"} 3\naa 7\nlag 1.5\n";
        let metrics = Metrics::parse(text);
        assert_eq!((metrics.count("a"), metrics.count("aa"), metrics.count("b")), (5, 7, 0));
        assert_eq!((metrics.sum("lag"), metrics.sum("b")), (Some(1.5), None));
    }
}

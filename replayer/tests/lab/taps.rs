//! What passes on both sides of a proxy.

use std::time::Duration;

use testbed::{Tap, Tapped};

use super::Lab;

/// Between clients and the proxy, and between the proxy and the source.
pub struct Taps {
    pub front: Tap,
    pub behind: Tap,
}

impl Taps {
    /// Both lead nowhere yet.
    pub async fn new() -> Self {
        let nowhere = ([127, 0, 0, 1], 1).into();
        let (front, behind) = tokio::join!(Tap::in_front_of(nowhere), Tap::in_front_of(nowhere));
        Self { front: front.unwrap(), behind: behind.unwrap() }
    }

    /// Every connection on both sides, when all of them are closed.
    async fn both(&self) -> (Vec<Tapped>, Vec<Tapped>) {
        for tap in [&self.front, &self.behind] {
            tap.closed(Duration::from_secs(60)).await.unwrap();
        }
        (self.front.tapped(), self.behind.tapped())
    }

    /// The source received what clients sent, and the other way round, byte for byte.
    pub async fn assert_same(&self) {
        let (front, behind) = self.both().await;
        for (front, behind) in front.iter().zip(&behind) {
            assert_eq!(text(&front.to_server), text(&behind.to_server));
            assert_eq!(text(&front.to_client), text(&behind.to_client));
            assert_eq!(front, behind);
        }
        assert_eq!(front.len(), behind.len(), "connections");
        let sum =
            |pick: fn(&Tapped) -> &Vec<u8>| front.iter().map(|one| pick(one).len()).sum::<usize>();
        let (sent, answered) = (sum(|one| &one.to_server), sum(|one| &one.to_client));
        println!("{} connections, {sent} bytes sent, {answered} answered: the same", front.len());
        assert!(sent > 0 && answered > 0);
    }

    /// Ends the recording: nothing was changed on its way, and replayed it makes both clusters the same.
    pub async fn assert_replayed(&self, lab: &Lab) {
        lab.stop_proxy().await;
        self.assert_same().await;
        lab.replay_and_compare().await.unwrap();
    }

    /// As [`Taps::assert_same`] with clients that go away at any moment: what one side has of a connection the other
    /// begins with.
    pub async fn assert_same_as_far_as_it_came(&self) {
        let (front, mut behind) = self.both().await;
        for one in &front {
            // A proxy that drains tells a client that its connection ends: nothing else is ever added.
            let answered = without(&one.to_client, b"connection: close\r\n");
            let begins = |other: &Tapped| {
                let sent = one.to_server.starts_with(&other.to_server);
                let got = |answer: &[u8]| other.to_client.starts_with(answer);
                sent && (got(&one.to_client) || got(&answered))
            };
            let same =
                behind.iter().position(|other| other.to_server == one.to_server && begins(other));
            // The source may have got nothing at all of what was cut off.
            if let Some(at) = same.or_else(|| behind.iter().position(begins)) {
                behind.swap_remove(at);
            } else {
                assert!(
                    one.to_client.is_empty() || one.to_client.starts_with(b"HTTP/1.1 503"),
                    "{} answered {}",
                    text(&one.to_server),
                    text(&one.to_client)
                );
            }
        }
        assert!(behind.is_empty(), "nobody sent this: {}", text(&behind[0].to_server));
    }
}

/// `bytes` without the first `part` in them.
fn without(bytes: &[u8], part: &[u8]) -> Vec<u8> {
    match bytes.windows(part.len()).position(|window| window == part) {
        Some(at) => [&bytes[..at], &bytes[at + part.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    format!("{} bytes: {}", bytes.len(), text.chars().take(2_000).collect::<String>())
}

//! A door that only signed requests pass, in front of a real server that doesn't know of signatures.

use std::{net::SocketAddr, sync::Arc};

use jiff::SignedDuration;
use parking_lot::Mutex;

use crate::gate::Gate;

mod signature;

pub use signature::SigningKey;
use signature::{Head, Service};

/// Checks the signature of every request (AWS Signature Version 4) from the bytes that came, and hands those bytes on;
/// others it answers itself with 403. Dropping it closes everything.
#[derive(Debug)]
pub struct SignedFront {
    gate: Gate,
    book: Arc<Book>,
}

#[derive(Debug)]
struct Book {
    service: Mutex<Service>,
    passed: Mutex<Vec<String>>,
    refused: Mutex<Vec<String>>,
}

impl SignedFront {
    /// In front of `target`, for a `service` (`es`, `aoss`) in `region`, with keys that are good.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn in_front_of(
        target: SocketAddr,
        service: &str,
        region: &str,
        keys: impl IntoIterator<Item = SigningKey>,
    ) -> anyhow::Result<Self> {
        let service = Service {
            name: service.to_owned(),
            region: region.to_owned(),
            keys: keys.into_iter().collect(),
            clock: SignedDuration::ZERO,
        };
        let book = Arc::new(Book {
            service: Mutex::new(service),
            passed: Mutex::default(),
            refused: Mutex::default(),
        });
        let written = Arc::clone(&book);
        let gate = Gate::in_front_of(target, move |request| written.verdict(request)).await?;
        Ok(Self { gate, book })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        self.gate.url()
    }

    /// From now on these keys are good, and no others.
    pub fn set_keys(&self, keys: impl IntoIterator<Item = SigningKey>) {
        self.book.service.lock().keys = keys.into_iter().collect();
    }

    /// From now on the service's clock is so far ahead of this machine's.
    pub fn set_clock(&self, ahead: SignedDuration) {
        self.book.service.lock().clock = ahead;
    }

    /// What was handed on: method and target as they came, each request.
    #[must_use]
    pub fn passed(&self) -> Vec<String> {
        self.book.passed.lock().clone()
    }

    /// What wasn't, and why.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.book.refused.lock().clone()
    }
}

impl Book {
    fn verdict(&self, request: &[u8]) -> Option<Vec<u8>> {
        let service = self.service.lock();
        let (line, checked) = match Head::parse(request) {
            Some((head, body)) => {
                (format!("{} {}", head.method, head.target), service.check(&head, body))
            }
            None => (String::new(), Err("no request".to_owned())),
        };
        let Err(why) = checked else {
            self.passed.lock().push(line);
            return None;
        };
        let date = service.now().strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
        let body = format!("{{\"message\":\"{}\"}}", why.replace(['"', '\\', '\n'], " "));
        self.refused.lock().push(format!("{line}: {why}"));
        Some(Gate::answer("403 Forbidden", &date, &body))
    }
}

//! What requests on their way hold of the memory of all connections: each byte that is pinned is counted, until it is where it
//! should go.

use bytes::BufMut as _;
use journal::{AppendSettings, Appender, JournalUrl};
use prometheus::Registry;
use tempfile::TempDir;

use super::*;
use crate::metrics::Metrics;
use crate::recording::Recording;
use crate::roster::Roster;
use crate::tape::Tape;
use crate::{Flags, Settings};
use buffer::Budget;
use std::sync::Arc;
use std::time::Duration;

/// What a connection is made of.
struct Parts {
    settings: Settings,
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
    recording: Recording,
    tape: Tape,
    journal: Appender,
    _folder: TempDir,
}

impl Parts {
    fn of(is_recorded: bool, change: impl FnOnce(&mut Flags)) -> Parts {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("j");
        let mut flags = Flags {
            listen: Some("127.0.0.1:0".into()),
            source: Some("http://127.0.0.1:9200".into()),
            journal: Some(format!("file://{}", path.display())),
            ..Flags::default()
        };
        change(&mut flags);
        let journal = Appender::open(&JournalUrl::File(path), &AppendSettings::default()).unwrap();
        let metrics = Arc::new(Metrics::new(&Registry::new()).unwrap());
        let budget = Budget::of(64 << 20);
        let seat = Arc::new(Roster::default()).enter("node").seat.clone();
        let tape = match is_recorded {
            true => Tape::new(journal.clone(), "node", seat, metrics.clone(), budget.clone()),
            false => Tape::blank(metrics.clone(), budget.clone()),
        };
        let (settings, recording) = (Settings::load(flags, []).unwrap(), Recording::of(1.0));
        Parts { settings, metrics, budget, recording, tape, journal, _folder: folder }
    }

    fn connection(&self) -> Connection<'_> {
        let Parts { settings, metrics, tape, budget, recording, .. } = self;
        Connection::new(settings, metrics, tape, budget, recording, None)
    }

    /// A read of these bytes.
    fn read(&self, bytes: &[u8]) -> Slab {
        let mut slab = Slab::new(bytes.len().max(LEAST_READ));
        slab.unfilled().put_slice(bytes);
        slab.charge(&self.budget);
        slab
    }

    /// What becomes of these reads; the memory that the requests hold, and their parcels.
    fn take(&self, reads: impl Iterator<Item = Vec<u8>>) -> (usize, Vec<Parcel>) {
        let connection = self.connection();
        let mut side = RequestSide::new(self.settings.head_limit);
        let (mut parcels, mut most) = (Vec::new(), 0);
        for read in reads {
            side.take(self.read(&read), &connection, |parcel| parcels.push(parcel));
            most = most.max(self.budget.used());
        }
        (most, parcels)
    }

    /// Everything is where it should go: nothing is counted any more.
    fn assert_given_back(self, parcels: Vec<Parcel>) {
        parcels.into_iter().for_each(|parcel| parcel.data.passed());
        assert_eq!(self.journal.close(Duration::from_secs(20)), 0);
        assert_eq!(self.budget.used(), 0);
    }
}

fn sent(parcels: &[Parcel]) -> Vec<u8> {
    parcels.iter().flat_map(|parcel| [&parcel.front[..], parcel.data.bytes()].concat()).collect()
}

fn put(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[test]
fn what_is_sent_on_in_place_of_covered_bytes_is_counted() {
    let parts = Parts::of(true, |flags| flags.redact_fields = vec!["email".into()]);
    let request = put(&format!(r#"{{"text":"{}","email":"a@b"}}"#, "x".repeat(100_000)));
    let (_, parcels) = parts.take([request.clone()].into_iter());
    assert_eq!(sent(&parcels), request);
    let front: usize = parcels.iter().map(|parcel| parcel.front.len()).sum();
    assert!(front > 100_000, "{front}");
    let held = parts.budget.used();
    assert!(held >= Slab::allocation(request.len()) + front, "{held}");
    parts.assert_given_back(parcels);
}

#[test]
fn what_is_sent_on_with_other_fields_is_counted_recorded_or_not() {
    for (is_recorded, length) in [(false, 10), (false, 100_000), (true, 10), (true, 100_000)] {
        let parts = Parts::of(is_recorded, |flags| flags.set_headers = vec!["host=b".into()]);
        let request = put(&"x".repeat(length));
        let (_, parcels) = parts.take([request.clone()].into_iter());
        let expected = String::from_utf8(request.clone()).unwrap();
        let expected = expected.replace("host: a\r\n", "").replacen("\r\n", "\r\nhost: b\r\n", 1);
        assert_eq!(String::from_utf8(sent(&parcels)).unwrap(), expected);
        let pinned = sent(&parcels).len();
        let held = parts.budget.used();
        assert!(held >= pinned, "{is_recorded}, {length}: {held} of {pinned}");
        parts.assert_given_back(parcels);
    }
}

/// Each read of a byte would have had a box, a place in a list, a record and a parcel of its own: many times the byte.
#[test]
fn a_head_that_trickles_in_holds_little_more_than_its_length() {
    let parts = Parts::of(true, |_| {});
    let head = format!("GET /i/_search HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(9_000));
    let (most, parcels) = parts.take(head.bytes().map(|byte| vec![byte]));
    assert_eq!(sent(&parcels), head.as_bytes());
    assert!(parcels.len() < 10, "{}", parcels.len());
    // Twice, for there is a copy to be searched; and the read at hand.
    let read = Slab::allocation(LEAST_READ);
    assert!((2 * head.len()..3 * head.len() + read).contains(&most), "{most}");
    parts.assert_given_back(parcels);
}

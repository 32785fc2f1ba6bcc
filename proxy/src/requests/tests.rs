//! What requests on their way hold of the memory of all connections: each byte that is pinned is counted, until it is where it
//! should go.

use std::time::Duration;

use bytes::BufMut as _;

use super::*;
use crate::rig::Rig;

/// A read of these bytes.
fn a_read(rig: &Rig, bytes: &[u8]) -> Slab {
    let mut slab = Slab::new(bytes.len().max(LEAST_READ));
    slab.unfilled().put_slice(bytes);
    slab.charge(&rig.budget);
    slab
}

/// What becomes of these reads; the memory that the requests hold, and their parcels.
fn take(rig: &Rig, reads: impl Iterator<Item = Vec<u8>>) -> (usize, Vec<Parcel>) {
    let connection = rig.connection();
    let mut side = RequestSide::new(rig.settings.head_limit);
    let (mut parcels, mut most) = (Vec::new(), 0);
    for read in reads {
        side.take(a_read(rig, &read), &connection, |parcel| parcels.push(parcel));
        most = most.max(rig.budget.used());
    }
    (most, parcels)
}

/// Everything is where it should go: nothing is counted any more.
fn assert_given_back(rig: &Rig, parcels: Vec<Parcel>) {
    parcels.into_iter().for_each(|parcel| parcel.data.passed());
    assert_eq!(rig.journal.close(Duration::from_secs(20)), 0);
    assert_eq!(rig.budget.used(), 0);
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
    let rig = Rig::with_flags(true, |flags| flags.redact_fields = vec!["email".into()]);
    let request = put(&format!(r#"{{"text":"{}","email":"a@b"}}"#, "x".repeat(100_000)));
    let (_, parcels) = take(&rig, [request.clone()].into_iter());
    assert_eq!(sent(&parcels), request);
    let front: usize = parcels.iter().map(|parcel| parcel.front.len()).sum();
    assert!(front > 100_000, "{front}");
    let held = rig.budget.used();
    assert!(held >= Slab::allocation(request.len()) + front, "{held}");
    assert_given_back(&rig, parcels);
}

#[test]
fn what_is_sent_on_with_other_fields_is_counted_recorded_or_not() {
    for (is_recorded, length) in [(false, 10), (false, 100_000), (true, 10), (true, 100_000)] {
        let rig = Rig::with_flags(is_recorded, |flags| flags.set_headers = vec!["host=b".into()]);
        let request = put(&"x".repeat(length));
        let (_, parcels) = take(&rig, [request.clone()].into_iter());
        let expected = String::from_utf8(request.clone()).unwrap();
        let expected = expected.replace("host: a\r\n", "").replacen("\r\n", "\r\nhost: b\r\n", 1);
        assert_eq!(String::from_utf8(sent(&parcels)).unwrap(), expected);
        let pinned = sent(&parcels).len();
        let held = rig.budget.used();
        assert!(held >= pinned, "{is_recorded}, {length}: {held} of {pinned}");
        assert_given_back(&rig, parcels);
    }
}

/// Each read of a byte would have had a box, a place in a list, a record and a parcel of its own: many times the byte.
#[test]
fn a_head_that_trickles_in_holds_little_more_than_its_length() {
    let rig = Rig::with_flags(true, |_| {});
    let head = format!("GET /i/_search HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(9_000));
    let (most, parcels) = take(&rig, head.bytes().map(|byte| vec![byte]));
    assert_eq!(sent(&parcels), head.as_bytes());
    assert!(parcels.len() < 10, "{}", parcels.len());
    // Twice, for there is a copy to be searched; and the read at hand.
    let read = Slab::allocation(LEAST_READ);
    assert!((2 * head.len()..3 * head.len() + read).contains(&most), "{most}");
    assert_given_back(&rig, parcels);
}

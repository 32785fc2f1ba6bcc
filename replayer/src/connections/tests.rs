use bytes::Bytes;
use codec::record::Observation;

use super::*;

fn record(number: u64, kinds: Vec<Kind>, last: bool) -> Record {
    let observations = kinds.into_iter().map(|kind| Observation { at: number, kind }).collect();
    Record {
        connection: "c".into(),
        node: "n".into(),
        number,
        last,
        prior_requests: 0,
        unterminated_read: false,
        format: 1,
        observations,
        heartbeat: None,
        client: String::new(),
    }
}

fn get(path: &str) -> Kind {
    Kind::Read(Bytes::from(format!("GET /{path} HTTP/1.1\r\n\r\n")))
}

fn ok() -> Kind {
    Kind::Write(Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
}

struct Reader {
    connections: Connections,
    offsets: Offsets,
    next_key: u64,
    paths: Vec<String>,
    gaps: Vec<Gap>,
}

impl Reader {
    fn new(window: u64) -> Self {
        let connections = Connections::new(window, 1 << 20);
        Self {
            connections,
            offsets: Offsets::default(),
            next_key: 0,
            paths: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn take(&mut self, record: Record) {
        let place =
            Place { partition: 0, offset: record.number, next: record.number + 1, epoch: 0 };
        let events =
            self.connections.take(record, (place, false), &self.offsets, &mut self.next_key);
        self.keep(events);
    }

    fn keep(&mut self, events: Vec<Event>) {
        for event in events {
            if let Event::Gap { gap, .. } = event {
                self.gaps.push(gap);
            } else if let Event::Closed(captured) = event {
                let target = String::from_utf8_lossy(&captured.request.target).into_owned();
                let answered = if captured.response.is_some() { "" } else { "?" };
                self.paths.push(format!("{target}{answered}"));
                self.offsets.release(captured.claims);
            }
        }
    }
}

#[test]
fn records_that_come_twice_or_late_count_once() {
    let mut reader = Reader::new(100);
    reader.take(record(1, vec![get("a")], false));
    reader.take(record(3, vec![get("b")], false));
    reader.take(record(2, vec![ok()], false));
    reader.take(record(2, vec![ok()], false));
    reader.take(record(1, vec![get("a")], false));
    reader.take(record(4, vec![ok()], false));
    assert_eq!(reader.paths, ["/a", "/b"]);
    assert_eq!(reader.connections.seen.duplicates, 2);
    assert!(reader.gaps.is_empty());
}

#[test]
fn what_stays_missing_is_a_gap_and_the_open_exchange_has_no_answer() {
    let mut reader = Reader::new(3);
    reader.take(record(1, vec![get("a")], false));
    reader.take(record(4, vec![ok()], false));
    reader.take(record(5, vec![get("b")], false));
    assert!(reader.gaps.is_empty());
    reader.take(record(6, vec![ok()], false));
    reader.take(record(7, vec![get("c")], false));
    assert_eq!(reader.gaps, [Gap { connection: "c".into(), first: 2, last: 3 }]);
    assert_eq!(reader.paths, ["/a?", "/b"]);
    let events = reader.connections.end(&reader.offsets, &mut reader.next_key, |_, _| false);
    reader.keep(events);
    assert_eq!(reader.paths, ["/a?", "/b", "/c?"]);
}

#[test]
fn the_first_answer_behind_a_gap_proves_nothing() {
    let mut reader = Reader::new(2);
    reader.take(record(1, vec![get("a"), ok()], false));
    // The lost record may hold another request: then the first answer is that one's.
    reader.take(record(3, vec![get("c"), ok()], false));
    reader.take(record(4, vec![get("d"), ok()], false));
    reader.take(record(5, vec![get("e"), ok()], false));
    assert_eq!(reader.gaps, [Gap { connection: "c".into(), first: 2, last: 2 }]);
    assert_eq!(reader.paths, ["/a", "/c?", "/d", "/e"]);
}

#[test]
fn behind_a_gap_no_answer_to_who_pipelines_proves_anything() {
    let mut reader = Reader::new(2);
    reader.take(record(1, vec![get("a"), get("b"), ok(), ok()], false));
    reader.take(record(3, vec![get("c"), ok()], false));
    reader.take(record(4, vec![get("d"), ok()], false));
    reader.take(record(5, vec![get("e"), ok()], false));
    assert_eq!(reader.paths, ["/a", "/b", "/c?", "/d?", "/e?"]);
    // Seen only behind it.
    let mut reader = Reader::new(2);
    reader.take(record(1, vec![get("a"), ok()], false));
    reader.take(record(3, vec![get("c"), ok(), get("d"), ok()], false));
    reader.take(record(4, vec![get("e"), get("f"), ok(), ok()], false));
    reader.take(record(5, vec![get("g"), ok()], false));
    assert_eq!(reader.paths, ["/a", "/c?", "/d", "/e?", "/f?", "/g?"]);
}

#[test]
fn a_record_that_came_early_is_not_committed_before_its_turn() {
    let mut reader = Reader::new(100);
    reader.take(record(1, vec![get("a"), ok()], false));
    reader.take(record(3, vec![get("b"), ok()], false));
    reader.take(record(3, vec![get("b"), ok()], false));
    let mut own = crate::offsets::Claims::default();
    reader.offsets.claim(&mut own, Place { partition: 0, offset: 9, next: 10, epoch: 0 });
    reader.offsets.release(own);
    assert_eq!(reader.offsets.take_committable(), [(0, 3)]);
    reader.take(record(2, vec![get("c"), ok()], false));
    assert_eq!(reader.offsets.take_committable(), [(0, 10)]);
}

#[test]
fn what_may_still_be_answered_keeps_its_records() {
    for goes_on in [false, true] {
        let mut reader = Reader::new(100);
        reader.take(record(1, vec![get("a"), ok(), get("b")], false));
        let Reader { connections, offsets, next_key, .. } = &mut reader;
        let events = connections.end(offsets, next_key, |node, at| {
            assert_eq!((node, at), ("n", 1));
            goes_on
        });
        let awaited = |event: &Event| matches!(event, Event::Closed(c) if c.awaited);
        assert_eq!(events.iter().filter(|event| awaited(event)).count(), usize::from(goes_on));
    }
}

#[test]
fn a_late_copy_of_an_ended_connection_is_a_duplicate() {
    let mut reader = Reader::new(5);
    reader.take(record(1, vec![get("a"), ok()], false));
    reader.take(record(2, vec![Kind::Close], true));
    reader.take(record(1, vec![get("a"), ok()], false));
    assert_eq!((reader.paths.len(), reader.connections.seen.duplicates), (1, 1));
}

#[test]
fn silence_ends_an_exchange() {
    let mut reader = Reader::new(5);
    reader.take(record(10, vec![get("a")], false));
    let none = reader.connections.expire(10, |_, _| false, &reader.offsets, &mut reader.next_key);
    assert!(none.is_empty());
    let events = reader.connections.expire(11, |_, _| false, &reader.offsets, &mut reader.next_key);
    reader.keep(events);
    assert_eq!(reader.paths, ["/a?"]);
}

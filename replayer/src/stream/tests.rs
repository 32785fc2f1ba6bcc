use codec::record::Nanos;

use super::*;

/// Feeds pieces, `true` for reads, at times 1, 2, 3…; returns `METHOD target body -> status body` of each
/// exchange.
fn rebuild(pieces: &[(bool, &[u8])], close: bool) -> (Vec<String>, Vec<Event>) {
    let offsets = Offsets::default();
    let (mut next_key, mut events, mut taken) = (0, Vec::new(), 0);
    let mut outside = Outside {
        offsets: &offsets,
        next_key: &mut next_key,
        events: &mut events,
        taken: &mut taken,
    };
    let mut stream = Stream::new("c".into(), 0, Start::Between, 1 << 20);
    for (index, (read, bytes)) in pieces.iter().enumerate() {
        let at = index as Nanos + 1;
        let place = Place { partition: 0, offset: at, next: at + 1, epoch: 0 };
        let bytes = Bytes::copy_from_slice(bytes);
        match read {
            true => stream.read(at, bytes, place, &mut outside),
            false => stream.write(at, bytes, place, &mut outside),
        }
    }
    if close {
        stream.close(100, &mut outside);
    }
    let given_back = events.iter().map(|event| match event {
        Event::Closed(captured) => captured.weight,
        Event::Cancelled { weight, .. } => *weight,
        _ => 0,
    });
    if close {
        assert_eq!(given_back.sum::<usize>() as u64, taken, "every byte comes back");
    }
    let exchanges = events.iter().filter_map(|event| match event {
        Event::Closed(captured) => Some(show(captured)),
        _ => None,
    });
    (exchanges.collect(), events)
}

fn show(captured: &Captured) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = &captured.request;
    let cut = if request.complete { "" } else { " (cut)" };
    let asked = format!(
        "{} {} {}{cut}",
        text(&request.method_bytes),
        text(&request.target),
        text(&request.body.to_bytes())
    );
    match &captured.response {
        Some(response) => {
            format!("{asked} -> {} {}", response.status, text(&response.body.to_bytes()))
        }
        None => format!("{asked} -> nothing"),
    }
}

const PUT: &[u8] = b"PUT /i/_doc/1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
const GET: &[u8] = b"GET /i HTTP/1.1\r\n\r\n";
const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nyes";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

#[test]
fn exchanges_are_the_same_however_the_bytes_were_cut() {
    let reads = [PUT, GET, PUT].concat();
    let writes = [b"HTTP/1.1 100 Continue\r\n\r\n", CREATED, OK, CREATED].concat();
    let expected =
        ["PUT /i/_doc/1 {} -> 201 yes", "GET /i  -> 200 ok", "PUT /i/_doc/1 {} -> 201 yes"];
    for cut in 0..=reads.len() {
        let (front, back) = reads.split_at(cut);
        let (found, _) = rebuild(&[(true, front), (true, back), (false, &writes)], false);
        assert_eq!(found, expected, "reads cut at {cut}");
    }
    for cut in 0..=writes.len() {
        let (front, back) = writes.split_at(cut);
        let (found, _) = rebuild(&[(true, &reads), (false, front), (false, back)], false);
        assert_eq!(found, expected, "writes cut at {cut}");
    }
    let bytes: Vec<_> = reads.chunks(1).map(|b| (true, b)).chain([(false, &writes[..])]).collect();
    assert_eq!(rebuild(&bytes, false).0, expected);
}

#[test]
fn an_end_leaves_requests_without_an_answer() {
    let (found, _) = rebuild(&[(true, PUT), (false, &CREATED[..30])], true);
    assert_eq!(found, ["PUT /i/_doc/1 {} -> nothing"]);
    let (found, _) = rebuild(&[(true, &PUT[..PUT.len() - 1])], true);
    assert_eq!(found, ["PUT /i/_doc/1 { (cut) -> nothing"]);
    let (found, events) = rebuild(&[(true, &PUT[..10])], true);
    assert!(found.is_empty());
    assert!(matches!(events[..], [Event::Began { .. }, Event::Cancelled { .. }]));
    let until_close = b"HTTP/1.0 200 OK\r\n\r\nall";
    assert_eq!(rebuild(&[(true, GET), (false, until_close)], true).0, ["GET /i  -> 200 all"]);
}

#[test]
fn an_answer_may_come_before_the_request_is_complete() {
    let (front, back) = PUT.split_at(PUT.len() - 1);
    let (found, _) = rebuild(&[(true, front), (false, CREATED), (true, back), (true, GET)], true);
    assert_eq!(found, ["PUT /i/_doc/1 {} -> 201 yes", "GET /i  -> nothing"]);
}

#[test]
fn times_and_claims_are_those_of_the_bytes() {
    let (front, back) = PUT.split_at(20);
    let (_, events) =
        rebuild(&[(true, front), (true, back), (true, GET), (false, CREATED), (false, OK)], false);
    let closed: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::Closed(captured) = event { Some(captured) } else { None })
        .collect();
    let times = |c: &Captured| (c.began, c.sent, c.answer_began, c.ended);
    assert_eq!(times(closed[0]), (1, 2, Some(4), 4));
    assert_eq!(times(closed[1]), (3, 3, Some(5), 5));
    let offsets = |c: &Captured| c.claims.places().iter().map(|p| p.offset).collect::<Vec<_>>();
    assert_eq!(offsets(closed[0]), [1, 2, 4]);
    // Pipelined: read again only together with the one before it.
    assert_eq!(offsets(closed[1]), [1, 3, 5]);
    assert_eq!(
        closed[0].weight + closed[1].weight,
        PUT.len() + GET.len() + CREATED.len() + OK.len() + 2 * OVERHEAD
    );
}

#[test]
fn an_upgrade_ends_what_can_be_known() {
    let upgrade = b"GET /x HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    let switched = b"HTTP/1.1 101 Switching\r\n\r\n";
    let (found, events) = rebuild(&[(true, upgrade), (true, b"PRI \0"), (false, switched)], true);
    assert_eq!(found, ["GET /x  -> 101 "]);
    assert!(events.iter().any(|e| matches!(e, Event::Opaque { .. })));
    let (found, _) = rebuild(&[(true, upgrade), (true, GET), (false, OK), (false, OK)], true);
    assert_eq!(found, ["GET /x  -> 200 ok", "GET /i  -> 200 ok"]);
}

#[test]
fn what_was_begun_before_we_came_is_passed_over() {
    let offsets = Offsets::default();
    let (mut next_key, mut events, mut taken) = (0, Vec::new(), 0);
    let mut outside = Outside {
        offsets: &offsets,
        next_key: &mut next_key,
        events: &mut events,
        taken: &mut taken,
    };
    let mut stream = Stream::new("c".into(), 4, Start::Inside, 1 << 20);
    let place = Place { partition: 0, offset: 0, next: 1, epoch: 0 };
    stream.read(1, Bytes::from_static(&PUT[20..]), place, &mut outside);
    stream.write(2, Bytes::from_static(CREATED), place, &mut outside);
    stream.read(3, Bytes::from_static(GET), place, &mut outside);
    stream.write(4, Bytes::from_static(OK), place, &mut outside);
    let Some(Event::Closed(captured)) = events.last() else { unreachable!("{events:?}") };
    assert_eq!((show(captured).as_str(), captured.number), ("GET /i  -> 200 ok", 5));
}

#[test]
fn a_request_that_was_left_out_is_cancelled() {
    let offsets = Offsets::default();
    let (mut next_key, mut events, mut taken) = (0, Vec::new(), 0);
    let mut outside = Outside {
        offsets: &offsets,
        next_key: &mut next_key,
        events: &mut events,
        taken: &mut taken,
    };
    let mut stream = Stream::new("c".into(), 0, Start::Between, 1 << 20);
    let place = Place { partition: 0, offset: 0, next: 1, epoch: 0 };
    stream.read(1, Bytes::from_static(&GET[..9]), place, &mut outside);
    stream.dropped(&mut outside);
    stream.read(2, Bytes::from_static(PUT), place, &mut outside);
    stream.write(3, Bytes::from_static(CREATED), place, &mut outside);
    let Some(Event::Closed(captured)) = events.last() else { unreachable!("{events:?}") };
    assert_eq!(show(captured), "PUT /i/_doc/1 {} -> 201 yes");
}

use proptest::prelude::*;

use super::*;

fn items(body: &str) -> Vec<Result<BulkItem, BulkError>> {
    bulk_items(&Bytes::copy_from_slice(body.as_bytes())).collect()
}

fn shapes(body: &str) -> Vec<(Action, String, Option<String>)> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let items: Result<Vec<_>, _> = items(body).into_iter().collect();
    let items = items.unwrap();
    assert!(items.iter().enumerate().all(|(i, item)| item.position == i));
    items.iter().map(|i| (i.action, text(&i.action_line), i.source.as_ref().map(text))).collect()
}

#[test]
fn actions_have_their_sources() {
    let body = "{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n{\"delete\":{\"_id\":\"2\"}}\n \r\n\n\
                { \"update\" : {}}\r\n{\"doc\":{}}\r\n{\"create\":{}}\n{\"delete\":\"index\"}";
    let expected = [
        (Action::Index, "{\"index\":{\"_id\":\"1\"}}", Some("{\"a\":1}")),
        (Action::Delete, "{\"delete\":{\"_id\":\"2\"}}", None),
        (Action::Update, "{ \"update\" : {}}\r", Some("{\"doc\":{}}")),
        (Action::Create, "{\"create\":{}}", Some("{\"delete\":\"index\"}")),
    ];
    let expected = expected
        .map(|(action, line, source)| (action, line.to_string(), source.map(str::to_string)));
    assert_eq!(shapes(body), expected);
    assert_eq!(shapes(""), []);
    assert_eq!(shapes("\n\n"), []);
}

#[test]
fn a_source_may_be_empty_or_no_json() {
    assert_eq!(shapes("{\"index\":{}}\n\n")[0].2.as_deref(), Some(""));
    assert_eq!(shapes("{\"index\":{}}\nnot json\n")[0].2.as_deref(), Some("not json"));
}

#[test]
fn the_first_key_decides() {
    for (line, action) in [
        ("{\"delete\":{}}", Some(Action::Delete)),
        ("\t{ \"\\u0064elete\"\t: {}}", Some(Action::Delete)),
        ("{\"del\\u0065te\":{}}", Some(Action::Delete)),
        ("{delete:{}}", Some(Action::Delete)),
        ("{index :{\"delete\":1}}", Some(Action::Index)),
        ("{\"index\":{\"_id\":\"\\\"delete\\\"\"}}", Some(Action::Index)),
        ("{\"Delete\":{}}", None),
        ("{\"delete\"}", None),
        ("{\"deleted\":{}}", None),
        ("{\"deleteindex\":{}}", None),
        ("{\"\\u0164elete\":{}}", None),
        ("{\"\\u00+4elete\":{}}", None),
        ("{\"del\\nete\":{}}", None),
        ("{\"delete", None),
        ("{\"", None),
        ("{", None),
        ("{}", None),
        ("[\"delete\"]", None),
        ("delete", None),
        ("{:{}}", None),
        ("{\"\":{}}", None),
    ] {
        assert_eq!(action_of(line.as_bytes()), action, "{line}");
    }
}

#[test]
fn errors_name_the_line_and_end_the_items() {
    let seen = items("{\"delete\":{}}\n\n{\"nothing\":{}}\n{\"delete\":{}}\n");
    assert_eq!(seen.len(), 2);
    let start = "{\"nothing\":{}}".to_string();
    assert_eq!(seen[1], Err(BulkError::NotAnAction { line: 3, start }));
    assert_eq!(items("\n{\"index\":{}}\n"), [Err(BulkError::NoSource { line: 2 })]);
    assert_eq!(items("{\"index\":{}}"), [Err(BulkError::NoSource { line: 1 })]);
}

#[test]
fn lines_are_not_copied() {
    let body = Bytes::from_static(b"{\"index\":{}}\n{\"a\":1}\n");
    let item = bulk_items(&body).next().unwrap().unwrap();
    assert_eq!(item.action_line.as_ptr(), body.as_ptr());
    assert_eq!(item.source.unwrap().as_ptr(), body[13..].as_ptr());
}

proptest! {
    #[test]
    fn any_bytes_end_in_items(body in "[{}\":a-z\\\\u0\r\n ]{0,120}") {
        let body = Bytes::from(body);
        let kept: usize = bulk_items(&body)
            .filter_map(Result::ok)
            .map(|item| item.action_line.len() + item.source.map_or(0, |source| source.len()))
            .sum();
        prop_assert!(kept <= body.len());
    }

    #[test]
    fn what_is_written_is_read(
        made in prop::collection::vec((0..4usize, "[ -~]{0,30}"), 0..20),
        last_line_end: bool,
    ) {
        const ACTIONS: [(&str, Action); 4] = [
            ("index", Action::Index),
            ("create", Action::Create),
            ("update", Action::Update),
            ("delete", Action::Delete),
        ];
        let mut body = String::new();
        for (action, source) in &made {
            body += &format!("{{\"{}\":{{}}}}\n", ACTIONS[*action].0);
            if ACTIONS[*action].1 != Action::Delete {
                body += &format!("-{source}\n");
            }
        }
        if !last_line_end {
            body.pop();
        }
        let read = shapes(&body);
        prop_assert_eq!(read.len(), made.len());
        for ((action, _, source), (expected, text)) in read.iter().zip(&made) {
            prop_assert_eq!(*action, ACTIONS[*expected].1);
            let expected = (*action != Action::Delete).then(|| format!("-{text}"));
            prop_assert_eq!(source, &expected);
        }
    }
}

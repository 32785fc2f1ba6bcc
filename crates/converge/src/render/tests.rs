use std::sync::Arc;

use super::*;
use crate::address::Address;
use crate::meaning::{Doubt, DoubtKind, DoubtReason, Item, NothingReason};
use crate::version::Version;

fn operation(id: &str, routing: Option<&str>, source: Option<&str>) -> Operation {
    Operation {
        address: Address {
            index: Arc::from("i"),
            doc_type: None,
            id: id.to_owned(),
            routing: routing.map(str::to_owned),
        },
        version: Version::of_external(7).expect("not negative"),
        change: match source {
            Some(source) => Change::Index {
                source: Bytes::from(source.to_owned()),
                dynamic_templates: Some(Bytes::from_static(b"{\"a\":\n\"t\"}")),
            },
            None => Change::Delete,
        },
    }
}

fn text(request: &Request) -> String {
    let body: Vec<u8> = request.body.concat();
    assert_eq!(body.len(), request.body_length());
    format!("{} {} {}", request.method.as_str(), request.target, String::from_utf8_lossy(&body))
}

fn single(operation: Operation, refresh: Refresh) -> Write {
    Write { shape: Shape::Single, refresh, items: vec![Item::Operation(operation)] }
}

fn rendered(write: &Write) -> String {
    text(&render(write, Rendering::default()).expect("an operation"))
}

#[test]
fn a_single_write() {
    assert_eq!(
        rendered(&single(operation("a/b é", Some("r&1"), Some("{\n}")), Refresh::Now)),
        "PUT /i/_doc/a%2Fb%20%C3%A9?version=7&version_type=external_gte&routing=r%261&pipeline=_none&refresh=true {\n}"
    );
    assert_eq!(
        rendered(&single(operation("1", None, None), Refresh::WaitFor)),
        "DELETE /i/_doc/1?version=7&version_type=external_gte&refresh=wait_for "
    );
}

#[test]
fn an_id_that_no_path_can_hold() {
    assert_eq!(
        rendered(&single(operation("..", None, Some("{\n\"a\\\"\":\"b\n\"\n}")), Refresh::No)),
        "POST /_bulk {\"index\":{\"_index\":\"i\",\"_id\":\"..\",\"version\":7,\"version_type\":\"external_gte\",\"pipeline\":\"_none\"}}\n\
         { \"a\\\"\":\"b\\n\" }\n"
    );
}

#[test]
fn a_bulk() {
    let doubt =
        Doubt { kind: DoubtKind::Sweep { index: Arc::from("i") }, reason: DoubtReason::NoAnswer };
    let write = Write {
        shape: Shape::Bulk,
        refresh: Refresh::Now,
        items: vec![
            Item::Nothing(NothingReason::Noop),
            Item::Operation(operation("\"1\"", Some("r"), Some("{\"a\":1}"))),
            Item::Doubt(doubt),
            Item::Operation(operation("2", None, None)),
            Item::Operation(operation("3", None, Some("{}"))),
        ],
    };
    let request = render(&write, Rendering { dynamic_templates: true }).expect("operations");
    assert_eq!(request.places, [1, 3, 4]);
    assert_eq!(
        text(&request),
        "POST /_bulk?refresh=true \
         {\"index\":{\"_index\":\"i\",\"_id\":\"\\\"1\\\"\",\"routing\":\"r\",\"version\":7,\"version_type\":\"external_gte\",\"pipeline\":\"_none\",\"dynamic_templates\":{\"a\": \"t\"}}}\n\
         {\"a\":1}\n\
         {\"delete\":{\"_index\":\"i\",\"_id\":\"2\",\"version\":7,\"version_type\":\"external_gte\"}}\n\
         {\"index\":{\"_index\":\"i\",\"_id\":\"3\",\"version\":7,\"version_type\":\"external_gte\",\"pipeline\":\"_none\",\"dynamic_templates\":{\"a\": \"t\"}}}\n\
         {}\n"
    );
    let Item::Operation(Operation { change: Change::Index { source, .. }, .. }) = &write.items[1]
    else {
        unreachable!()
    };
    assert_eq!(request.body[1].as_ptr(), source.as_ptr(), "not copied");
}

#[test]
fn nothing_to_send() {
    let write = Write {
        shape: Shape::Bulk,
        refresh: Refresh::No,
        items: vec![Item::Nothing(NothingReason::Noop)],
    };
    assert_eq!(render(&write, Rendering::default()), None);
    assert_eq!(render_documents(&[]), None);
}

#[test]
fn documents_of_the_source() {
    let request = render_documents(&[operation("1", None, None)]).expect("one");
    assert_eq!(
        text(&request),
        "POST /_bulk {\"delete\":{\"_index\":\"i\",\"_id\":\"1\",\"version\":7,\"version_type\":\"external_gte\"}}\n"
    );
}

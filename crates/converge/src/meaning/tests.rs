mod answers;
mod any_bytes;
mod bulk;
mod others;
mod single;

use std::collections::HashMap;

use super::*;
use crate::exchange::{Answer, Method};
use crate::facts::{IndexFacts, Versioning};

/// `PUT /i/_doc/1?x=y`, then headers as `name: value` lines, an empty line, and the body.
fn exchange(request: &str, answer: &str) -> Exchange {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, target) =
        lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (Bytes::from(name.to_owned()), Bytes::from(value.to_owned())))
        .collect();
    let answer = (!answer.is_empty()).then(|| {
        let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
        let status = status.parse().expect("a status");
        Answer { status, headers: Vec::new(), body: Bytes::from(body.to_owned()) }
    });
    Exchange {
        method: Method::parse(method.as_bytes()),
        target: Bytes::from(target.to_owned()),
        headers,
        body: Bytes::from(body.to_owned()),
        body_state: BodyState::Whole,
        answer,
    }
}

/// Index `piped` has a default pipeline, `finished` a final one, `versioned` clients with versions
/// of their own, `rebuilt` is the second of its name; alias `tenant` routes into `shared` by
/// `seven`.
fn facts() -> Facts {
    let indices = [
        ("piped", IndexFacts { default_pipeline: true, ..IndexFacts::default() }),
        ("finished", IndexFacts { final_pipeline: true, ..IndexFacts::default() }),
        ("versioned", IndexFacts { versioning: Versioning::Version, ..IndexFacts::default() }),
        ("rebuilt", IndexFacts { epoch: 1, ..IndexFacts::default() }),
    ];
    let routed = HashMap::from([("shared".to_owned(), "seven".to_owned())]);
    Facts {
        unnumbered: false,
        elasticsearch_major: Some(7),
        indices: indices.into_iter().map(|(name, facts)| (name.to_owned(), facts)).collect(),
        alias_routing: HashMap::from([("tenant".to_owned(), routed)]),
    }
}

fn check(request: &str, answer: &str, expected: &str) {
    let meaning = interpret(&exchange(request, answer), &facts());
    assert_eq!(describe(&meaning), expected, "\n{request}\n{answer}");
}

fn describe(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Nothing(reason) => format!("nothing: {reason:?}"),
        Meaning::Read(read) => format!("read: {:?} {}", read.kind, scope(&read.scope)),
        Meaning::Write(write) => {
            let items: Vec<String> = write.items.iter().map(describe_item).collect();
            match write.refresh {
                Refresh::No => items.join("; "),
                refresh => format!("{} refresh {refresh:?}", items.join("; ")),
            }
        }
        Meaning::Control(control) => {
            let mut text = format!("control: {:?} {}", control.kind, scope(&control.scope));
            for (what, value) in [
                ("deletes", named(&control.deletes)),
                ("created", control.created.clone()),
                ("from", control.rolled_from.clone()),
            ] {
                if let Some(value) = value {
                    text.push_str(&format!(" {what} {value}"));
                }
            }
            text
        }
        Meaning::Doubt(doubts) => doubts.iter().map(describe_doubt).collect::<Vec<_>>().join("; "),
        Meaning::NotSent(class) => format!("not sent: {class}"),
    }
}

fn describe_item(item: &Item) -> String {
    match item {
        Item::Nothing(reason) => format!("nothing: {reason:?}"),
        Item::Doubt(doubt) => describe_doubt(doubt),
        Item::Operation(Operation { address, version, change }) => {
            let version = version.get();
            let version = match (version >> 53, version >> 40 & 0x1fff) {
                (0, 0) => format!("version {version}"),
                (epoch, term) => format!("{epoch}.{term}.{}", (version & ((1 << 40) - 1)) - 1),
            };
            let address = describe_address(address);
            match change {
                Change::Delete => format!("delete {address} @{version}"),
                Change::Index { source, dynamic_templates } => {
                    let templates = dynamic_templates.as_deref().map(String::from_utf8_lossy);
                    let source = String::from_utf8_lossy(source);
                    format!("index {address} @{version} {source}{}", templates.unwrap_or_default())
                }
            }
        }
    }
}

fn describe_doubt(doubt: &Doubt) -> String {
    let reason = doubt.reason.as_str();
    match &doubt.kind {
        DoubtKind::ById(address) => format!("by id {} ({reason})", describe_address(address)),
        DoubtKind::ByIdAnywhere(address) => {
            format!("anywhere {} ({reason})", describe_address(address))
        }
        DoubtKind::Sweep { index } => format!("sweep {index} ({reason})"),
        DoubtKind::Walk { index } => format!("walk {index} ({reason})"),
        DoubtKind::WalkAfter { index, task } => format!("walk {index} after {task:?} ({reason})"),
        DoubtKind::Named { path } => format!("named {} ({reason})", path.join("/")),
        DoubtKind::Definition { scope: touched, deletes } => {
            let deleting = if *deletes { " deleting" } else { "" };
            format!("definition {} ({reason}){deleting}", scope(touched))
        }
    }
}

fn describe_address(address: &Address) -> String {
    let doc_type = address.doc_type.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
    let routing = address.routing.as_ref().map(|routing| format!("~{routing}")).unwrap_or_default();
    format!("{}/{doc_type}{}{routing}", address.index, address.id)
}

fn scope(scope: &Scope) -> String {
    match scope {
        Scope::All => "*".to_owned(),
        Scope::Indices(names) => format!("[{}]", names.join(",")),
    }
}

fn named(selections: &[Selection]) -> Option<String> {
    let expressions: Vec<_> = selections.iter().map(Selection::expression).collect();
    (!expressions.is_empty()).then(|| expressions.join(" "))
}

#[test]
fn a_document_is_a_slice_of_the_request() {
    let bulk = exchange(
        "POST /i/_bulk\n\n{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n",
        &bulk::answered(&[bulk::done("index", "1", "created", 201, 0)]),
    );
    let Meaning::Write(write) = interpret(&bulk, &facts()) else { unreachable!() };
    let (_, operation) = write.operations().next().expect("one operation");
    let Change::Index { source, .. } = &operation.change else { unreachable!() };
    assert!(bulk.body.as_ptr_range().contains(&source.as_ptr()));
}

#[test]
fn a_write_in_doubt_as_a_whole() {
    let Meaning::Write(write) =
        interpret(&exchange("PUT /i/_doc/1\n\n{}", answers::CREATED), &facts())
    else {
        unreachable!()
    };
    assert_eq!(write.scope(), Scope::of_index("i"));
    let doubt = write.into_doubt(DoubtReason::OverlapsDeletion);
    assert_eq!(describe(&Meaning::Write(doubt)), "anywhere i/1 (overlaps deletion)");
}

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

/// Index `piped` has a default pipeline, `finished` a final one, `versioned` clients with versions of
/// their own, `rebuilt` is the second of its name; alias `tenant` routes into `shared` by `seven`.
fn facts() -> Facts {
    let indices = [
        ("piped", IndexFacts { default_pipeline: true, ..IndexFacts::default() }),
        ("finished", IndexFacts { final_pipeline: true, ..IndexFacts::default() }),
        ("versioned", IndexFacts { versioning: Versioning::Version, ..IndexFacts::default() }),
        ("rebuilt", IndexFacts { epoch: 1, ..IndexFacts::default() }),
    ];
    let routed = HashMap::from([("shared".to_owned(), "seven".to_owned())]);
    Facts {
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
                ("deletes", control.deletes.as_ref().map(scope)),
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
        DoubtKind::Sweep { index } => format!("sweep {index} ({reason})"),
        DoubtKind::Walk { index } => format!("walk {index} ({reason})"),
        DoubtKind::Definition { scope: touched, .. } => {
            format!("definition {} ({reason})", scope(touched))
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

// What Elasticsearch 7.10 answers.
const CREATED: &str = r#"201 {"_index":"i","_type":"_doc","_id":"1","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":5,"_primary_term":2}"#;
const UPDATED: &str = r#"200 {"_index":"i","_type":"_doc","_id":"1","_version":2,"result":"updated","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":6,"_primary_term":2}"#;
const NOOP: &str = r#"200 {"_index":"i","_type":"_doc","_id":"1","_version":2,"result":"noop","_shards":{"total":0,"successful":0,"failed":0},"_seq_no":6,"_primary_term":2}"#;
const DELETED: &str = r#"200 {"_index":"i","_type":"_doc","_id":"1","_version":3,"result":"deleted","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":7,"_primary_term":2}"#;
const NOT_FOUND: &str = r#"404 {"_index":"i","_type":"_doc","_id":"1","_version":1,"result":"not_found","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":8,"_primary_term":2}"#;
const CONFLICT: &str = r#"409 {"error":{"root_cause":[{"type":"version_conflict_engine_exception","reason":"[1]: version conflict, document already exists (current version [1])"}],"type":"version_conflict_engine_exception","reason":"[1]: version conflict, document already exists (current version [1])"},"status":409}"#;
const NO_INDEX: &str = r#"404 {"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [i]"}],"type":"index_not_found_exception","reason":"no such index [i]"},"status":404}"#;
const TOO_LATE: &str = r#"503 {"error":{"root_cause":[{"type":"unavailable_shards_exception","reason":"primary shard is not active"}],"type":"unavailable_shards_exception"},"status":503}"#;

#[test]
fn a_single_write_that_succeeded() {
    check("PUT /i/_doc/1\n\n{\"a\":1}", CREATED, r#"index i/1 @0.2.5 {"a":1}"#);
    check("POST /i/_doc\n\n{ \"a\" :\n 1 }\n", CREATED, "index i/1 @0.2.5 { \"a\" :\n 1 }\n");
    check("PUT /i/_create/1?routing=r%2F1\n\n{}", CREATED, "index i/1~r/1 @0.2.5 {}");
    check("PUT /i/_doc/1?op_type=create&refresh\n\n{}", CREATED, "index i/1 @0.2.5 {} refresh Now");
    check(
        "PUT /i/_doc/1?refresh=wait_for&if_seq_no=1&if_primary_term=1\n\n{}",
        UPDATED,
        "index i/1 @0.2.6 {} refresh WaitFor",
    );
    check("PUT /alias/_doc/1\n\n{}", CREATED, "index i/1 @0.2.5 {}");
    check("PUT /%3Ci-%7Bnow%7D%3E/_doc/1\n\n{}", CREATED, "index i/1 @0.2.5 {}");
    check("DELETE /i/_doc/1", DELETED, "delete i/1 @0.2.7");
    check("DELETE /i/_doc/1", NOT_FOUND, "delete i/1 @0.2.8");
    check("DELETE /i/_doc/1?refresh=false&routing=r", NOT_FOUND, "delete i/1~r @0.2.8");
    // Typed, and of old with a parent.
    check(
        "PUT /i/city/1?parent=p\n\n{}",
        &CREATED.replace("_doc", "city"),
        "index i/city:1~p @0.2.5 {}",
    );
    check(
        "PUT /rebuilt/_doc/1\n\n{}",
        &CREATED.replace("\"i\"", "\"rebuilt\""),
        "index rebuilt/1 @1.2.5 {}",
    );
    // Pretty, in another order, with what nobody asked for.
    check(
        "PUT /i/_doc/1\n\n{}",
        "200 {\n  \"_primary_term\" : 1,\n  \"x\" : {\"_id\": 3},\n  \"_seq_no\" : 0,\n  \"_id\" : \"\\u0031\",\n  \"_index\" : \"i\"\n}\n",
        "index i/1 @0.1.0 {}",
    );
}

#[test]
fn nothing_happened() {
    check("PUT /i/_create/1\n\n{}", CONFLICT, "nothing: Refused(409)");
    check(
        "PUT /i/_doc/1\n\n{",
        "400 {\"error\":{\"type\":\"mapper_parsing_exception\"},\"status\":400}",
        "nothing: Refused(400)",
    );
    check("DELETE /i/_doc/1", NO_INDEX, "nothing: Refused(404)");
    check(
        "DELETE /i/_doc/1?filter_path=_shards",
        "404 {\"_shards\":{\"total\":2}}",
        "nothing: Refused(404)",
    );
    check("POST /i/_update/1\n\n{\"doc\":{}}", NOOP, "nothing: Noop");
    check("PUT /i/_doc/1?pipeline=drops\n\n{}", NOOP, "nothing: Noop");
    check("PUT /i/_doc/1\n\n{}", "413 <html>", "nothing: Refused(413)");
    check("PUT /i/_doc/1\n\n{}", "429 ", "nothing: Refused(429)");
}

#[test]
fn a_single_write_in_doubt() {
    check("POST /i/_update/1?routing=r\n\n{\"doc\":{}}", UPDATED, "by id i/1~r (update)");
    check("POST /i/_update/1\n\n{\"upsert\":{}}", CREATED, "by id i/1 (update)");
    check("POST /i/_update/1\n\n{\"script\":\"ctx.op='delete'\"}", DELETED, "delete i/1 @0.2.7");
    check("PUT /i/_doc/1?pipeline=p\n\n{}", CREATED, "by id i/1 (pipeline)");
    check("PUT /i/_doc/1?pipeline=_none\n\n{}", CREATED, "index i/1 @0.2.5 {}");
    check("DELETE /piped/_doc/1", &DELETED.replace("\"i\"", "\"piped\""), "delete piped/1 @0.2.7");
    for (index, none) in
        [("piped", r#"index piped/1 @0.2.5 {}"#), ("finished", "by id finished/1 (pipeline)")]
    {
        let created = CREATED.replace("\"i\"", &format!("\"{index}\""));
        check(
            &format!("PUT /{index}/_doc/1\n\n{{}}"),
            &created,
            &format!("by id {index}/1 (pipeline)"),
        );
        check(&format!("PUT /{index}/_doc/1?pipeline=_none\n\n{{}}"), &created, none);
    }
    // `filter_path`
    check(
        "PUT /i/_doc/1?filter_path=result\n\n{}",
        "201 {\"result\":\"created\"}",
        "by id i/1 (no sequence number)",
    );
    check(
        "POST /i/_doc?filter_path=result\n\n{}",
        "201 {\"result\":\"created\"}",
        "sweep i (no sequence number)",
    );
    check("DELETE /i/_doc/1?filter_path=x", "200 {}", "by id i/1 (no sequence number)");
    check(
        "POST /i/_doc\n\n{}",
        r#"201 {"_index":"i","_id":"g"}"#,
        "by id i/g (no sequence number)",
    );
    check(
        "POST /i/_doc\n\n{}",
        r#"201 {"_id":"g","_seq_no":1,"_primary_term":1}"#,
        "by id i/g (no sequence number)",
    );
    // Elasticsearch 5, and a shard that it made.
    check(
        "PUT /i/t/1\n\n{}",
        r#"201 {"_index":"i","_type":"t","_id":"1","_version":1,"result":"created","created":true}"#,
        "by id i/t:1 (no sequence number)",
    );
    check(
        "PUT /i/_doc/1\n\n{}",
        &CREATED.replace("_seq_no\":5", "_seq_no\":-2"),
        "by id i/1 (no sequence number)",
    );
    check(
        "PUT /i/_doc/1\n\n{}",
        &CREATED.replace("_term\":2", "_term\":9000"),
        "by id i/1 (version out of range)",
    );
    // Not answered, or not with yes or no.
    check("PUT /i/_doc/1?routing=r\n\n{}", "", "by id i/1~r (no answer)");
    check("POST /i/_doc\n\n{}", "", "sweep i (no answer)");
    check("DELETE /i/_doc/1", "", "by id i/1 (no answer)");
    check("PUT /%3Ci-%7Bnow%7D%3E/_doc/1\n\n{}", "", "sweep * (no answer)");
    check("PUT /piped/_doc/1\n\n{}", "", "sweep * (no answer)");
    check("DELETE /piped/_doc/1", "", "by id piped/1 (no answer)");
    check("PUT /i/_doc/1\n\n{}", TOO_LATE, "by id i/1 (server error)");
    check("PUT /i/_doc/1\n\n{}", "502 Bad Gateway", "by id i/1 (server error)");
    check("PUT /i/_doc/1\n\n{}", "408 {}", "by id i/1 (server error)");
    check("PUT /i/_doc/1\n\n{}", "201 {\"_id\":", "by id i/1 (unreadable answer)");
    check(
        "PUT /i/_doc/1\n\n{}",
        r#"201 {"_index":"i","_id":"1","_seq_no":"5"}"#,
        "by id i/1 (unreadable answer)",
    );
}

#[test]
fn an_unreadable_or_incomplete_body() {
    let smile = "PUT /i/_doc/1\nContent-Type: application/smile\n\n:)\n...";
    check(smile, CREATED, "by id i/1 (unreadable body)");
    check(smile, CONFLICT, "nothing: Refused(409)");
    check(
        "PUT /i/_doc/1\ncontent-type: application/vnd.elasticsearch+cbor;compatible-with=8\n\n{}",
        CREATED,
        "by id i/1 (unreadable body)",
    );
    check(
        "PUT /i/_doc/1\nContent-Type: application/vnd.elasticsearch+json;compatible-with=8\n\n{}",
        CREATED,
        "index i/1 @0.2.5 {}",
    );
    check("PUT /i/_doc/1\n\n---\na: 1", CREATED, "by id i/1 (unreadable body)");
    let mut cut = exchange("PUT /i/_doc/1\n\n{\"a\"", "");
    cut.body_state = BodyState::Cut;
    assert_eq!(describe(&interpret(&cut, &facts())), "by id i/1 (incomplete request)");
    let mut cut = exchange("GET /i/_search\n\n{\"a\"", "");
    cut.body_state = BodyState::Cut;
    assert_eq!(describe(&interpret(&cut, &facts())), "nothing: Incomplete");
    let mut unreadable = exchange("PUT /i/_doc/1", CREATED);
    unreadable.body_state = BodyState::Unreadable;
    let Meaning::Write(write) = interpret(&unreadable, &facts()) else { unreachable!() };
    assert!(write.doubts().all(|doubt| !doubt.routing_is_certain()));
    assert_eq!(write.items.len(), 1);
}

#[test]
fn versions_of_the_clients() {
    let external = "PUT /i/_doc/1?version=9&version_type=external\n\n{}";
    check(external, CREATED, "by id i/1 (external version)");
    check("PUT /i/_doc/1?version=9&version_type=internal\n\n{}", CREATED, "index i/1 @0.2.5 {}");
    let answer =
        CREATED.replace("\"i\"", "\"versioned\"").replace("\"_version\":1", "\"_version\":9");
    check(
        "PUT /versioned/_doc/1?version=9&version_type=external\n\n{}",
        &answer,
        "index versioned/1 @version 9 {}",
    );
}

#[test]
fn routing_of_an_alias() {
    let answer = CREATED.replace("\"i\"", "\"shared\"");
    check("PUT /tenant/_doc/1\n\n{}", &answer, "index shared/1~seven @0.2.5 {}");
    check("PUT /tenant/_doc/1?routing=own\n\n{}", &answer, "index shared/1~own @0.2.5 {}");
    check("PUT /shared/_doc/1\n\n{}", &answer, "index shared/1 @0.2.5 {}");
}

#[test]
fn a_document_named_like_an_endpoint() {
    check(
        "POST /i/_doc/_search\n\n{}",
        r#"200 {"took":1,"hits":{"total":{"value":0}}}"#,
        "read: Search [i]",
    );
    check(
        "POST /i/_doc/_search\n\n{}",
        &CREATED.replace("\"1\"", "\"_search\""),
        "index i/_search @0.2.5 {}",
    );
    check("POST /i/_doc/_search\n\n{}", "", "by id i/_search (no answer)");
}

fn item(action: &str, rest: &str) -> String {
    format!(r#"{{"{action}":{{"_index":"i","_type":"_doc",{rest}}}}}"#)
}

fn done(action: &str, id: &str, result: &str, status: u16, seq_no: u32) -> String {
    item(
        action,
        &format!(
            r#""_id":"{id}","_version":1,"result":"{result}","_shards":{{"total":2,"successful":1,"failed":0}},"_seq_no":{seq_no},"_primary_term":1,"status":{status}"#
        ),
    )
}

fn answered(items: &[String]) -> String {
    format!(r#"200 {{"took":30,"errors":false,"items":[{}]}}"#, items.join(","))
}

#[test]
fn a_bulk() {
    let request = concat!(
        "POST /_bulk?refresh=wait_for\n\n",
        "{\"index\":{\"_index\":\"i\",\"_id\":\"1\",\"routing\":\"r\"}}\n{\"a\": 1}\r\n",
        "{\"create\":{\"_index\":\"i\"}}\n{\"b\":2}\n",
        "\n",
        "{\"delete\":{\"_index\":\"i\",\"_id\":3}}\n",
        "{\"update\":{\"_index\":\"i\",\"_id\":\"4\"}}\n{\"doc\":{}}\n",
        "{\"update\":{\"_index\":\"i\",\"_id\":\"5\"}}\n{\"script\":\"\"}\n",
        "{\"index\":{\"_index\":\"i\",\"_id\":\"6\",\"pipeline\":\"p\"}}\n{}\n",
        "{\"index\":{\"_index\":\"i\",\"_id\":\"7\",\"op_type\":\"create\"}}\n{}\n",
        "{\"index\":{\"_index\":\"i\",\"_id\":\"8\"}}\n{}\n",
        "{\"delete\":{\"_index\":\"i\",\"_id\":\"9\"}}\n",
        "{\"index\":{\"_index\":\"i\",\"_id\":\"10\",\"dynamic_templates\":{\"a\": \"t\"}}}\n{}\n",
        "{\"index\":{\"_index\":\"i\",\"_id\":\"11\",\"version\":3,\"version_type\":\"external_gte\"}}\n{}\n",
        "{\"update\":{\"_index\":\"i\",\"_id\":\"12\"}}\n{\"doc\":{}}\n",
    );
    let answer = answered(&[
        done("index", "1", "created", 201, 0),
        done("create", "generated", "created", 201, 1),
        done("delete", "3", "deleted", 200, 2),
        done("update", "4", "updated", 200, 3),
        done("update", "5", "deleted", 200, 4),
        done("index", "6", "created", 201, 5),
        item(
            "create",
            r#""_id":"7","status":409,"error":{"type":"version_conflict_engine_exception","reason":"x"}"#,
        ),
        item(
            "index",
            r#""_id":"8","status":503,"error":{"type":"unavailable_shards_exception","reason":"x"}"#,
        ),
        done("delete", "9", "not_found", 404, 6),
        done("index", "10", "updated", 200, 7),
        done("index", "11", "updated", 200, 8),
        done("update", "12", "noop", 200, 8),
    ]);
    check(
        request,
        &answer,
        concat!(
            "index i/1~r @0.1.0 {\"a\": 1}; index i/generated @0.1.1 {\"b\":2}; delete i/3 @0.1.2; ",
            "by id i/4 (update); delete i/5 @0.1.4; by id i/6 (pipeline); nothing: Refused(409); ",
            "by id i/8 (server error); delete i/9 @0.1.6; index i/10 @0.1.7 {}{\"a\": \"t\"}; ",
            "by id i/11 (external version); nothing: Noop refresh WaitFor",
        ),
    );
}

const TWO: &str = "{\"index\":{\"_id\":\"1\"}}\n{}\n{\"index\":{}}\n{}\n";

#[test]
fn defaults_of_a_bulk() {
    let two =
        answered(&[done("index", "1", "created", 201, 0), done("index", "g", "created", 201, 1)]);
    check(
        &format!("PUT /i/_bulk?routing=r\n\n{TWO}"),
        &two,
        "index i/1~r @0.1.0 {}; index i/g~r @0.1.1 {}",
    );
    check(
        &format!("PUT /i/_bulk?pipeline=p\n\n{TWO}"),
        &two,
        "by id i/1 (pipeline); by id i/g (pipeline)",
    );
    check(
        &format!("PUT /i/_bulk?pipeline=_none\n\n{TWO}"),
        &two,
        "index i/1 @0.1.0 {}; index i/g @0.1.1 {}",
    );
    check(
        "PUT /i/_bulk?pipeline=p\n\n{\"index\":{\"pipeline\":\"_none\"}}\n{}\n",
        &answered(&[done("index", "g", "created", 201, 1)]),
        "index i/g @0.1.1 {}",
    );
}

#[test]
fn a_bulk_in_doubt() {
    let request = format!("POST /i/_bulk\n\n{TWO}{{\"delete\":{{\"_id\":\"3\"}}}}\n");
    let all =
        |reason: &str| format!("by id i/1 ({reason}); sweep i ({reason}); by id i/3 ({reason})");
    check(&request, "", &all("no answer"));
    check(&request, "503 {\"error\":{},\"status\":503}", &all("server error"));
    check(&request, "200 {\"took\":1", &all("unreadable answer"));
    // Beats, Logstash.
    check(&request, r#"200 {"errors":false}"#, &all("no sequence number"));
    check(
        &request,
        r#"200 {"errors":false,"items":[{"index":{"status":201}},{"index":{"status":201}},{"delete":{"status":200}}]}"#,
        &all("no sequence number"),
    );
    check(
        &request,
        r#"200 {"errors":true,"items":[{"index":{"status":201}},{"index":{"status":400,"error":{"type":"x"}}},{"delete":{"status":200}}]}"#,
        "by id i/1 (no sequence number); nothing: Refused(400); by id i/3 (no sequence number)",
    );
    // `items.*.error` alone leaves out the items without one.
    check(
        &request,
        r#"200 {"errors":true,"items":[{"index":{"error":{"type":"x"}}}]}"#,
        &all("items differ"),
    );
    check(
        &request,
        r#"200 {"items":[{"index":{"status":201}},{"delete":{"status":200}},{"index":{"status":201}}]}"#,
        &all("items differ"),
    );
    check(
        &request,
        r#"200 {"items":[{"index":{"status":201}},{"index":{"status":201}},{"delete":{"_id":"4","status":200}}]}"#,
        &all("items differ"),
    );
    // Answers with numbers but without a status.
    check(
        "POST /_bulk\n\n{\"delete\":{\"_index\":\"a\",\"_id\":\"1\"}}\n",
        r#"200 {"items":[{"delete":{"_index":"i","_id":"1","_seq_no":1,"_primary_term":1}}]}"#,
        "delete i/1 @0.1.1",
    );
    check(
        "POST /_bulk\n\n{\"delete\":{\"_index\":\"a\",\"_id\":\"1\"}}\n",
        r#"200 {"items":[{"delete":{"_index":"i","_id":"1"}}]}"#,
        "by id i/1 (no sequence number)",
    );
    check("POST /_bulk\n\n{\"delete\":{\"_id\":\"1\"}}\n", "", "walk * (no answer)");
    check("POST /_bulk\n\n{\"index\":{}}\n{}\n", "", "sweep * (no answer)");
}

#[test]
fn a_bulk_refused() {
    let request = format!("POST /i/_bulk\n\n{TWO}");
    check(&request, "400 {\"error\":{},\"status\":400}", "nothing: Refused(400)");
    check(&request, "401 ", "nothing: Refused(401)");
    let mut recent = facts();
    recent.elasticsearch_major = Some(8);
    let refused = |status: &str| describe(&interpret(&exchange(&request, status), &recent));
    assert_eq!(refused("400 {}"), "by id i/1 (refused midway); sweep i (refused midway)");
    assert_eq!(refused("401 {}"), "nothing: Refused(401)");
}

#[test]
fn a_bulk_that_is_not_understood() {
    check(
        "POST /i/_bulk\n\n{\"index\":{\"_id\":\"1\"}}\n{}\n{\"upsert\":{}}\n{}\n",
        "",
        "by id i/1 (no answer); walk i (unreadable body)",
    );
    check("POST /_bulk\nContent-Type: application/smile\n\n:)", "", "walk * (unreadable body)");
    check(
        "POST /_bulk\nContent-Type: application/smile\n\n:)",
        r#"200 {"errors":false}"#,
        "walk * (unreadable body)",
    );
    check(
        "POST /_bulk\nContent-Type: application/smile\n\n:)",
        &answered(&[done("index", "1", "created", 201, 0), done("delete", "2", "deleted", 200, 0)]),
        "by id i/1 (unreadable body); by id i/2 (unreadable body)",
    );
    // Cut off in the second document: of it the source has no more than we have.
    let mut cut =
        exchange("POST /i/_bulk\n\n{\"index\":{\"_id\":\"1\"}}\n{}\n{\"index\":{}}\n{\"a\":", "");
    cut.body_state = BodyState::Cut;
    assert_eq!(describe(&interpret(&cut, &facts())), "by id i/1 (incomplete request)");
    // The last action has no document: no item either.
    check(
        "POST /i/_bulk\n\n{\"index\":{\"_id\":\"1\"}}\n{}\n{\"index\":{}}\n",
        &answered(&[done("index", "1", "created", 201, 0)]),
        "index i/1 @0.1.0 {}",
    );
}

#[test]
fn writes_of_what_a_query_finds() {
    let counts = |created: u32, updated: u32| {
        format!(
            r#"{{"took":1,"timed_out":false,"total":9,"updated":{updated},"created":{created},"deleted":0,"batches":1,"version_conflicts":0,"noops":0,"failures":[]}}"#
        )
    };
    check(
        "POST /a,b*/_update_by_query\n\n{}",
        &format!("200 {}", counts(0, 3)),
        "walk a (update by query); walk b* (update by query)",
    );
    check(
        "POST /a/_update_by_query\n\n{}",
        &format!("409 {}", counts(0, 3)),
        "walk a (update by query)",
    );
    check("POST /a/_update_by_query\n\n{}", &format!("200 {}", counts(0, 0)), "nothing: Noop");
    check("POST /a/_update_by_query\n\n{}", "200 {\"deleted\":0}", "walk a (update by query)");
    check("POST /a/_update_by_query\n\n{}", NO_INDEX, "nothing: Refused(404)");
    check("POST /a/_delete_by_query\n\n{}", "200 {\"deleted\":0}", "nothing: Noop");
    check("POST /a/_delete_by_query\n\n{}", "", "walk a (delete by query)");
    check(
        "POST /_reindex\n\n{\"source\":{\"index\":\"a\"},\"dest\":{\"index\":\"b\"}}",
        &format!("200 {}", counts(1, 0)),
        "walk b (reindex)",
    );
    check(
        "POST /_reindex\n\n{\"source\":{\"index\":\"a\"},\"dest\":{\"index\":\"b\"},\"script\":\"ctx._index='c'\"}",
        "",
        "walk * (reindex)",
    );
    check("POST /a/_split/b\n\n{}", "200 {\"acknowledged\":true}", "walk b (resize)");
    check("POST /_snapshot/r/s/_restore\n\n{}", "200 {\"accepted\":true}", "walk * (restore)");
}

#[test]
fn controls() {
    let yes = r#"200 {"acknowledged":true}"#;
    check(
        "PUT /i\n\n{}",
        r#"200 {"acknowledged":true,"shards_acknowledged":true,"index":"i"}"#,
        "control: CreateIndex [i] created i",
    );
    check(
        "PUT /%3Ci-%7Bnow%7D%3E\n\n{}",
        r#"200 {"acknowledged":true,"index":"i-2026"}"#,
        "control: CreateIndex * created i-2026",
    );
    check(
        "PUT /i\n\n{}",
        r#"400 {"error":{"type":"resource_already_exists_exception"}}"#,
        "nothing: Refused(400)",
    );
    check("PUT /i\n\n{}", "", "definition [i] (no answer)");
    check("PUT /i\n\n{}", "504 ", "definition [i] (server error)");
    check("DELETE /a,b-*", yes, "control: DeleteIndex [a,b-*] deletes [a,b-*]");
    check("DELETE /_all", yes, "control: DeleteIndex * deletes *");
    check("PUT /i/_mapping\n\n{}", yes, "control: PutMapping [i]");
    check("PUT /_template/t\n\n{}", yes, "control: PutTemplate *");
    check("PUT /i/_alias/a", yes, "control: PutAlias [i,a]");
    check(
        "POST /_aliases\n\n{\"actions\":[{\"add\":{\"index\":\"i\",\"alias\":\"a\"}},{\"remove\":{\"indices\":[\"j\",\"k*\"],\"alias\":\"a\"}}]}",
        yes,
        "control: Aliases [i,a,j,k*]",
    );
    check(
        "POST /_aliases\n\n{\"actions\":[{\"remove_index\":{\"index\":\"i\"}},{\"add\":{\"index\":\"j\",\"alias\":\"i\"}}]}",
        yes,
        "control: Aliases [i,j] deletes [i]",
    );
    check("POST /_aliases\n\n?", yes, "control: Aliases * deletes *");
    check(
        "POST /a/_rollover\n\n{}",
        r#"200 {"acknowledged":true,"old_index":"a-1","new_index":"a-2","rolled_over":true,"dry_run":false}"#,
        "control: Rollover [a,a-2,a-1] created a-2 from a-1",
    );
    check(
        "POST /a/_rollover\n\n{}",
        r#"200 {"acknowledged":false,"old_index":"a-1","new_index":"a-2","rolled_over":false,"dry_run":true}"#,
        "nothing: Noop",
    );
    check(
        "POST /a/_rollover?filter_path=acknowledged\n\n{}",
        yes,
        "definition [a] (no sequence number)",
    );
    check(
        "DELETE /_data_stream/d",
        yes,
        "control: DeleteDataStream [d,.ds-d-*] deletes [d,.ds-d-*]",
    );
    assert_eq!(deletes(&exchange("DELETE /i", "")), Some(Scope::of_index("i")));
    assert_eq!(deletes(&exchange("PUT /i", "")), None);
}

#[test]
fn reads_and_the_rest() {
    check("GET /a,b/_search\n\n{}", "200 {}", "read: Search [a,b]");
    check("GET /_search\n\n{}", "", "read: Search *");
    check("GET /i/_doc/1", "404 {\"found\":false}", "read: Get [i]");
    check("DELETE /_snapshot/r/s", "200 {\"acknowledged\":true}", "not sent: _snapshot");
    check("PUT /_cluster/settings\n\n{}", "200 {}", "not sent: _cluster");
    check("POST /_made_up/x", "200 {}", "not sent: _other");
}

#[test]
fn a_document_is_a_slice_of_the_request() {
    let bulk = exchange(
        "POST /i/_bulk\n\n{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n",
        &answered(&[done("index", "1", "created", 201, 0)]),
    );
    let Meaning::Write(write) = interpret(&bulk, &facts()) else { unreachable!() };
    let (_, operation) = write.operations().next().expect("one operation");
    let Change::Index { source, .. } = &operation.change else { unreachable!() };
    assert!(bulk.body.as_ptr_range().contains(&source.as_ptr()));
}

#[test]
fn a_write_in_doubt_as_a_whole() {
    let Meaning::Write(write) = interpret(&exchange("PUT /i/_doc/1\n\n{}", CREATED), &facts())
    else {
        unreachable!()
    };
    assert_eq!(write.scope(), Scope::of_index("i"));
    let doubt = write.into_doubt(DoubtReason::OverlapsDeletion);
    assert_eq!(describe(&Meaning::Write(doubt)), "by id i/1 (overlaps deletion)");
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn have_a_meaning(
            line in "(PUT|POST|DELETE|GET) /([a-z_*<%2F]{0,6}/?)(_bulk|_doc/[a-z%2]{0,4}|_aliases|_update/1|_rollover)?(\\?[a-z_=&%]{0,9})?",
            body in prop::collection::vec(prop_oneof![
                Just("{\"index\":{\"_id\":\"1\"}}\n".to_owned()), Just("{\"delete\":{\"_index\":\"i\"}}\n".to_owned()),
                Just("{}\n".to_owned()), Just("\n".to_owned()), Just("\r\n".to_owned()), "[{}\\[\\]\":a\n]{0,8}",
            ], 0..6),
            status in prop_oneof![Just(200u16), Just(404), Just(500), any::<u16>()],
            answer in prop::collection::vec(prop_oneof![
                Just("{\"items\":[".to_owned()), Just("{\"index\":{\"_index\":\"i\",\"_id\":\"1\",".to_owned()),
                Just("\"status\":200,".to_owned()), Just("\"_seq_no\":1,\"_primary_term\":1".to_owned()),
                Just("}},".to_owned()), Just("}}]}".to_owned()), "[{}\\[\\]\":a]{0,8}",
            ], 0..8),
        ) {
            let exchange = exchange(&format!("{line}\n\n{}", body.concat()), &format!("{status} {}", answer.concat()));
            let meaning = interpret(&exchange, &facts());
            if let Meaning::Write(write) = meaning {
                crate::render(&write, crate::Rendering::default());
                // Only a success makes operations.
                let success = (200..300).contains(&status) || status == 404;
                prop_assert!(success || write.operations().next().is_none());
            }
        }
    }
}

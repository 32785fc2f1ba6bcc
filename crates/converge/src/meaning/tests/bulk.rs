//! Bulks.

use super::*;

fn item(action: &str, rest: &str) -> String {
    format!(r#"{{"{action}":{{"_index":"i","_type":"_doc",{rest}}}}}"#)
}

pub(super) fn done(action: &str, id: &str, result: &str, status: u16, seq_no: u32) -> String {
    item(
        action,
        &format!(
            r#""_id":"{id}","_version":1,"result":"{result}","_shards":{{"total":2,"successful":1,"failed":0}},"_seq_no":{seq_no},"_primary_term":1,"status":{status}"#
        ),
    )
}

pub(super) fn answered(items: &[String]) -> String {
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
            "by id i/4 (update); delete i/5 @0.1.4; anywhere i/6 (pipeline); nothing: Refused(409); ",
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
        "anywhere i/1 (pipeline); anywhere i/g (pipeline)",
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
    // The right documents, each in another's place.
    let two = "POST /i/_bulk\n\n{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n{\"index\":{\"_id\":\"2\"}}\n{\"a\":2}\n";
    let turned =
        answered(&[done("index", "2", "created", 201, 1), done("index", "1", "created", 201, 0)]);
    check(two, &turned, "by id i/1 (items differ); by id i/2 (items differ)");
    // A document that nobody named: a pipeline that isn't known of.
    let other =
        answered(&[done("index", "1", "created", 201, 1), done("index", "9", "created", 201, 0)]);
    check(two, &other, "index i/1 @0.1.1 {\"a\":1}; sweep i (other id)");
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
        "anywhere i/1 (unreadable body); anywhere i/2 (unreadable body)",
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

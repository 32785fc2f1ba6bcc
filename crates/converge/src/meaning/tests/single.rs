//! Writes of one document.

use super::answers::*;
use super::*;

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
    // Another request's answer, or a pipeline's doing: either document, and those in both indices.
    check("PUT /i/_doc/2\n\n{}", CREATED, "sweep i (other id)");
    check("PUT /alias/_doc/2\n\n{}", CREATED, "sweep * (other id)");
    check("DELETE /i/_doc/2", DELETED, "walk i (other id)");
    check("POST /i/_update/1?routing=r\n\n{\"doc\":{}}", UPDATED, "by id i/1~r (update)");
    check("POST /i/_update/1\n\n{\"upsert\":{}}", CREATED, "by id i/1 (update)");
    check("POST /i/_update/1\n\n{\"script\":\"ctx.op='delete'\"}", DELETED, "delete i/1 @0.2.7");
    check("PUT /i/_doc/1?pipeline=p\n\n{}", CREATED, "anywhere i/1 (pipeline)");
    check("PUT /i/_doc/1?pipeline=_none\n\n{}", CREATED, "index i/1 @0.2.5 {}");
    check("DELETE /piped/_doc/1", &DELETED.replace("\"i\"", "\"piped\""), "delete piped/1 @0.2.7");
    for (index, none) in
        [("piped", r#"index piped/1 @0.2.5 {}"#), ("finished", "anywhere finished/1 (pipeline)")]
    {
        let created = CREATED.replace("\"i\"", &format!("\"{index}\""));
        check(
            &format!("PUT /{index}/_doc/1\n\n{{}}"),
            &created,
            &format!("anywhere {index}/1 (pipeline)"),
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
    check("PUT /tenant/_doc/1\n\n{}", "", "anywhere tenant/1 (no answer)");
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

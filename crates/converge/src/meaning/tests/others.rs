//! Controls, reads, and writes of what a query finds.

use super::answers::*;
use super::*;

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
    check("POST /a/_delete_by_query\n\n{}", "", "walk a after Unnamed (delete by query)");
    check(
        "POST /_reindex\n\n{\"source\":{\"index\":\"a\"},\"dest\":{\"index\":\"b\"}}",
        &format!("200 {}", counts(1, 0)),
        "walk b (reindex)",
    );
    check(
        "POST /_reindex\n\n{\"source\":{\"index\":\"a\"},\"dest\":{\"index\":\"b\"},\"script\":\"ctx._index='c'\"}",
        "",
        "walk * after Unnamed (reindex)",
    );
    check("POST /a/_split/b\n\n{}", "200 {\"acknowledged\":true}", "walk b (resize)");
    // Nobody waits for the end of these: the source still works on them when it has answered.
    let task = "200 {\"task\":\"oTUltX4IQMOUUVeiohTt8A:12345\"}";
    check(
        "POST /a,b/_update_by_query?wait_for_completion=false\n\n{}",
        task,
        "walk a after Named(\"oTUltX4IQMOUUVeiohTt8A:12345\") (update by query); walk b after Named(\"oTUltX4IQMOUUVeiohTt8A:12345\") (update by query)",
    );
    check(
        "POST /a/_clone/b?wait_for_completion=false\n\n{}",
        task,
        "walk b after Named(\"oTUltX4IQMOUUVeiohTt8A:12345\") (resize)",
    );
    // Through something in between that lost patience.
    check("POST /a/_update_by_query\n\n{}", "504 <html>", "walk a after Unnamed (update by query)");
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
        "control: CreateIndex [i-*,i-2026] created i-2026",
    );
    check(
        "PUT /i\n\n{}",
        r#"400 {"error":{"type":"resource_already_exists_exception"}}"#,
        "nothing: Refused(400)",
    );
    check("PUT /i\n\n{}", "", "definition [i] (no answer)");
    check("PUT /i\n\n{}", "504 ", "definition [i] (server error)");
    check("DELETE /a,b-*", yes, "control: DeleteIndex [a,b-*] deletes a,b-*");
    check("DELETE /_all", yes, "control: DeleteIndex * deletes _all");
    check("DELETE /b*,-bc", yes, "control: DeleteIndex [b*] deletes b*,-bc");
    check("DELETE /%3Ci-%7Bnow%2Fd%7D%3E", yes, "definition [i-*] (indices not named) deleting");
    check("PUT /i/_mapping\n\n{}", yes, "control: PutMapping [i]");
    check("PUT /_template/t\n\n{}", yes, "control: PutTemplate *");
    check("PUT /i/_alias/a", yes, "control: PutAlias [i,a]");
    check("PUT /_alias/a", yes, "control: PutAlias *");
    check("PUT /i/_alias\n\n{\"alias\":\"a\",\"routing\":1}", yes, "control: PutAlias [i,a]");
    check("PUT /_alias\n\n{\"index\":\"i,j*\",\"alias\":\"a\"}", yes, "control: PutAlias [i,j*,a]");
    // The body has the last word.
    check(
        "PUT /i/_alias/a\n\n{\"index\":\"j\",\"alias\":\"b\",\"filter\":{}}",
        yes,
        "control: PutAlias [i,j,a,b]",
    );
    check("PUT /i/_alias\n\n{\"alias\":{}}", yes, "control: PutAlias *");
    check("PUT /i/_alias\n\n{}", yes, "control: PutAlias *");
    check("PUT /_alias\n\n{\"index\":\"i\",\"alias\":\"a\"}", "", "definition [i,a] (no answer)");
    check(
        "POST /_aliases\n\n{\"actions\":[{\"add\":{\"index\":\"i\",\"alias\":\"a\"}},{\"remove\":{\"indices\":[\"j\",\"k*\"],\"alias\":\"a\"}}]}",
        yes,
        "control: Aliases [i,a,j,k*]",
    );
    check(
        "POST /_aliases\n\n{\"actions\":[{\"remove_index\":{\"index\":\"i\"}},{\"add\":{\"index\":\"j\",\"alias\":\"i\"}}]}",
        yes,
        "control: Aliases [i,j] deletes i",
    );
    check("POST /_aliases\n\n?", yes, "definition * (indices not named) deleting");
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
        "DELETE /_data_stream/a*,-ab",
        yes,
        "control: DeleteDataStream [a*,.ds-a*-*] deletes .ds-a*-*,-.ds-ab-*,a*,-ab",
    );
    check("PUT /_ingest/pipeline/p\n\n{}", "", "named _ingest/pipeline/p (no answer)");
    check("DELETE /_template/t*", "504 ", "named _template/t* (server error)");
    check("DELETE /_data_stream/d", yes, "control: DeleteDataStream [d,.ds-d-*] deletes .ds-d-*,d");
    let check = |request: &str, expected: Option<Scope>| {
        assert_eq!(unsettles(&exchange(request, "")), expected, "{request}");
    };
    check("DELETE /i", Some(Scope::of_index("i")));
    check("PUT /i", None);
    let piped = "{\"index.default_pipeline\":\"p\"}";
    check(&format!("PUT /i*/_settings\n\n{piped}"), Some(Scope::of_index("i*")));
    check(&format!("PUT /_template/t\n\n{piped}"), Some(Scope::All));
    check("PUT /i/_settings\n\n{\"index.blocks.write\":true}", None);
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

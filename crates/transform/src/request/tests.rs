use serde_json::json;

use super::*;

fn old(major: u32) -> Option<Version> {
    Some(Version::elasticsearch(major, 4))
}

fn body(source: Option<Version>, path: &str, body: &Value) -> Value {
    match request(source, "POST", path, body.to_string().as_bytes()).body {
        Some(body) => serde_json::from_slice(&body).unwrap(),
        None => body.clone(),
    }
}

#[test]
fn parameters_that_targets_lack_go_or_get_their_new_names() {
    for (source, from, to) in [
        (None, "/i/_mapping?include_type_name=true&pretty", "/i/_mapping?pretty"),
        (None, "/i/_doc/1?_source_include=a,b", "/i/_doc/1?_source_includes=a,b"),
        (None, "/i/_search?search_type=count", "/i/_search?size=0"),
        (None, "/i/_search?search_type=scan&scroll=1m", "/i/_search?sort=_doc&scroll=1m"),
        (None, "/i/_search?search_type=count&size=3", "/i/_search?size=3"),
        (
            None,
            "/_search?search_type=dfs_query_and_fetch",
            "/_search?search_type=dfs_query_then_fetch",
        ),
        (
            None,
            "/_search?search_type=dfs_query_then_fetch",
            "/_search?search_type=dfs_query_then_fetch",
        ),
        (None, "/i/_search?fields=a", "/i/_search?fields=a"),
        (old(2), "/i/_search?fields=a", "/i/_search?stored_fields=a&rest_total_hits_as_int=true"),
        (old(6), "/i/_search", "/i/_search?rest_total_hits_as_int=true"),
        (old(6), "/_search/scroll", "/_search/scroll?rest_total_hits_as_int=true"),
        (old(6), "/_search?rest_total_hits_as_int=false", "/_search?rest_total_hits_as_int=false"),
        (old(7), "/i/_search", "/i/_search"),
        (Some(Version::opensearch(1, 3)), "/i/_search", "/i/_search"),
        (old(5), "/i/t/1?parent=p", "/i/t/1?routing=p"),
        (old(2), "/i/t/1?ttl=1d&consistency=one", "/i/t/1"),
        (old(8), "/i/_doc/1?ttl=1d", "/i/_doc/1?ttl=1d"),
        (None, "/_cat/indices?ttl=1d&parent=x", "/_cat/indices?ttl=1d&parent=x"),
    ] {
        let made = request(source, "GET", from, b"");
        assert_eq!(made.path, to, "{from}");
        assert_eq!(made.changes.is_empty(), from == to, "{from}");
        assert_eq!(made.body, None);
    }
}

#[test]
fn the_end_of_a_scroll_has_no_hits() {
    assert_eq!(request(old(6), "DELETE", "/_search/scroll", b"").path, "/_search/scroll");
}

#[test]
fn intervals_say_what_they_are() {
    let of = |interval: Value| {
        let search = json!({"size": 0, "aggs": {"a": {"terms": {"field": "interval"},
            "aggs": {"d": {"date_histogram": {"field": "t", "interval": interval}}}}}});
        let made = body(None, "/i/_search", &search);
        made["aggs"]["a"]["aggs"]["d"]["date_histogram"].clone()
    };
    for (interval, name, value) in [
        ("day", "calendar_interval", "day"),
        ("1M", "calendar_interval", "1M"),
        ("90m", "fixed_interval", "90m"),
        ("2d", "fixed_interval", "2d"),
        ("second", "fixed_interval", "1s"),
        ("60000", "fixed_interval", "60000ms"),
    ] {
        assert_eq!(of(json!(interval)), json!({"field": "t", name: value}), "{interval}");
    }
    // A histogram of numbers has an interval still.
    let numbers = json!({"aggs": {"h": {"histogram": {"field": "n", "interval": 5}}}});
    assert_eq!(body(None, "/i/_search", &numbers), numbers);
    let sources = |name: &str| {
        json!({"aggs": {"c": {"composite": {"sources":
            [{"d": {"date_histogram": {"field": "t", name: "1d"}}}]}}}})
    };
    assert_eq!(body(None, "/_search", &sources("interval")), sources("calendar_interval"));
}

#[test]
fn each_name_of_the_table_is_changed_where_it_stands_and_nowhere_else() {
    let check = |source, path: &str, from: Value, to: Value| {
        assert_eq!(body(source, path, &from), to, "{path} {from}");
    };
    let search = "/i/_search";
    check(old(2), search, json!({"fields": ["a"]}), json!({"stored_fields": ["a"]}));
    check(old(7), search, json!({"fields": ["a"]}), json!({"fields": ["a"]}));
    check(
        old(1),
        search,
        json!({"filter": {"term": {"a": 1}}}),
        json!({"post_filter": {"term": {"a": 1}}}),
    );
    check(
        None,
        search,
        json!({"_source": {"include": "a", "exclude": "b"}}),
        json!({"_source": {"includes": "a", "excludes": "b"}}),
    );
    let terms = |size: u32, order: &str| json!({"aggs": {"a": {"terms": {"field": "f", "size": size, "order": [{order: "asc"}]}}}});
    check(old(2), search, terms(0, "_term"), terms(65_535, "_key"));
    check(old(6), search, terms(0, "_term"), terms(0, "_key"));
    let scripts = |name: &str| {
        json!({"query": {"bool": {"filter": {"script": {"script": {name: "1"}}}}},
        "script_fields": {"x": {"script": {name: "2"}}}})
    };
    check(None, search, scripts("inline"), scripts("source"));
    // A field may be called as a parameter is.
    let fields =
        json!({"query": {"term": {"inline": 1}}, "sort": [{"_type": "asc"}, {"interval": "asc"}]});
    check(None, search, fields.clone(), fields);
    let like = |more: Value| {
        let mut document = json!({"_index": "i", "_id": "1"});
        document.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!({"query": {"more_like_this": {"like": [document, "text"]}}})
    };
    check(None, search, like(json!({"_type": "t"})), like(json!({})));
    let lookup = |more: Value| {
        let mut of = json!({"index": "i", "id": "1", "path": "p"});
        of.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!({"query": {"terms": {"f": of}}})
    };
    check(None, search, lookup(json!({"type": "t"})), lookup(json!({})));
    check(
        old(5),
        "/_mget",
        json!({"docs": [{"_index": "i", "_type": "t", "_id": "1", "_routing": "r"}]}),
        json!({"docs": [{"_index": "i", "_id": "1", "routing": "r"}]}),
    );
    check(
        old(2),
        search,
        json!({"query": {"filtered": {"filter": {"missing": {"field": "f"}}}}}),
        json!({"query": {"bool": {"filter": {"bool": {"must_not": [{"exists": {"field": "f"}}]}}}}}),
    );
    // What has no stand-in is for the target to refuse.
    let gone = json!({"query": {"fuzzy_like_this": {"like_text": "x"}}});
    check(old(1), search, gone.clone(), gone);
}

#[test]
fn lines_of_a_multi_search_stay_lines() {
    let lines = "{\"index\":\"i\",\"type\":\"t\"}\n{\"_source\":{\"include\":\"a\"}}\n{}\n{\"size\":1.50}\n";
    let made = request(None, "POST", "/_msearch", lines.as_bytes());
    let expected = "{\"index\":\"i\"}\n{\"_source\":{\"includes\":\"a\"}}\n{}\n{\"size\":1.5}\n";
    assert_eq!(made.body.as_deref(), Some(expected.as_bytes()));
    // Nothing to change: byte for byte.
    let plain = "{}\n{\"size\": 1.50}\n";
    assert_eq!(request(None, "POST", "/_msearch", plain.as_bytes()).body, None);
}

#[test]
fn what_is_no_search_or_no_json_is_left_alone() {
    for (path, body) in [
        ("/_bulk", "{\"index\":{}}\n{\"interval\":\"day\",\"_type\":\"t\"}\n"),
        ("/i/_search", "{\"interval\":"),
        ("/i/_search", "[\"interval\"]"),
        ("/i/_search", "7"),
    ] {
        assert_eq!(request(old(2), "POST", path, body.as_bytes()).body, None, "{body}");
    }
    let mut deep = json!({"interval": 1});
    for _ in 0..100 {
        deep = json!({"aggs": {"a": deep, "script": {}}});
    }
    request(old(2), "POST", "/_search", deep.to_string().as_bytes());
}

use super::*;

fn post(target: &str) -> bool {
    only_reads(b"POST", target.as_bytes())
}

/// Each shape, and a near miss of it that must be held.
const SHAPES: &[(&str, &str)] = &[
    ("/_search", "/_search/"),
    ("/_msearch", "/_msearch/x"),
    ("/_count", "//_count"),
    ("/_mget", "/_MGET"),
    ("/_analyze", "/_analyze/a"),
    ("/_field_caps", "/_field_cap"),
    ("/_search_shards", "/_search_shard"),
    ("/_search/scroll", "/_search/scroll/x"),
    ("/_search/template", "/_search/templates"),
    ("/_msearch/template", "/_msearch//template"),
    ("/_validate/query", "/_validate"),
    ("/_render/template", "/_render"),
    ("/i/_search", "/i/_searches"),
    ("/i/_msearch", "/_i/_msearch"),
    ("/i/_count", "/i/_count/_doc"),
    ("/i/_mget", "//_mget"),
    ("/i/_analyze", "/i/%5Fanalyze"),
    ("/i/_field_caps", "/i/t/_field_caps"),
    ("/i/_search_shards", "/i/t/_search_shards"),
    ("/i/_termvectors", "/i/t/_termvectors"),
    ("/i/_pit", "/_pit"),
    ("/i/_search/template", "/i/_search/point_in_time"),
    ("/i/_msearch/template", "/i/_msearch/"),
    ("/i/_validate/query", "/i/_validate/query/x"),
    ("/i/_explain/1", "/i/_explain/_mapping"),
    ("/i/_termvectors/1", "/i/_termvectors/%5fmapping"),
    ("/i/t/_search", "/i/_doc/_search"), // writes the document `_search`
    ("/i/t/_msearch", "/i/%5fdoc/_msearch"),
    ("/i/t/_count", "/i/_create/_count"),
    ("/i/t/_mget", "/i/t/_update"),
    ("/i/t/_search/template", "/i/_doc/_search/template"),
    ("/i/t/_msearch/template", "/i/t/x/_msearch/template"),
    ("/i/t/_validate/query", "/i/t/_validate/_query"),
    ("/i/t/1/_explain", "/i/t/1/_update"),
    ("/i/t/1/_termvectors", "/i/t/1/_create"),
];

#[test]
fn every_shape_reads_and_its_near_miss_does_not() {
    assert_eq!(SHAPES.len(), READS.len(), "one line for each shape");
    for (read, near_miss) in SHAPES {
        assert!(post(read), "{read}");
        assert!(post(&format!("{read}?a=b/_doc&c=%2F..")), "{read} with a query");
        assert!(!post(near_miss), "{near_miss}");
        assert!(!post(&format!("{read}/")), "{read}/");
        assert!(!post(&format!("/{read}")), "/{read}");
        assert!(!post(&format!("http://h{read}")), "http://h{read}");
        assert!(!post(&format!("{read}#x")), "{read}#x");
        assert!(!post(&format!("{}/_doc", read)), "{read}/_doc");
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "post", "TRACE", ""] {
            assert!(!only_reads(method.as_bytes(), read.as_bytes()), "{method} {read}");
        }
    }
}

#[test]
fn gets_read_whatever_they_get() {
    for target in ["/", "/i/_doc/1", "/_search/scroll", "/i/_doc/%2F", "/a//b/", "/%zz"] {
        assert!(only_reads(b"GET", target.as_bytes()));
        assert!(only_reads(b"HEAD", target.as_bytes()));
    }
    for target in ["http://h/_search", "*", "", "h:443"] {
        assert!(!only_reads(b"GET", target.as_bytes()), "{target}");
    }
}

#[test]
fn writes_are_held() {
    for target in [
        "/i/_doc",
        "/i/_doc/1",
        "/i/_create/1",
        "/i/_update/1",
        "/_bulk",
        "/i/_bulk",
        "/i/t",
        "/i/t/1",
        "/i/_update_by_query",
        "/i/_delete_by_query",
        "/_reindex",
        "/i/_refresh",
        "/_aliases",
        "/i/_close",
        "/",
        "/i",
        "",
        "/i/_rollover",
        "/_scripts/x",
    ] {
        assert!(!post(target), "{target}");
    }
}

#[test]
fn names_are_decoded_before_they_are_trusted() {
    for read in [
        "/a,b*,-c/_search",
        "/_all/_search",
        "/.kibana/_search",
        "/...a/_search",
        "/%61/_search",
        "/%3Cl-%7Bnow%7Bd%7D%7D%3E/_search",
        "/r:i/_search",
        "/\u{fc}/_search",
        "/+/_count",
    ] {
        assert!(post(read), "{read}");
    }
    for held in [
        "/a%2Fb/_search",
        "/a%2fb/_search",
        "/%5Fdoc/_search",
        "/../_search",
        "/./_search",
        "/%2e%2e/_search",
        "/%2E/_search",
        "/.%2e/_search",
        "/a%5cb/_search",
        "/a\\b/_search",
        "/a%/_search",
        "/a%4/_search",
        "/a%zz/_search",
        "/a%00/_search",
        "/%0a/_search",
        "/_all/t/../_search",
        "/i/_all/_search",
        "/_foo/_search",
    ] {
        assert!(!post(held), "{held}");
    }
}

#[test]
fn classes() {
    let class =
        |method: &str, target: &str| endpoint_class(method.as_bytes(), target.as_bytes()).as_str();
    for (method, target, expected) in [
        ("GET", "/", "other"),
        ("OPTIONS", "*", "other"),
        ("GET", "http://h/_search", "other"),
        ("POST", "/i/_search?q=_bulk", "search"),
        ("GET", "/_all/_search", "search"),
        ("POST", "/_search/scroll", "search"),
        ("POST", "/_bulk", "bulk"),
        ("PUT", "/i/_bulk/", "bulk"),
        ("PUT", "/i/_doc/_bulk", "doc"),
        ("POST", "/i/_update/1", "doc"),
        ("PUT", "/i/t/1", "doc"),
        ("POST", "/i/t", "doc"),
        ("POST", "/i/_update_by_query", "doc"),
        ("PUT", "/i", "admin"),
        ("DELETE", "/i/t", "admin"),
        ("PUT", "/_cluster/settings", "admin"),
        ("GET", "/_cat/indices", "admin"),
    ] {
        assert_eq!(class(method, target), expected, "{method} {target}");
    }
    assert_eq!(Class::ALL.map(Class::as_str).len(), 5);
}

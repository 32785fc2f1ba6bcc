use super::*;

fn parse(line: &str) -> Endpoint {
    let (method, target) = line.split_once(' ').expect("method and target");
    Endpoint::parse(Method::parse(method.as_bytes()), &Target::parse(target.as_bytes()))
}

fn doc(index: &str, doc_type: Option<&str>, id: Option<&str>, action: DocumentAction) -> Endpoint {
    document(index, doc_type, id, action)
}

#[test]
fn documents() {
    use DocumentAction::*;
    for (line, expected) in [
        ("PUT /i/_doc/1", doc("i", None, Some("1"), Index)),
        ("POST /i/_doc/1?op_type=create", doc("i", None, Some("1"), Index)),
        ("POST /i/_doc", doc("i", None, None, Index)),
        ("POST /i/_doc/", doc("i", None, None, Index)),
        ("PUT /i/_doc/a%2Fb%20c", doc("i", None, Some("a/b c"), Index)),
        ("PUT /i/_create/1", doc("i", None, Some("1"), Create)),
        ("PUT /i/_doc/1/_create", doc("i", None, Some("1"), Create)),
        ("POST /i/_update/1", doc("i", None, Some("1"), Update)),
        ("POST /i/_doc/1/_update", doc("i", None, Some("1"), Update)),
        ("DELETE /i/_doc/1", doc("i", None, Some("1"), Delete)),
        ("PUT /i/t/1", doc("i", Some("t"), Some("1"), Index)),
        ("POST /i/t", doc("i", Some("t"), None, Index)),
        ("PUT /i/t/1/_create", doc("i", Some("t"), Some("1"), Create)),
        ("POST /i/t/1/_update", doc("i", Some("t"), Some("1"), Update)),
        ("DELETE /i/t/1", doc("i", Some("t"), Some("1"), Delete)),
        ("PUT /i/_doc/_x", doc("i", None, Some("_x"), Index)),
        ("PUT /i/_doc/_search", doc("i", None, Some("_search"), Index)),
        ("PUT /%3Clogs-%7Bnow%2Fd%7D%3E/_doc/1", doc("<logs-{now/d}>", None, Some("1"), Index)),
    ] {
        assert_eq!(parse(line), expected, "{line}");
    }
}

#[test]
fn bulks() {
    let bulk = |index: Option<&str>, doc_type: Option<&str>| Endpoint::Bulk {
        index: index.map(str::to_owned),
        doc_type: doc_type.map(str::to_owned),
    };
    assert_eq!(parse("POST /_bulk"), bulk(None, None));
    assert_eq!(parse("PUT /i/_bulk"), bulk(Some("i"), None));
    assert_eq!(parse("POST /i/t/_bulk"), bulk(Some("i"), Some("t")));
    assert_eq!(parse("POST /i/_doc/_bulk"), bulk(Some("i"), None));
    assert_eq!(parse("GET /_bulk"), Endpoint::Other("_other"));
}

#[test]
fn reads() {
    use ReadKind::*;
    for (line, kind) in [
        ("GET /i/_doc/1", Get),
        ("HEAD /i/_doc/1", Get),
        ("GET /i/_source/1", Get),
        ("GET /i/t/1", Get),
        ("POST /i/_search?scroll=1m", Search),
        ("GET /_search", Search),
        ("GET /i/t/_search", Search),
        ("POST /_search/scroll", Scroll),
        ("DELETE /_search/scroll", ClearScroll),
        ("POST /a,b/_msearch", MultiSearch),
        ("GET /_all/_count", Count),
        ("POST /_mget", MultiGet),
        ("POST /i/_pit?keep_alive=1m", OpenPit),
        ("POST /i/_search/point_in_time", OpenPit),
        ("DELETE /_pit", ClosePit),
        ("POST /i/_async_search", AsyncSearch),
        ("POST /i/_refresh", Refresh),
        ("POST /i/_validate/query", Other),
        ("GET /i/_explain/1", Other),
        ("POST /i/_field_caps", Other),
        ("GET /i/_doc/_search", Search),
    ] {
        assert_eq!(parse(line), Endpoint::Read(kind), "{line}");
    }
    assert_eq!(
        parse("POST /i/_doc/_search"),
        Endpoint::ReadOrDocument { kind: Search, index: "i".to_owned(), id: "_search".to_owned() }
    );
}

#[test]
fn controls() {
    use ControlKind::*;
    for (line, kind, index) in [
        ("PUT /i", CreateIndex, Some("i")),
        ("DELETE /a,b*", DeleteIndex, Some("a,b*")),
        ("DELETE /_all", DeleteIndex, Some("_all")),
        ("POST /i/_open", OpenIndex, Some("i")),
        ("POST /i/_close", CloseIndex, Some("i")),
        ("PUT /i/_settings", PutSettings, Some("i")),
        ("PUT /_settings", PutSettings, None),
        ("PUT /i/_mapping", PutMapping, Some("i")),
        ("PUT /i/_mapping/t", PutMapping, Some("i")),
        ("PUT /i/t/_mapping", PutMapping, Some("i")),
        ("POST /_aliases", Aliases, None),
        ("PUT /i/_alias/a", PutAlias, Some("i")),
        ("PUT /i/_alias", PutAlias, Some("i")),
        ("PUT /i,j*/_aliases", PutAlias, Some("i,j*")),
        ("PUT /_alias", PutAlias, None),
        ("DELETE /i/_aliases/a", DeleteAlias, Some("i")),
        ("PUT /_template/t", PutTemplate, None),
        ("PUT /_index_template/t", PutTemplate, None),
        ("DELETE /_component_template/t", DeleteTemplate, None),
        ("PUT /_ingest/pipeline/p", PutPipeline, None),
        ("POST /_scripts/s", PutScript, None),
        ("POST /a/_rollover", Rollover, Some("a")),
        ("POST /a/_rollover/i-2", Rollover, Some("a")),
        ("PUT /_data_stream/d", PutDataStream, Some("d")),
    ] {
        let index = index.map(str::to_owned);
        assert_eq!(parse(line), Endpoint::Control { kind, index }, "{line}");
    }
}

#[test]
fn not_sent_as_they_are() {
    for (line, expected) in [
        ("GET /", Endpoint::Other("root")),
        ("DELETE /_snapshot/r/s", Endpoint::Other("_snapshot")),
        ("PUT /_cluster/settings", Endpoint::Other("_cluster")),
        ("GET /_cat/indices", Endpoint::Other("_cat")),
        ("POST /_ingest/pipeline/_simulate", Endpoint::Other("_ingest")),
        ("GET /i/_mapping", Endpoint::Other("index metadata")),
        ("HEAD /i", Endpoint::Other("index")),
        ("POST /i/_forcemerge", Endpoint::Other("index maintenance")),
        ("PATCH /i/_doc/1", Endpoint::Other("other")),
        ("POST /i/_doc/1/2/3", Endpoint::Other("other")),
        ("PUT /i/_doc", Endpoint::Other("other")),
        ("POST /_made_up_by_a_client", Endpoint::Other("_other")),
        ("PUT //_doc/1", Endpoint::Other("other")),
        ("POST /_reindex", Endpoint::Reindex),
        ("POST /_snapshot/r/s/_restore", Endpoint::Restore),
        ("PUT /a/_shrink/b", Endpoint::Resize { created: "b".to_owned() }),
        (
            "POST /a,b/_update_by_query",
            Endpoint::ByQuery { index: "a,b".to_owned(), action: QueryAction::Update },
        ),
        (
            "POST /a/_doc/_delete_by_query",
            Endpoint::ByQuery { index: "a".to_owned(), action: QueryAction::Delete },
        ),
    ] {
        assert_eq!(parse(line), expected, "{line}");
    }
}

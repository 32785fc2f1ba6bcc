//! A source with items of every kind that its version has, and what a target holds of them.
#![allow(dead_code)] // each test needs a part of it

use cluster::{Cluster, Method, Request, encode_segment};
use metadata::{Inventory, Kind, Report, Settings, Source, evaluate, inventory, migrate};
use serde_json::{Value, json};
use snapshot::Location;
use telemetry::Shutdown;
use testbed::Server;

pub(crate) const TARGETS: [&str; 3] = ["1", "2", "3"];
pub(crate) const SNAPSHOT: &str = "snap";

pub(crate) async fn connect(server: &Server) -> Cluster {
    Cluster::connect(cluster::Settings::new(server.url())).await.unwrap()
}

/// Sends; the answer has to be a success.
pub(crate) async fn send(cluster: &Cluster, method: Method, path: &str, body: Value) -> Value {
    let request = match body {
        Value::Null => Request::new(method, path),
        body => Request::json(method, path, body.to_string()),
    };
    let reply = cluster.call(request).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

pub(crate) async fn put(cluster: &Cluster, path: &str, body: Value) {
    send(cluster, Method::PUT, path, body).await;
}

/// What a version has.
#[derive(Clone, Copy)]
struct Dialect {
    opensearch: bool,
    version: (u32, u32),
    name: &'static str,
}

impl Dialect {
    fn before(self, major: u32, minor: u32) -> bool {
        !self.opensearch && self.version < (major, minor)
    }

    fn text(self) -> Value {
        json!({"type": if self.before(5, 0) { "string" } else { "text" }})
    }

    fn keyword(self) -> Value {
        match self.before(5, 0) {
            true => json!({"type": "string", "index": "not_analyzed"}),
            false => json!({"type": "keyword", "ignore_above": 100}),
        }
    }

    fn mappings(self, mapping: Value) -> Value {
        if self.before(7, 0) { json!({"doc": mapping}) } else { mapping }
    }

    fn has_processors(self) -> bool {
        matches!(self.name, "es-5.6" | "es-6.8" | "es-7.10" | "opensearch-3")
    }

    fn has_painless(self) -> bool {
        matches!(self.name, "es-5.6" | "es-6.8" | "es-7.10" | "opensearch-2" | "opensearch-3")
    }

    fn has_composable_templates(self) -> bool {
        !self.before(7, 8)
    }
}

/// Makes items of every kind, and a snapshot of them.
pub(crate) async fn fill(server: &Server, name: &'static str) {
    let cluster = connect(server).await;
    let info = cluster.info();
    let opensearch = name.starts_with("opensearch");
    let dialect = Dialect { opensearch, version: (info.major, info.minor), name };
    scripts_and_pipelines(&cluster, dialect).await;
    elders(&cluster, dialect).await;
    templates(&cluster, dialect).await;
    indices(&cluster, dialect).await;
    if opensearch {
        put(&cluster, "/_data_stream/events", Value::Null).await;
    }
    take_snapshot(&cluster, server, SNAPSHOT, true).await;
}

async fn scripts_and_pipelines(cluster: &Cluster, dialect: Dialect) {
    if dialect.before(5, 0) {
        return;
    }
    put(cluster, "/_ingest/pipeline/plain", json!({"description": "nothing", "processors": []}))
        .await;
    if dialect.has_processors() {
        let processors = json!([{"set": {"field": "a", "value": "{{b}}"}}]);
        put(cluster, "/_ingest/pipeline/sets", json!({"processors": processors})).await;
    }
    if dialect.has_painless() {
        let source = if dialect.before(5, 6) { "inline" } else { "source" };
        let script = json!({"lang": "painless", source: "doc['n'].value * 2"});
        put(cluster, "/_scripts/double", json!({"script": script})).await;
    }
    if dialect.name == "es-6.8" {
        let phases = json!({"hot": {"actions": {"rollover": {"max_size": "1gb"}}}});
        put(cluster, "/_ilm/policy/weekly", json!({"policy": {"phases": phases}})).await;
    }
}

/// Indices that are older than the templates that fit them, so that they have nothing of these.
async fn elders(cluster: &Cluster, dialect: Dialect) {
    let mapping = dialect.mappings(json!({"properties": {"first": dialect.text()}}));
    put(cluster, "/old-0", json!({"mappings": mapping.clone()})).await;
    if dialect.has_composable_templates() {
        put(cluster, "/new-0", json!({ "mappings": mapping })).await;
    }
}

async fn templates(cluster: &Cluster, dialect: Dialect) {
    let pattern = |pattern: &str| match dialect.before(6, 0) {
        true => ("template", json!(pattern)),
        false => ("index_patterns", json!([pattern])),
    };
    let (key, value) = pattern("old-*");
    let body = json!({
        key: value, "order": 3,
        "settings": {"number_of_shards": 2, "index.refresh_interval": "7s"},
        "mappings": dialect.mappings(json!({"properties": {
            "name": dialect.text(), "tag": dialect.keyword(),
        }})),
        "aliases": {"olds": {"filter": {"term": {"tag": "x"}}}},
    });
    put(cluster, "/_template/old", body).await;
    let (key, value) = pattern("bare-*");
    put(cluster, "/_template/bare", json!({key: value})).await;
    if !dialect.has_composable_templates() {
        return;
    }
    let part = json!({
        "version": 4, "_meta": {"by": "test"},
        "template": {
            "settings": {"index": {"number_of_shards": 1, "refresh_interval": "11s"}},
            "mappings": {"properties": {"@timestamp": {"type": "date"}, "tag": {"type": "keyword"}}},
        },
    });
    put(cluster, "/_component_template/part", part).await;
    let template = json!({
        "index_patterns": ["new-*"], "priority": 7, "composed_of": ["part"],
        "template": {"aliases": {"news": {}}, "settings": {"index.default_pipeline": "plain"}},
    });
    put(cluster, "/_index_template/new", template).await;
    if dialect.opensearch {
        let template = json!({"index_patterns": ["events*"], "priority": 9, "data_stream": {}});
        put(cluster, "/_index_template/events", template).await;
    }
}

async fn indices(cluster: &Cluster, dialect: Dialect) {
    let mut settings = json!({
        "number_of_shards": 3, "number_of_replicas": 0, "refresh_interval": "5s",
        "analysis": {
            "filter": {"few": {"type": "stop", "stopwords": ["a", "b"]}},
            "analyzer": {"mine": {"type": "custom", "tokenizer": "standard", "filter": ["few"]}},
        },
    });
    let mut name = dialect.text();
    name["analyzer"] = json!("mine");
    name["fields"] = json!({"raw": dialect.keyword()});
    let mut properties = json!({
        "name": name, "tag": dialect.keyword(), "n": {"type": "long"}, "flag": {"type": "boolean"},
        "when": {"type": "date", "format": "yyyy-MM-dd"},
        "o": {"properties": {"deep": {"type": "ip"}}},
        "list": {"type": "nested", "properties": {"x": {"type": "double"}}},
        "place": {"type": "geo_point"},
        "off": {"type": "object", "enabled": false},
    });
    if !dialect.before(7, 3) && !dialect.opensearch {
        settings["mapping.total_fields.limit"] = json!(2000);
    }
    if !dialect.before(6, 5) {
        settings["default_pipeline"] = json!("plain");
        settings["blocks.write"] = json!(false);
    }
    if dialect.opensearch && dialect.version >= (2, 7) {
        properties["flat"] = json!({"type": "flat_object"});
    }
    let mut mapping = json!({"dynamic": "strict", "properties": properties});
    if dialect.before(6, 0) {
        mapping["_all"] = json!({"enabled": false});
    }
    let body = json!({"settings": {"index": settings}, "mappings": dialect.mappings(mapping)});
    put(cluster, "/logs-1", body).await;
    let plain = json!({"properties": {"n": {"type": "long"}}});
    let one = json!({"number_of_shards": 1, "number_of_replicas": 1});
    let body = json!({"settings": one, "mappings": dialect.mappings(plain)});
    put(cluster, "/logs-2", body).await;
    put(cluster, "/empty", json!({"settings": one})).await;
    if dialect.before(6, 0) {
        let types = json!({
            "first": {"properties": {"n": {"type": "long"}}},
            "second": {"properties": {"s": dialect.text()}},
        });
        put(cluster, "/types", json!({"settings": one, "mappings": types})).await;
    }
    let mut actions = vec![
        json!({"add": {"index": "logs-1", "alias": "all", "filter": {"term": {"tag": "x"}}}}),
        json!({"add": {"index": "logs-2", "alias": "all", "routing": "r"}}),
    ];
    let mut write = json!({"index": "logs-2", "alias": "write"});
    if !dialect.before(6, 4) {
        write["is_write_index"] = json!(true);
    }
    actions.push(json!({ "add": write }));
    send(cluster, Method::POST, "/_aliases", json!({"actions": actions})).await;
}

pub(crate) async fn take_snapshot(cluster: &Cluster, server: &Server, name: &str, global: bool) {
    let location = server.folder().join("repo");
    let body = json!({"type": "fs", "settings": {"location": location}});
    put(cluster, "/_snapshot/godwit", body).await;
    let path = format!("/_snapshot/godwit/{name}?wait_for_completion=true");
    let answer = send(cluster, Method::PUT, &path, json!({"include_global_state": global})).await;
    assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer}");
}

pub(crate) fn from_cluster(source: &Server, target: &Server) -> Settings {
    let settings = |server: &Server| cluster::Settings::new(server.url());
    Settings::new(Source::Cluster(Box::new(settings(source))), settings(target))
}

pub(crate) fn from_snapshot(source: &Server, name: &str, target: &Server) -> Settings {
    let location = Location::parse(source.folder().join("repo").to_str().unwrap()).unwrap();
    let repository = Box::new(snapshot::Settings::new(location));
    let source = Source::Snapshot { repository, snapshot: name.to_owned() };
    Settings::new(source, cluster::Settings::new(target.url()))
}

/// A live cluster and its snapshot say the same.
pub(crate) async fn check_inventories(name: &str, live: &Settings, stored: &Settings) -> Inventory {
    let (live, stored) = (inventory(live).await.unwrap(), inventory(stored).await.unwrap());
    let names = |of: &Inventory| -> Vec<String> {
        of.items.iter().map(|item| format!("{} {}", item.kind, item.name)).collect()
    };
    assert_eq!(names(&live), names(&stored), "{name}");
    for (live, stored) in live.items.iter().zip(&stored.items) {
        assert_eq!(live, stored, "{name}: {} {}", live.kind, live.name);
    }
    let told = live.notes.iter().filter(|note| !note.contains("routing shards"));
    assert!(told.eq(&stored.notes), "{name}: {:?} {:?}", live.notes, stored.notes);
    live
}

pub(crate) async fn run(settings: &Settings) -> Report {
    migrate(settings, &Shutdown::new()).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn plan(settings: &Settings) -> Report {
    evaluate(settings).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Takes everything from a target that several sources are moved to.
pub(crate) async fn clear(target: &Server) {
    let cluster = connect(target).await;
    let held = metadata::live(&cluster, true).await.unwrap();
    let delete = async |path: String| {
        send(&cluster, Method::DELETE, &path, Value::Null).await;
    };
    // Those that hold others first.
    for (kind, path) in [
        (Kind::DataStream, "/_data_stream/"),
        (Kind::Index, "/"),
        (Kind::IndexTemplate, "/_index_template/"),
        (Kind::ComponentTemplate, "/_component_template/"),
        (Kind::LegacyTemplate, "/_template/"),
        (Kind::Pipeline, "/_ingest/pipeline/"),
        (Kind::Script, "/_scripts/"),
    ] {
        for item in held.items.iter().filter(|item| item.kind == kind) {
            if kind == Kind::Index && item.name.starts_with(".ds-") {
                continue;
            }
            delete(format!("{path}{}", encode_segment(&item.name))).await;
        }
    }
}

//! The indices of a history.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::dialect::Dialect;

/// Name and definition of each, in the order they are made.
pub(super) fn all(dialect: Dialect, random: &mut StdRng) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    let logs = dialect.mappings(json!({"properties": log_fields(dialect)}));
    let free = dialect.mappings(json!({"properties": {
        // Whatever is in it is kept and not looked at.
        "free": {"type": "object", "enabled": false},
        "name": dialect.keyword(),
    }}));
    let index = |shards: u32, settings: Value, mappings: &Value| {
        let mut all = json!({
            "number_of_shards": shards,
            "number_of_replicas": 0,
            "refresh_interval": "-1",
        });
        if !dialect.before(2, 0) {
            all["translog.durability"] = json!("async"); // a sync of each shard for each bulk takes minutes
        }
        if let (Some(all), Value::Object(settings)) = (all.as_object_mut(), settings) {
            all.extend(settings);
        }
        json!({"settings": {"index": all}, "mappings": mappings})
    };

    let soft_deletes = dialect.unusual_soft_deletes();
    let unusual = soft_deletes.map_or(json!({}), |on| json!({"soft_deletes.enabled": on}));
    all.push(("logs", index(random.random_range(2..6), unusual, &logs)));

    let sorted = json!({"sort.field": "size", "sort.order": "desc"});
    let sorted = if dialect.has_index_sorting() { sorted } else { json!({}) };
    all.push(("merged", index(1, sorted, &logs)));
    if dialect.has_best_compression() {
        let codec = json!({"codec": "best_compression"});
        all.push(("compressed", index(2, codec, &logs)));
    } else {
        // Elasticsearch 1 compresses each source by itself instead.
        let source = json!({"compress": true});
        let compressed = json!({"properties": log_fields(dialect), "_source": source});
        all.push(("compressed", index(2, json!({}), &dialect.mappings(compressed))));
    }
    let mut nested = json!({"properties": log_fields(dialect)});
    nested["properties"]["parts"] = json!({
        "type": "nested",
        "properties": {"name": dialect.keyword(), "count": {"type": "long"}},
    });
    all.push(("nested", index(2, json!({}), &dialect.mappings(nested))));
    all.push(("ids", index(3, json!({}), &logs)));
    all.push(("odd", index(1, json!({}), &logs)));
    all.push(("values", index(2, json!({}), &free)));
    all.push(("empty", index(2, json!({}), &logs)));
    all.push(("emptied", index(1, json!({}), &logs)));

    let properties = json!({"properties": log_fields(dialect)});
    if dialect.has_parents() {
        let types = json!({"doc": properties, "note": properties});
        all.push(("types", index(2, json!({}), &types)));
        let mut child = properties.clone();
        child["_parent"] = json!({"type": "mother"});
        all.push(("family", index(3, json!({}), &json!({"mother": properties, "child": child}))));
    } else if dialect.has_join() {
        let mut joined = properties;
        joined["properties"]["relation"] =
            json!({"type": "join", "relations": {"mother": "child"}});
        all.push(("family", index(3, json!({}), &dialect.mappings(joined))));
    }
    all
}

fn log_fields(dialect: Dialect) -> Value {
    json!({
        "time": {"type": "date"},
        "level": dialect.keyword(),
        "message": dialect.text(),
        "size": {"type": "long"},
        "took": {"type": "double"},
        "ok": {"type": "boolean"},
        "client": {"properties": {"address": dialect.keyword(), "port": {"type": "integer"}}},
        "tags": dialect.keyword(),
    })
}

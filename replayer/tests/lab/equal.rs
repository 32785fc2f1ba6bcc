//! Whether two clusters have the same: indices, documents, mappings.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Cluster, Document};
use serde_json::{Map, Value};

type Documents = BTreeMap<(String, Option<String>), Document>;

/// What differs in the indices whose names begin with `prefix`, in words.
pub async fn differences(source: &Cluster, target: &Cluster, prefix: &str) -> Vec<String> {
    let pattern = format!("{prefix}*");
    let mut wanted = source.index_definitions(&pattern).await.unwrap();
    let mut found = target.index_definitions(&pattern).await.unwrap();
    // What is closed on the source can't be read there.
    let closed = |definition: &cluster::IndexDefinition| {
        definition.settings["index"].get("verified_before_close").is_some()
    };
    wanted.retain(|_, definition| !closed(definition));
    found.retain(|_, definition| !closed(definition));
    let mut differences = Vec::new();
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    for name in names {
        let (Some(original), Some(image)) = (wanted.get(name), found.get(name)) else {
            let side = if wanted.contains_key(name) { "source" } else { "target" };
            differences.push(format!("{name}: only on the {side}"));
            continue;
        };
        let mapping = |mappings: &Map<String, Value>| transform::mapping_body(mappings).0;
        let (left, right) = (mapping(&original.mappings), mapping(&image.mappings));
        if left != right {
            let (left, right) = (Value::Object(left), Value::Object(right));
            differences
                .push(format!("{name}: mapping {left} on the source, {right} on the target"));
        }
        let aliases = |definition: &cluster::IndexDefinition| {
            Value::Object(definition.aliases.clone()).to_string()
        };
        if aliases(original) != aliases(image) {
            differences.push(format!("{name}: {} and {}", aliases(original), aliases(image)));
        }
        let (left, right) = tokio::join!(read(source, name), read(target, name));
        differences.extend(compare_documents(&left, &right).map(|line| format!("{name}/{line}")));
    }
    differences
}

/// Document by document.
pub fn compare_documents<'a>(
    left: &'a Documents,
    right: &'a Documents,
) -> impl Iterator<Item = String> + 'a {
    let missing = left.iter().filter_map(|(id, document)| {
        let Some(other) = right.get(id) else { return Some(format!("{id:?} is missing")) };
        let side = |document: &'a Document| compare::Document {
            routing: document.routing.as_deref(),
            source: &document.source,
        };
        let found = compare::documents(side(document), side(other), 10);
        (!found.is_empty()).then(|| format!("{id:?}: {found:?}"))
    });
    let extra = right.keys().filter(|id| !left.contains_key(*id));
    missing.chain(extra.map(|id| format!("{id:?} is only on the target")))
}

/// Everything that an index has.
pub async fn read(cluster: &Cluster, index: &str) -> Documents {
    let mut scan = cluster.scan(index, 1000).await.unwrap();
    let mut all = BTreeMap::new();
    loop {
        let page = scan.next_page().await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page.into_iter().map(|d| ((d.id.clone(), d.routing.clone()), d)));
    }
}

//! An index of a live cluster, as `GET /index` describes it.

use serde_json::{Map, Value};

use crate::{
    Change, Flavour, SnapshotIndex, TargetIndex, Version, Wanted, target_indices,
    templates::by_type,
};

/// One index a type or one for all, as of [`target_indices`]: the same index out of a snapshot gives the same.
///
/// `definition` is what `GET /index` says below the index's name. How its documents are routed isn't in it: taken
/// from a `routing_num_shards` (as the cluster's state has it) beside `settings`, else what a new index of its
/// version has, which is not true of an index that was made by a shrink or a split.
pub fn live_index(
    name: &str,
    definition: &Map<String, Value>,
    source: Version,
    wanted: Wanted<'_>,
) -> Vec<TargetIndex> {
    let part = |key: &str| definition.get(key).and_then(Value::as_object).cloned();
    let settings = part("settings").unwrap_or_default();
    let aliases = part("aliases").unwrap_or_default();
    let created =
        number(&settings, "version.created").and_then(Version::from_created).unwrap_or(source);
    let mappings = by_type(&part("mappings").unwrap_or_default(), source);
    let said = definition.get("routing_num_shards").and_then(as_number);
    let routing_shards = said
        .or_else(|| routing_shards(&settings, created))
        .and_then(|shards| u32::try_from(shards).ok());
    let index = SnapshotIndex {
        name,
        settings: &settings,
        mappings: &mappings,
        aliases: &aliases,
        created,
        routing_shards,
    };
    let mut targets = target_indices(index, wanted);
    for (key, value) in definition {
        let nothing = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if nothing || TAKEN.contains(&key.as_str()) {
            continue;
        }
        let why = match key.as_str() {
            "warmers" => "warmers are gone since Elasticsearch 5",
            _ => "not part of an index on the target",
        };
        for target in &mut targets {
            target.changes.push(Change { path: key.clone(), why, deferred: false });
        }
    }
    targets
}

/// How many routing shards an index has by what `GET /index` says of it, settings that say nothing of it included;
/// `None` where that can't be told (an index that was made of another).
pub fn routing_shards_of(settings: &Map<String, Value>) -> Option<u64> {
    let created = number(settings, "version.created").and_then(Version::from_created)?;
    number(settings, "number_of_routing_shards").or_else(|| routing_shards(settings, created))
}

/// What a definition has that isn't lost; a data stream has its indices itself.
const TAKEN: &[&str] = &["settings", "mappings", "aliases", "routing_num_shards", "data_stream"];

/// What clusters give a new index: from 7 on enough for ten splits in two, at most 1024. Before 5 none is recorded;
/// an index made of another one has that one's.
fn routing_shards(settings: &Map<String, Value>, created: Version) -> Option<u64> {
    let recent = created.flavour == Flavour::OpenSearch || created.major >= 7;
    if !recent && created.major < 5 {
        return None;
    }
    let made_of_another =
        ["resize.source.uuid", "shrink.source.uuid"].iter().any(|key| get(settings, key).is_some());
    if made_of_another {
        return None;
    }
    let shards =
        number(settings, "number_of_shards").filter(|shards| (1..=1024).contains(shards))?;
    if !recent {
        return Some(shards);
    }
    let doublings = u64::BITS - (shards - 1).leading_zeros();
    Some(shards << 10_u32.saturating_sub(doublings).max(1))
}

/// A setting below `index.`, however deep the keys are nested.
fn get<'a>(settings: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fn below<'a>(settings: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        settings.iter().find_map(|(key, value)| {
            let rest = name.strip_prefix(key.as_str())?;
            match (rest.strip_prefix('.'), value) {
                (None, value) if rest.is_empty() => Some(value),
                (Some(rest), Value::Object(inner)) => below(inner, rest),
                _ => None,
            }
        })
    }
    below(settings, &format!("index.{name}")).or_else(|| below(settings, name))
}

fn number(settings: &Map<String, Value>, name: &str) -> Option<u64> {
    get(settings, name).and_then(as_number)
}

fn as_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ManyTypes;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_live_index_and_one_of_a_snapshot_give_the_same() {
        // (what created it, its version, mappings as GET says them, by type as a snapshot has them, routing shards)
        let field = || json!({"properties": {"s": {"type": "string"}, "d": {"type": "date"}}});
        let new = || json!({"properties": {"s": {"type": "flattened"}}});
        for (id, source, live, stored, routing) in [
            (
                "1070699",
                Version::elasticsearch(1, 7),
                json!({"doc": field()}),
                vec![("doc", field())],
                None,
            ),
            (
                "2040699",
                Version::elasticsearch(2, 4),
                json!({"a": field(), "b": new(), "_default_": {}}),
                vec![("a", field()), ("b", new()), ("_default_", json!({}))],
                None,
            ),
            (
                "5061699",
                Version::elasticsearch(6, 8),
                json!({"a": field()}),
                vec![("a", field())],
                Some(3),
            ),
            ("7102299", Version::elasticsearch(7, 10), new(), vec![("_doc", new())], Some(768)),
            ("8537000", Version::elasticsearch(8, 19), new(), vec![("_doc", new())], Some(768)),
            ("136408427", Version::opensearch(2, 19), new(), vec![("_doc", new())], Some(768)),
            ("136408427", Version::opensearch(2, 19), json!({}), vec![], Some(768)),
        ] {
            let nested = json!({"index": {"number_of_shards": "3", "uuid": "U", "creation_date": "1",
                "version": {"created": id}, "analysis": {"filter": {"f": {"type": "nGram", "max_gram": "9"}}}}});
            let flat = object(
                json!({"index.number_of_shards": "3", "index.uuid": "U", "index.creation_date": "1",
                "index.version.created": id, "index.analysis.filter.f.type": "nGram",
                "index.analysis.filter.f.max_gram": "9"}),
            );
            let aliases = json!({"a": {"filter": {"term": {"s": "x"}}, "index_routing": "1"}});
            let definition =
                object(json!({"settings": nested, "mappings": live, "aliases": aliases}));
            let stored: Vec<_> =
                stored.into_iter().map(|(name, of)| (name.to_owned(), object(of))).collect();
            let index = SnapshotIndex {
                name: "i",
                settings: &flat,
                mappings: &stored,
                aliases: &object(aliases),
                created: Version::from_created(id.parse().unwrap()).unwrap(),
                routing_shards: routing,
            };
            for many_types in [ManyTypes::Split, ManyTypes::Union] {
                let wanted = Wanted { aliases: true, many_types, ..Wanted::default() };
                let (mut live, mut snapshot) =
                    (live_index("i", &definition, source, wanted), target_indices(index, wanted));
                for made in live.iter_mut().chain(&mut snapshot) {
                    made.changes.sort_by(|a, b| a.path.cmp(&b.path));
                }
                assert_eq!(live, snapshot, "{id}");
            }
        }
    }

    #[test]
    fn routing_shards_are_those_that_clusters_give() {
        for (shards, routing) in
            [(1, 1024), (2, 1024), (3, 768), (5, 640), (512, 1024), (1024, 2048)]
        {
            let settings = object(json!({"index": {"number_of_shards": shards.to_string()}}));
            assert_eq!(routing_shards(&settings, Version::elasticsearch(7, 10)), Some(routing));
            assert_eq!(routing_shards(&settings, Version::elasticsearch(6, 8)), Some(shards));
            assert_eq!(routing_shards(&settings, Version::elasticsearch(2, 4)), None);
        }
        let shrunk = object(
            json!({"index": {"number_of_shards": "1", "resize": {"source": {"uuid": "U"}}}}),
        );
        assert_eq!(routing_shards(&shrunk, Version::elasticsearch(7, 10)), None);
        let said = object(json!({"settings": shrunk, "routing_num_shards": 768}));
        let made = live_index("i", &said, Version::elasticsearch(7, 10), Wanted::default());
        assert_eq!(made[0].body["settings"]["index.number_of_routing_shards"], json!("768"));
    }

    #[test]
    fn what_else_a_definition_has_is_named() {
        let body = object(
            json!({"warmers": {"w": {}}, "lifecycle": {"enabled": true}, "data_stream": "s", "of": {}}),
        );
        let made = live_index("i", &body, Version::elasticsearch(1, 7), Wanted::default());
        let paths: Vec<_> = made[0].changes.iter().map(|change| &change.path[..]).collect();
        assert_eq!(paths, ["lifecycle", "warmers"]);
    }

    #[test]
    fn broken_definitions_are_no_danger() {
        for body in [
            json!({}),
            json!({"settings": 1, "mappings": [], "aliases": null}),
            json!({"settings": {"index": {"number_of_shards": "0", "version": {"created": "x"}}}}),
        ] {
            assert_eq!(
                live_index("i", &object(body), Version::opensearch(1, 0), Wanted::default()).len(),
                1
            );
        }
    }
}

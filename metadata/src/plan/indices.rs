//! What is wanted of an index, and of an alias.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use transform::{Target, Version};

use super::{Change, Planned, State, wanted};
use crate::{Item, Kind, Packed, Settings, rules};

/// One index, or one for each type.
pub(super) fn plan(
    item: &Item,
    source: Version,
    target: Target,
    settings: &Settings,
) -> Vec<Planned> {
    let many_types = wanted::many_types(settings);
    let body = match item.body.open() {
        Ok(body) => body,
        Err(why) => return vec![wanted::unclear(item, &why)],
    };
    let made = rules::indices(item, &body, source, target, many_types);
    let before = Value::Object(body);
    made.into_iter()
        .map(|index| {
            let mut planned = Planned::new(Kind::Index, &index.name, State::Create);
            if index.name != item.name {
                planned.source_name = Some(item.name.clone());
            }
            let mut body = index.body;
            let changes = index.changes.iter().map(|one| Change::of(one, &before, &body));
            planned.changes = changes.collect();
            planned.deferred = wanted::deferred(&mut planned.changes, target);
            if item.is_closed {
                let (before, why) =
                    (json!("close"), "closed on the source; documents can't be written to it");
                let (path, why) = ("state".to_owned(), why.to_owned());
                planned.deferred.insert(path.clone(), before.clone());
                let change = Change { path, before, after: json!("open"), why, deferred: true };
                planned.changes.push(change);
            }
            wanted::rename(&mut planned, settings);
            // By the name that a person knows, which is the source's.
            planned.changes.extend(otherwise(&item.name, &mut body, settings));
            planned.changes.extend(wanted::files(&body));
            planned.body = Packed::from(&body);
            wanted::refuse(&mut planned, index.refused, settings);
            planned
        })
        .collect()
}

/// Shards and replicas that a person wants otherwise.
fn otherwise(name: &str, body: &mut Value, settings: &Settings) -> Vec<Change> {
    let mut changes = Vec::new();
    let before = body.clone();
    let Some(body) = body.as_object_mut() else { return changes };
    let of = body.entry("settings").or_insert_with(|| Value::Object(Map::new()));
    let Some(of) = of.as_object_mut() else { return changes };
    let mut set = |of: &mut Map<String, Value>, key: &str, number: Option<u32>, flag: &str| {
        let path = format!("settings.{key}");
        let (old, new) = (
            wanted::value_at(&before, &path),
            number.map_or(Value::Null, |number| json!(number.to_string())),
        );
        if old == new {
            return;
        }
        match number {
            Some(_) => drop(of.insert(key.to_owned(), new.clone())),
            None => drop(of.remove(key)),
        }
        changes.push(Change::asked(&path, old, new, flag));
    };
    if let Some(shards) = settings.shards.of(name) {
        let same = of.get("index.number_of_shards").and_then(Value::as_str)
            == Some(shards.to_string().as_str());
        if !same {
            set(of, "index.number_of_shards", Some(shards), "shards");
            // The source's go with the source's number of shards.
            set(of, "index.number_of_routing_shards", None, "shards");
        }
    }
    if let Some(replicas) = settings.replicas.of(name) {
        set(of, "index.number_of_replicas", Some(replicas), "replicas");
    }
    changes.extend(wanted::zones(of, settings.awareness_attributes));
    changes
}

/// An alias, of what its indices became.
pub(super) fn alias(
    item: &Item,
    places: &BTreeMap<&str, Vec<String>>,
    source: Version,
    target: Target,
    settings: &Settings,
) -> Planned {
    let mut planned = Planned::new(Kind::Alias, &item.name, State::Create);
    let mut body = Map::new();
    let mut streams = Vec::new();
    let of_indices = match item.body.open() {
        Ok(body) => body,
        Err(why) => return wanted::unclear(item, &why),
    };
    for (index, says) in &of_indices {
        let Some(places) = places.get(index.as_str()) else {
            streams.push(index.as_str());
            continue;
        };
        if places.is_empty() {
            let (path, before) = (index.clone(), says.clone());
            let why = "the index isn't moved".to_owned();
            planned.changes.push(Change { path, before, after: Value::Null, why, deferred: false });
        }
        let empty = Map::new();
        let made = rules::alias(says.as_object().unwrap_or(&empty), source, target);
        let inside = Value::Object(Map::from_iter([("alias".to_owned(), says.clone())]));
        let after = Value::Object(Map::from_iter([("alias".to_owned(), made.body.clone())]));
        for change in made.changes.iter().filter(|_| !places.is_empty()) {
            let mut change = Change::of(change, &inside, &after);
            change.path = change.path.replacen("alias", index, 1);
            planned.changes.push(change);
        }
        planned.unsupported.extend(made.refused);
        let mut says = made.body;
        if places.len() > 1
            && let Some(says) = says.as_object_mut()
            && let Some(before) = says.remove("is_write_index")
        {
            let path = format!("{index}.is_write_index");
            let why = "an alias has one index to write to, and the index became several";
            let (after, why) = (Value::Null, why.to_owned());
            planned.changes.push(Change { path, before, after, why, deferred: false });
        }
        body.extend(places.iter().map(|place| (place.clone(), says.clone())));
    }
    if !streams.is_empty() {
        let why = format!(
            "it is of the data stream {}; OpenSearch has no such aliases",
            streams.join(", ")
        );
        planned.state = State::Unsupported(why);
    } else if body.is_empty() {
        planned.state = State::Skipped("none of its indices is moved".into());
        planned.changes.clear();
    }
    planned.body = Packed::from(&Value::Object(body));
    let refused = std::mem::take(&mut planned.unsupported);
    if planned.state == State::Create {
        wanted::refuse(&mut planned, refused, settings);
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Numbers, Source};

    fn settings() -> Settings {
        let nowhere = || cluster::Settings::new("http://nowhere");
        Settings::new(Source::Cluster(Box::new(nowhere())), nowhere())
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn index(name: &str, mappings: Value) -> Item {
        let settings = json!({"index.number_of_shards": "3", "index.version.created": "2040699"});
        let body = object(json!({"settings": settings, "mappings": mappings}));
        Item { routing_shards: Some(3), ..Item::new(Kind::Index, name, body) }
    }

    #[test]
    fn a_closed_index_is_made_open_and_closed_at_the_cut_over() {
        let closed = Item { is_closed: true, ..index("i", json!({})) };
        let (source, target) = (Version::elasticsearch(2, 4), Target::opensearch(2, 19));
        let planned = plan(&closed, source, target, &settings());
        assert_eq!(planned[0].deferred, object(json!({"state": "close"})));
    }

    #[test]
    fn shards_that_a_person_wants_come_without_the_routing_of_the_source() {
        let mut settings = settings();
        settings.shards = Numbers::parse(&["i=5".to_owned()], 1).unwrap();
        settings.awareness_attributes = 2;
        settings.replicas = Numbers::parse(&["2".to_owned()], 0).unwrap();
        let (source, target) = (Version::elasticsearch(2, 4), Target::opensearch(2, 19));
        let planned = plan(&index("i", json!({})), source, target, &settings);
        let expected = json!({"index.number_of_shards": "5", "index.number_of_replicas": "3"});
        assert_eq!(planned[0].body.open()["settings"], expected);
    }

    #[test]
    fn an_alias_follows_the_types_of_its_index() {
        let (source, target) = (Version::elasticsearch(2, 4), Target::opensearch(2, 19));
        let body = object(json!({"i": {"is_write_index": true, "routing": "r"}, "gone": {}}));
        let item = Item::new(Kind::Alias, "a", body);
        let places =
            BTreeMap::from([("i", vec!["i-x".to_owned(), "i-y".to_owned()]), ("gone", Vec::new())]);
        let planned = alias(&item, &places, source, target, &settings());
        assert_eq!(planned.state, State::Create);
        assert_eq!(planned.body.open(), json!({"i-x": {"routing": "r"}, "i-y": {"routing": "r"}}));
        let paths: Vec<&str> = planned.changes.iter().map(|change| &change.path[..]).collect();
        assert_eq!(paths, ["gone", "i.is_write_index"]);
        let nowhere = BTreeMap::from([("i", Vec::new()), ("gone", Vec::new())]);
        let planned = alias(&item, &nowhere, source, target, &settings());
        assert_eq!(planned.state, State::Skipped("none of its indices is moved".into()));
    }
}

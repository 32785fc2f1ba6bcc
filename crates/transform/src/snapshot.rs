//! The indices that the target needs for one index of a snapshot.

use serde_json::{Map, Value, json};

use crate::{
    Change, Origin, Refusal, Target, TypeNames, Version, alias, definition,
    mapping::knn,
    report::Rules,
    settings,
    types::{self, ManyTypes, Types},
};

/// An index as a snapshot has it.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotIndex<'a> {
    pub name: &'a str,
    /// In any form; a snapshot's are flat (`index.number_of_shards`).
    pub settings: &'a Map<String, Value>,
    /// A mapping for each type, without the type's name around it; one without types says `_doc`.
    pub mappings: &'a [(String, Map<String, Value>)],
    pub aliases: &'a Map<String, Value>,
    /// What created it: [`Version::from_created`] of `index.version.created`.
    pub created: Version,
    /// What its documents are routed by, where the snapshot says it; the settings' own wins.
    pub routing_shards: Option<u32>,
}

/// What is wanted of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    pub target: Target,
    pub many_types: ManyTypes<'a>,
    pub aliases: bool,
    /// Its mark; none: not marked.
    pub origin: Option<&'a Origin>,
}

/// An index for the target to create, with what was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetIndex {
    pub name: String,
    pub types: Types,
    /// For `PUT /name`.
    pub body: Value,
    pub changes: Vec<Change>,
    pub refused: Vec<Refusal>,
}

/// One index for an index of one type (under its own name) or of none; for several types as wanted. By a configuration
/// ([`ManyTypes::Named`]) there may be none: of an index whose types it leaves out, or that has no type yet.
///
/// Types that differ only in what an index can't be named by get one name; that is a [`Refusal`] of the later.
pub fn target_indices(index: SnapshotIndex<'_>, wanted: Wanted<'_>) -> Vec<TargetIndex> {
    // `_default_` is no type: new types were made from it.
    let (defaults, types): (Vec<_>, Vec<_>) =
        index.mappings.iter().partition(|(name, _)| name == "_default_");
    let mut targets = match (&types[..], wanted.many_types) {
        (_, ManyTypes::Named(names)) => named(index, wanted, names, &types),
        ([], _) => vec![one(index, wanted, index.name.to_owned(), Types::All, &[])],
        ([_], _) | (_, ManyTypes::Union) => {
            vec![one(index, wanted, index.name.to_owned(), Types::All, &types)]
        }
        (_, ManyTypes::Split) => types
            .iter()
            .map(|of| {
                let name = types::index_name(index.name, &of.0);
                one(index, wanted, name, Types::Only(vec![of.0.clone()]), &[*of])
            })
            .collect(),
    };
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    for (at, target) in targets.iter_mut().enumerate() {
        if names[..at].contains(&target.name) {
            let why =
                format!("another type of [{}] has the index [{}] already", index.name, target.name);
            target.refused.push(Refusal { path: "name".into(), why });
        }
        for _ in &defaults {
            let why = "there are no types any more; existing ones were made with it";
            target.changes.push(Change { path: "mappings._default_".into(), why, deferred: false });
        }
    }
    targets
}

/// One index for each name that is configured, with the types that share it.
fn named(
    index: SnapshotIndex<'_>,
    wanted: Wanted<'_>,
    names: &TypeNames,
    types: &[&(String, Map<String, Value>)],
) -> Vec<TargetIndex> {
    let mut placed = Vec::new();
    let mut left_out = Vec::new();
    for of in types {
        match names.target(index.name, &of.0) {
            Some(name) => placed.push((name, *of)),
            None => left_out.push(&of.0),
        }
    }
    let mut found: Vec<&String> = Vec::new();
    for (name, _) in &placed {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    let made = found.into_iter().map(|name| {
        let of_name = placed.iter().filter(|(placed, _)| placed == name);
        let united: Vec<_> = of_name.map(|(_, of)| *of).collect();
        let types = Types::Only(united.iter().map(|of| of.0.clone()).collect());
        one(index, wanted, name.clone(), types, &united)
    });
    let mut made: Vec<TargetIndex> = made.collect();
    if let Some(first) = made.first_mut() {
        let why = "no index is configured for documents of this type";
        let change =
            |name: &String| Change { path: format!("mappings.{name}"), why, deferred: false };
        first.changes.extend(left_out.into_iter().map(change));
    }
    made
}

fn one(
    index: SnapshotIndex<'_>,
    wanted: Wanted<'_>,
    name: String,
    types: Types,
    mappings: &[&(String, Map<String, Value>)],
) -> TargetIndex {
    let mut rules = Rules::new(Some(index.created), wanted.target);
    if name != index.name {
        let why = match wanted.many_types {
            ManyTypes::Named(_) => "what is configured for its types",
            _ => "an index has one type now: each type got an index of its own",
        };
        rules.changed("name", why);
    }
    let mut settings = settings::transform(index.settings, &mut rules);
    let mut body = Map::new();
    if wanted.aliases && !index.aliases.is_empty() {
        let mut aliases = alias::all(index.aliases, &mut rules);
        if name != index.name {
            several(&mut aliases, &mut rules);
        }
        body.insert("aliases".into(), Value::Object(aliases));
    } else if !wanted.aliases {
        for alias in index.aliases.keys() {
            rules.changed(format!("aliases.{alias}"), "aliases are not asked for");
        }
    }
    if let Some(shards) = index.routing_shards {
        settings.entry("index.number_of_routing_shards").or_insert(json!(shards.to_string()));
    }
    let made: Vec<_> = mappings
        .iter()
        .map(|(name, mapping)| (name.as_str(), crate::mapping::typeless(mapping, &mut rules)))
        .collect();
    let mut mapping = types::unite(&made, &mut rules);
    knn::settle(&mut settings, &mut mapping, &mut rules);
    body.insert("settings".into(), Value::Object(settings));
    if let Some(origin) = wanted.origin {
        let of = (name != index.name).then_some(index.name);
        definition::mark(&mut mapping, origin, of);
    }
    if !mapping.is_empty() {
        body.insert("mappings".into(), Value::Object(mapping));
    }
    TargetIndex {
        name,
        types,
        body: Value::Object(body),
        changes: rules.changes,
        refused: rules.refused,
    }
}

/// An alias of an index that became several.
fn several(aliases: &mut Map<String, Value>, rules: &mut Rules) {
    for (alias, body) in aliases {
        if body.as_object_mut().is_some_and(|body| body.remove("is_write_index").is_some()) {
            let path = format!("aliases.{alias}.is_write_index");
            rules.changed(path, "an alias has one index to write to, and the index became several");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target_of;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn make(types: &[(&str, Value)], wanted: Wanted<'_>) -> Vec<TargetIndex> {
        let settings = object(json!({"index.number_of_shards": "3", "index.uuid": "U"}));
        let aliases = object(json!({"a": {"is_write_index": true}}));
        let mappings: Vec<_> = types
            .iter()
            .map(|(name, mapping)| ((*name).to_owned(), object(mapping.clone())))
            .collect();
        let index = SnapshotIndex {
            name: "i",
            settings: &settings,
            mappings: &mappings,
            aliases: &aliases,
            created: Version::elasticsearch(2, 4),
            routing_shards: Some(3),
        };
        target_indices(index, wanted)
    }

    #[test]
    fn one_type_keeps_the_name_of_its_index() {
        let origin = Origin { source_uuid: "U".into(), epoch: 0, versioning: "sequence" };
        let wanted = Wanted { origin: Some(&origin), aliases: true, ..Wanted::default() };
        let made = make(
            &[
                ("_default_", json!({"_all": {"enabled": false}})),
                ("doc", json!({"properties": {"s": {"type": "string"}}})),
            ],
            wanted,
        );
        assert_eq!(made.len(), 1);
        assert_eq!((&made[0].name[..], &made[0].types), ("i", &Types::All));
        assert_eq!(
            made[0].body,
            json!({
                "aliases": {"a": {"is_write_index": true}},
                "settings": {"index.number_of_shards": "3", "index.number_of_routing_shards": "3"},
                "mappings": {"properties": {"s": {"type": "text"}}, "_meta": {"godwit": origin.to_json()}},
            })
        );
        let paths: Vec<_> = made[0].changes.iter().map(|change| &change.path[..]).collect();
        assert_eq!(paths, ["settings.index.uuid", "mappings.properties.s", "mappings._default_"]);
    }

    #[test]
    fn an_index_without_a_mapping_is_made_all_the_same() {
        let made = make(&[], Wanted::default());
        assert_eq!(made[0].types, Types::All);
        assert_eq!(made[0].body.get("mappings"), None);
        assert_eq!(made[0].body.get("aliases"), None);
    }

    #[test]
    fn several_types_get_an_index_each() {
        let made = make(
            &[
                ("parent", json!({"properties": {"x": {"type": "long"}}})),
                (
                    "child",
                    json!({"_parent": {"type": "parent"}, "_routing": {"required": true}, "properties": {"x": {"type": "string"}}}),
                ),
                ("Child", json!({})),
            ],
            Wanted { aliases: true, ..Wanted::default() },
        );
        assert_eq!(made[0].body["aliases"], json!({"a": {}}));
        let names: Vec<_> = made.iter().map(|target| &target.name[..]).collect();
        assert_eq!(names, ["i-parent", "i-child", "i-child"]);
        assert_eq!(made[2].refused.len(), 1);
        assert_eq!(
            target_of(&made, Some("child")).map(|t| &t.body["mappings"]),
            Some(&json!({
            "_routing": {"required": true}, "properties": {"x": {"type": "text"}}}))
        );
        assert!(made[1].changes.iter().any(|change| change.path == "mappings._parent"));
        assert_eq!(target_of(&made, Some("none")), None);
    }

    #[test]
    fn a_configuration_names_unites_and_leaves_out() {
        let names = json!({"index_mappings": {"i": {"a": "x", "b": "x", "c": "y"}}});
        let names = TypeNames::parse(&names).unwrap();
        let origin = Origin { source_uuid: "U".into(), epoch: 0, versioning: "sequence" };
        let wanted = Wanted {
            many_types: ManyTypes::Named(&names),
            origin: Some(&origin),
            ..Wanted::default()
        };
        let field = |name: &str| json!({"properties": {name: {"type": "long"}}});
        let types = [("a", field("p")), ("b", field("q")), ("c", field("r")), ("d", field("s"))];
        let made = make(&types, wanted);
        let names: Vec<_> = made.iter().map(|target| &target.name[..]).collect();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(made[0].types, Types::Only(vec!["a".into(), "b".into()]));
        let mapping = &made[0].body["mappings"];
        assert_eq!(mapping["properties"].as_object().unwrap().len(), 2);
        assert_eq!(mapping["_meta"]["godwit"]["source_index"], "i");
        assert_eq!(Origin::source_index_of(mapping.as_object().unwrap()), Some("i"));
        let left_out = made[0].changes.iter().find(|change| change.path == "mappings.d").unwrap();
        assert!(left_out.why.contains("configured"));
        assert_eq!(target_of(&made, Some("d")), None);
        assert_eq!(target_of(&made, Some("c")).map(|target| &target.name[..]), Some("y"));
        // Of none of its types anything is kept, and there may be none yet.
        assert_eq!(make(&[("d", json!({}))], wanted), []);
        assert_eq!(make(&[], wanted), []);
    }

    #[test]
    fn several_types_are_united_on_request() {
        let wanted = Wanted { many_types: ManyTypes::Union, ..Wanted::default() };
        let made = make(
            &[
                ("a", json!({"properties": {"x": {"type": "long"}, "y": {"type": "long"}}})),
                ("b", json!({"properties": {"x": {"type": "string"}, "z": {"type": "long"}}})),
            ],
            wanted,
        );
        assert_eq!((made.len(), &made[0].name[..], &made[0].types), (1, "i", &Types::All));
        assert_eq!(made[0].refused[0].path, "mappings.properties.x");
        assert_eq!(made[0].body["mappings"]["properties"].as_object().unwrap().len(), 3);
        assert_eq!(target_of(&made, Some("b")).map(|t| &t.name[..]), Some("i"));
    }
}

//! Settings of an index, in any of the forms that clusters take, into those that the target takes.

use serde_json::{Map, Value, json};

use crate::{
    Change, analysis,
    catalogue::RuleLine,
    report::Rules,
    rules::{self, SettingRule},
};

/// Every setting by its full dotted name, what the target doesn't take left out.
pub(crate) fn transform(settings: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    let mut kept = apply(settings, Of::Definition, rules);
    // A null means "the default", which is what leaving it out says too.
    kept.retain(|_, value| !value.is_null());
    analysis::transform(&mut kept, rules);
    kept
}

/// What settings are of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Definition,
    /// A captured update, replayed in its order: blocks are set when what came before them is written.
    Update,
}

/// The rules setting by setting: all that an update needs, where a null resets a setting and has to stay.
pub(crate) fn apply(
    settings: &Map<String, Value>,
    of: Of,
    rules: &mut Rules,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in flat(settings) {
        let bare = name.strip_prefix("index.").unwrap_or(&name);
        let path = format!("settings.index.{bare}");
        let rule = rules::applies(bare, rules.target).filter(|(rule, _)| {
            *rule != SettingRule::Defer || of == Of::Definition || !bare.starts_with("blocks.")
        });
        match rule {
            Some((rule, why)) => {
                rules.changes.push(Change { path, why, deferred: rule == SettingRule::Defer });
            }
            None => {
                if let Some(value) = self::value(bare, value, &path, rules) {
                    kept.insert(format!("index.{bare}"), value);
                }
            }
        }
    }
    kept
}

/// Settings whose value decides.
fn value(name: &str, value: &Value, path: &str, rules: &mut Rules) -> Option<Value> {
    let Some(text) = value.as_str() else { return Some(value.clone()) };
    let (to, why) = match (name, text) {
        ("codec", "lz4" | "zlib") if rules.target.at_least((2, 9)) => return Some(value.clone()),
        ("codec", "zstd" | "zstd_no_dict")
            if rules.target.zstd && rules.target.at_least((2, 9)) =>
        {
            return Some(value.clone());
        }
        ("codec", "zlib" | "zstd" | "zstd_no_dict") => {
            ("best_compression", "the target has no such codec; the nearest")
        }
        ("codec", "default" | "best_compression" | "lucene_default") => return Some(value.clone()),
        // A plugin's, of an OpenSearch.
        ("codec", _) if rules.created.is_some_and(|c| c.flavour == crate::Flavour::OpenSearch) => {
            return Some(value.clone());
        }
        ("codec", _) => ("default", "the target has no such codec"),
        (
            "store.type",
            "default" | "memory" | "ram" | "snapshot" | "mmap_fs" | "nio_fs" | "simple_fs",
        ) => {
            rules.changed(path, "the target has no such store; it takes its own");
            return None;
        }
        ("shard.check_on_startup", "fix") => ("true", "a shard isn't repaired on startup any more"),
        _ if name.starts_with("similarity.")
            && name.ends_with(".type")
            && matches!(text, "default" | "classic") =>
        {
            ("BM25", "TF/IDF is gone; BM25 is the default")
        }
        _ => return Some(value.clone()),
    };
    if to != text {
        rules.changed(path, why);
    }
    Some(json!(to))
}

/// What [`value`] does, for the documentation: (setting and value, what it becomes, why).
const VALUES: &[(&str, &str, &str, &str)] = &[
    (
        "index.codec: zstd, zstd_no_dict",
        "targets without the plugin",
        "best_compression",
        "the target has no such codec; the nearest",
    ),
    (
        "index.codec: zlib",
        "OpenSearch before 2.9, Elasticsearch",
        "best_compression",
        "the target has no such codec; the nearest",
    ),
    ("index.codec: any other", "all", "default", "the target has no such codec"),
    (
        "index.store.type: default, memory, ram, snapshot, mmap_fs, nio_fs, simple_fs",
        "all",
        "-",
        "the target has no such store; it takes its own",
    ),
    (
        "index.shard.check_on_startup: fix",
        "all",
        "true",
        "a shard isn't repaired on startup any more",
    ),
    (
        "index.similarity.*.type: default, classic",
        "all",
        "BM25",
        "TF/IDF is gone; BM25 is the default",
    ),
];

pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |(what, versions, becomes, why): &(&str, &str, &str, &'static str)| {
        RuleLine::new("settings", *what, (*versions).into(), (*becomes).into(), why)
    };
    VALUES.iter().map(line).collect()
}

/// Every setting by its dotted name, whether it is nested or not.
pub fn flat(settings: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut flat = Vec::new();
    flatten("", settings, &mut flat);
    flat
}

fn flatten<'a>(prefix: &str, object: &'a Map<String, Value>, flat: &mut Vec<(String, &'a Value)>) {
    for (key, value) in object {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => flatten(&name, inner, flat),
            _ => flat.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version, rules::SETTINGS};

    #[test]
    fn each_rule_takes_its_setting_out_or_leaves_it_by_version() {
        for (name, rule, _) in SETTINGS {
            let name = if name.ends_with('.') { format!("{name}x") } else { (*name).to_owned() };
            let full = format!("index.{name}");
            for target in [Target::opensearch(1, 3), Target::opensearch(3, 8)] {
                let mut rules = Rules::new(None, target);
                let kept = transform(&Map::from_iter([(full.clone(), json!("1"))]), &mut rules);
                let stays = match rule {
                    SettingRule::Drop | SettingRule::Defer => false,
                    SettingRule::Since(version) => target.at_least(*version),
                    SettingRule::Before(version) => !target.at_least(*version),
                };
                assert_eq!(kept.contains_key(&full), stays, "{name}");
                assert_eq!(rules.changes.len(), usize::from(!stays), "{name}");
                assert_eq!(
                    rules.changes.iter().any(|c| c.deferred),
                    *rule == SettingRule::Defer,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn values_that_the_target_lacks_have_a_nearest() {
        let zstd = Target { zstd: true, ..Target::opensearch(2, 19) };
        let (one, two) = (Target::opensearch(1, 3), Target::opensearch(2, 19));
        for (target, name, from, to) in [
            (two, "codec", "best_compression", Some("best_compression")),
            (two, "codec", "default", Some("default")),
            (two, "codec", "zstd", Some("best_compression")),
            (zstd, "codec", "zstd", Some("zstd")),
            (zstd, "codec", "zstd_no_dict", Some("zstd_no_dict")),
            (one, "codec", "zlib", Some("best_compression")),
            (two, "codec", "zlib", Some("zlib")),
            (one, "codec", "lz4", Some("default")),
            (two, "codec", "legacy_best_speed", Some("default")),
            (two, "store.type", "memory", None),
            (two, "store.type", "niofs", Some("niofs")),
            (two, "shard.check_on_startup", "fix", Some("true")),
            (two, "similarity.x.type", "default", Some("BM25")),
            (two, "similarity.default.type", "classic", Some("BM25")),
            (two, "similarity.x.type", "boolean", Some("boolean")),
            (two, "number_of_replicas", "2", Some("2")),
            (two, "auto_expand_replicas", "0-all", Some("0-all")),
            (two, "sort.field", "a", Some("a")),
            (two, "mapping.total_fields.limit", "9000", Some("9000")),
        ] {
            let mut rules = Rules::new(Some(Version::elasticsearch(7, 10)), target);
            let full = format!("index.{name}");
            let kept = transform(&Map::from_iter([(full.clone(), json!(from))]), &mut rules);
            assert_eq!(kept.get(&full).and_then(Value::as_str), to, "{name}: {from}");
            assert_eq!(rules.changes.is_empty(), to == Some(from), "{name}: {from}");
        }
    }
}

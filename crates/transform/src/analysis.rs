//! Analyzers, and what they are made of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{catalogue::RuleLine, report::Rules};

const ANALYSIS: &str = "index.analysis.";

/// (what, old name, the name now; none: it did nothing)
const NAMES: &[(&str, &str, Option<&str>)] = &[
    ("filter", "standard", None),
    ("filter", "nGram", Some("ngram")),
    ("filter", "NGram", Some("ngram")),
    ("filter", "edgeNGram", Some("edge_ngram")),
    ("filter", "EdgeNGram", Some("edge_ngram")),
    ("filter", "delimited_payload_filter", Some("delimited_payload")),
    ("filter", "porterStem", Some("porter_stem")),
    ("filter", "wordDelimiter", Some("word_delimiter")),
    ("tokenizer", "nGram", Some("ngram")),
    ("tokenizer", "NGram", Some("ngram")),
    ("tokenizer", "edgeNGram", Some("edge_ngram")),
    ("tokenizer", "EdgeNGram", Some("edge_ngram")),
    ("tokenizer", "PathHierarchy", Some("path_hierarchy")),
    ("tokenizer", "pathHierarchy", Some("path_hierarchy")),
    ("char_filter", "htmlStrip", Some("html_strip")),
];

/// Keys of components that are gone.
const GONE: &[&str] = &["enable_position_increments", "update_offsets"];

const RENAMED: &str = "named as the target names it";

const SYNONYMS: &str = "the target has no sets of synonyms behind an interface of their own";

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let area = "analysis";
    let names = NAMES.iter().map(|(what, old, new)| {
        let why = new.map_or("the standard token filter did nothing, and is gone", |_| RENAMED);
        RuleLine::new(area, format!("{what} {old}"), "all".into(), new.unwrap_or("-").into(), why)
    });
    let gone = GONE.iter().map(|key| {
        let why = "removed; the target doesn't know it";
        RuleLine::new(area, format!("{key} of any part"), "all".into(), "-".into(), why)
    });
    let rest = [
        (
            "analyzer standard_html_strip",
            "all",
            "custom, of its parts",
            "the analyzer is gone; made of its parts",
        ),
        ("analyzer default_index", "all", "default", "default says it now"),
        ("filter with synonyms_set", "OpenSearch, Elasticsearch before 8.10", "refused", SYNONYMS),
        ("ngram of many lengths", "all", "with index.max_ngram_diff", LENGTHS),
        ("shingle of many lengths", "all", "with index.max_shingle_diff", LENGTHS),
    ];
    let rest = rest.into_iter().map(|(what, versions, becomes, why)| {
        RuleLine::new(area, what, versions.into(), becomes.into(), why)
    });
    names.chain(gone).chain(rest).collect()
}

const LENGTHS: &str = "an analyzer needs more than newer versions allow";

/// Parts by what they are (`filter`, `analyzer`…) and their names.
type Parts = BTreeMap<(String, String), Map<String, Value>>;

pub(crate) fn transform(settings: &mut Map<String, Value>, rules: &mut Rules) {
    let mut parts = take(settings);
    if parts.is_empty() {
        return;
    }
    default_index(&mut parts, rules);
    let mut dropped = BTreeSet::new();
    parts.retain(|(what, name), part| {
        let path = format!("settings.{ANALYSIS}{what}.{name}");
        for gone in GONE {
            // Of a token_count or a pattern these keys don't exist.
            if part.remove(*gone).is_some() {
                rules.changed(format!("{path}.{gone}"), "removed; the target doesn't know it");
            }
        }
        // The filter stays, and does nothing: what refers to it still finds it.
        if !rules.target.elasticsearch_from((8, 10))
            && let Some(set) = part.remove("synonyms_set")
        {
            part.insert("synonyms".into(), json!([]));
            rules.refuse(format!("{path}.synonyms_set"), format!("{SYNONYMS}: {set}"));
        }
        let Some(kind) = part.get("type").and_then(Value::as_str) else { return true };
        match NAMES.iter().find(|(of, old, _)| of == what && *old == kind) {
            Some((.., Some(new))) => {
                part.insert("type".into(), json!(new));
                rules.changed(format!("{path}.type"), RENAMED);
            }
            Some((.., None)) => {
                dropped.insert(name.clone());
                rules.changed(path, "the standard token filter did nothing, and is gone");
                return false;
            }
            None if what == "analyzer" && kind == "standard_html_strip" => {
                part.insert("type".into(), json!("custom"));
                part.insert("tokenizer".into(), json!("standard"));
                part.insert("char_filter".into(), json!(["html_strip"]));
                part.insert("filter".into(), json!(["lowercase"]));
                rules.changed(path, "the analyzer is gone; made of its parts");
            }
            None => {}
        }
        true
    });
    references(&mut parts, &dropped, rules);
    limits(&parts, settings, rules);
    for ((what, name), part) in parts {
        for (key, value) in part {
            settings.insert(format!("{ANALYSIS}{what}.{name}.{key}"), value);
        }
    }
}

/// Takes them out of the flat settings. Lists that old versions wrote as `filter.0`, `filter.1` become lists.
fn take(settings: &mut Map<String, Value>) -> Parts {
    let names: Vec<String> =
        settings.keys().filter(|name| name.starts_with(ANALYSIS)).cloned().collect();
    let mut parts = Parts::new();
    let mut lists: BTreeMap<(String, String, String), BTreeMap<usize, Value>> = BTreeMap::new();
    for full in names {
        let mut levels = full[ANALYSIS.len()..].splitn(3, '.').map(str::to_owned);
        let (Some(what), Some(name), Some(key)) = (levels.next(), levels.next(), levels.next())
        else {
            continue;
        };
        let Some(value) = settings.remove(&full) else { continue };
        let numbered = key.rsplit_once('.').and_then(|(key, at)| Some((key, at.parse().ok()?)));
        match numbered {
            Some((key, at)) => {
                lists.entry((what, name, key.to_owned())).or_default().insert(at, value);
            }
            None => {
                parts.entry((what, name)).or_default().insert(key, value);
            }
        }
    }
    for ((what, name, key), list) in lists {
        let list = list.into_values().collect();
        parts.entry((what, name)).or_default().insert(key, Value::Array(list));
    }
    parts
}

/// The analyzer `default_index` is called `default`.
fn default_index(parts: &mut Parts, rules: &mut Rules) {
    let key = |name: &str| ("analyzer".to_owned(), name.to_owned());
    if let Some(part) = parts.remove(&key("default_index")) {
        parts.insert(key("default"), part);
        rules.changed(format!("settings.{ANALYSIS}analyzer.default_index"), "default says it now");
    }
}

/// Names by which analyzers and normalizers refer to what is built in.
fn references(parts: &mut Parts, dropped: &BTreeSet<String>, rules: &mut Rules) {
    let own: BTreeSet<_> = parts.keys().cloned().collect();
    for ((what, name), part) in parts.iter_mut() {
        if what != "analyzer" && what != "normalizer" {
            continue;
        }
        for of in ["filter", "char_filter", "tokenizer"] {
            let Some(value) = part.get_mut(of) else { continue };
            let before = match &*value {
                Value::String(list) => list.split(',').map(|name| json!(name.trim())).collect(),
                Value::Array(list) => list.clone(),
                _ => continue,
            };
            let mut after = Vec::with_capacity(before.len());
            for item in &before {
                let Some(used) = item.as_str() else { continue };
                if of == "filter" && dropped.contains(used) {
                    continue;
                }
                let renamed = NAMES.iter().find(|(what, old, _)| *what == of && *old == used);
                match renamed {
                    Some((.., new)) if !own.contains(&(of.to_owned(), used.to_owned())) => {
                        after.extend(new.map(|new| json!(new)));
                    }
                    _ => after.push(item.clone()),
                }
            }
            if after == before {
                continue;
            }
            let path = format!("settings.{ANALYSIS}{what}.{name}.{of}");
            rules.changed(path, "refers to parts by the names that the target has");
            *value = match (of, &after[..]) {
                ("tokenizer", [one]) => one.clone(),
                _ => Value::Array(after),
            };
        }
    }
}

/// Differences of lengths that newer versions refuse unless they are allowed.
fn limits(parts: &Parts, settings: &mut Map<String, Value>, rules: &mut Rules) {
    let (mut ngram, mut shingle) = (0, 0);
    for ((what, _), part) in parts {
        let number = |key, default| part.get(key).and_then(number).unwrap_or(default);
        match (what.as_str(), part.get("type").and_then(Value::as_str)) {
            ("filter" | "tokenizer", Some("ngram")) => {
                ngram = ngram.max(number("max_gram", 2).saturating_sub(number("min_gram", 1)));
            }
            ("filter", Some("shingle")) => {
                let unigrams =
                    part.get("output_unigrams").is_none_or(|v| *v != json!(false) && v != "false");
                let most = number("max_shingle_size", 2) + u64::from(unigrams);
                shingle = shingle.max(most.saturating_sub(number("min_shingle_size", 2)));
            }
            _ => {}
        }
    }
    for (setting, needed, default) in
        [("index.max_ngram_diff", ngram, 1), ("index.max_shingle_diff", shingle, 3)]
    {
        if needed > settings.get(setting).and_then(number).unwrap_or(default) {
            settings.insert(setting.into(), json!(needed));
            rules.changed(format!("settings.{setting}"), LENGTHS);
        }
    }
}

/// Bounded, so that sums don't overflow; clusters know 32 bits.
fn number(value: &Value) -> Option<u64> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Some(number.min(u64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    /// Both without `index.analysis.` in front; `/` stands for it where another setting is meant.
    fn check(from: Value, to: Value) {
        let full = |settings: &Value| -> Map<String, Value> {
            let name = |key: &String| match key.strip_prefix('/') {
                Some(bare) => format!("index.{bare}"),
                None => format!("{ANALYSIS}{key}"),
            };
            settings.as_object().unwrap().iter().map(|(k, v)| (name(k), v.clone())).collect()
        };
        let mut settings = full(&from);
        let mut rules = Rules::new(None, Target::default());
        transform(&mut settings, &mut rules);
        assert_eq!(settings, full(&to), "{from}");
        assert_eq!(rules.changes.is_empty(), from == to, "{from}");
    }

    #[test]
    fn old_names_of_parts_are_replaced_where_they_are_defined_and_where_they_are_used() {
        for (what, old, new) in NAMES {
            let defined = format!("{what}.mine.type");
            let used = format!("analyzer.a.{what}");
            match new {
                Some(new) => {
                    check(json!({defined.clone(): *old}), json!({defined: *new}));
                    let list = |name: &str| match *what {
                        "tokenizer" => json!(name),
                        _ => json!([name, "other"]),
                    };
                    check(json!({used.clone(): list(old)}), json!({used: list(new)}));
                }
                None => check(
                    json!({defined: *old, used.clone(): [*old, "mine", "lowercase"]}),
                    json!({used: ["lowercase"]}),
                ),
            }
        }
    }

    #[test]
    fn a_part_of_its_own_under_an_old_name_stays() {
        check(
            json!({"filter.nGram.type": "ngram", "analyzer.a.filter": ["nGram"]}),
            json!({"filter.nGram.type": "ngram", "analyzer.a.filter": ["nGram"]}),
        );
    }

    #[test]
    fn lists_come_numbered_and_with_commas() {
        check(
            json!({"analyzer.a.filter.0": "standard", "analyzer.a.filter.1": "lowercase"}),
            json!({"analyzer.a.filter": ["lowercase"]}),
        );
        check(
            json!({"analyzer.a.filter": "standard, stop"}),
            json!({"analyzer.a.filter": ["stop"]}),
        );
    }

    #[test]
    fn sets_of_synonyms_are_refused_where_there_are_none() {
        let filter = |key: &str, value: Value| {
            Map::from_iter([
                (format!("{ANALYSIS}filter.f.type"), json!("synonym_graph")),
                (format!("{ANALYSIS}filter.f.{key}"), value),
            ])
        };
        for (target, to) in [
            (Target::default(), filter("synonyms", json!([]))),
            (Target::elasticsearch(8, 19), filter("synonyms_set", json!("s"))),
        ] {
            let mut settings = filter("synonyms_set", json!("s"));
            let mut rules = Rules::new(None, target);
            transform(&mut settings, &mut rules);
            assert_eq!(settings, to);
            assert_eq!(rules.refused.len(), usize::from(!target.is_elasticsearch()));
        }
    }

    #[test]
    fn lengths_are_allowed_where_they_are_needed() {
        check(
            json!({"filter.f.type": "nGram", "filter.f.min_gram": "2", "filter.f.max_gram": "10"}),
            json!({"filter.f.type": "ngram", "filter.f.min_gram": "2", "filter.f.max_gram": "10", "/max_ngram_diff": 8}),
        );
        let enough =
            json!({"tokenizer.t.type": "ngram", "tokenizer.t.max_gram": 5, "/max_ngram_diff": "9"});
        check(enough.clone(), enough);
        check(
            json!({"filter.f.type": "shingle", "filter.f.max_shingle_size": 8}),
            json!({"filter.f.type": "shingle", "filter.f.max_shingle_size": 8, "/max_shingle_diff": 7}),
        );
        let few = json!({"filter.f.type": "shingle", "filter.f.max_shingle_size": 5, "filter.f.output_unigrams": false});
        check(few.clone(), few);
    }

    #[test]
    fn what_is_gone_goes() {
        for gone in GONE {
            check(
                json!({"filter.f.type": "stop", format!("filter.f.{gone}"): true}),
                json!({"filter.f.type": "stop"}),
            );
        }
        check(
            json!({"analyzer.default_index.type": "simple"}),
            json!({"analyzer.default.type": "simple"}),
        );
        check(
            json!({"analyzer.a.type": "standard_html_strip"}),
            json!({"analyzer.a.type": "custom", "analyzer.a.tokenizer": "standard",
                   "analyzer.a.char_filter": ["html_strip"], "analyzer.a.filter": ["lowercase"]}),
        );
    }
}

//! Parameters of the query string that targets don't have, or have by another name.

use super::{Endpoint, From};
use crate::{Change, Version, catalogue::RuleLine};

/// What stands in for a parameter.
#[derive(Clone, Copy)]
enum To {
    Nothing,
    Name(&'static str),
    /// Another parameter and its value.
    Pair(&'static str, &'static str),
}

/// Where a parameter is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Everywhere,
    Searches,
    Documents,
}

/// (parameter, its value where the rule is for one, where, of which source, what stands for it, why)
type Rule = (&'static str, Option<&'static str>, Where, From, To, &'static str);

const PARAMETERS: &[Rule] = &[
    (
        "include_type_name",
        None,
        Where::Everywhere,
        From::Any,
        To::Nothing,
        "there are no types any more",
    ),
    (
        "_source_include",
        None,
        Where::Everywhere,
        From::Any,
        To::Name("_source_includes"),
        "its name since Elasticsearch 7",
    ),
    (
        "_source_exclude",
        None,
        Where::Everywhere,
        From::Any,
        To::Name("_source_excludes"),
        "its name since Elasticsearch 7",
    ),
    (
        "parent",
        None,
        Where::Documents,
        From::Before(7),
        To::Name("routing"),
        "a child is where its parent is, and parents are fields since Elasticsearch 6",
    ),
    (
        "fields",
        None,
        Where::Searches,
        From::Before(5),
        To::Name("stored_fields"),
        "its name since Elasticsearch 5",
    ),
    (
        "fields",
        None,
        Where::Documents,
        From::Before(5),
        To::Name("stored_fields"),
        "its name since Elasticsearch 5",
    ),
    (
        "fielddata_fields",
        None,
        Where::Searches,
        From::Any,
        To::Name("docvalue_fields"),
        "its name since Elasticsearch 5",
    ),
    (
        "search_type",
        Some("count"),
        Where::Searches,
        From::Any,
        To::Pair("size", "0"),
        "removed in Elasticsearch 5",
    ),
    (
        "search_type",
        Some("scan"),
        Where::Searches,
        From::Any,
        To::Pair("sort", "_doc"),
        "removed in Elasticsearch 5",
    ),
    (
        "search_type",
        Some("query_and_fetch"),
        Where::Searches,
        From::Any,
        To::Pair("search_type", "query_then_fetch"),
        "removed in Elasticsearch 6",
    ),
    (
        "search_type",
        Some("dfs_query_and_fetch"),
        Where::Searches,
        From::Any,
        To::Pair("search_type", "dfs_query_then_fetch"),
        "removed in Elasticsearch 6",
    ),
    (
        "lowercase_expanded_terms",
        None,
        Where::Searches,
        From::Any,
        To::Nothing,
        "removed in Elasticsearch 6",
    ),
    ("locale", None, Where::Searches, From::Any, To::Nothing, "removed in Elasticsearch 6"),
    (
        "timestamp",
        None,
        Where::Documents,
        From::Before(6),
        To::Nothing,
        "_timestamp was removed in Elasticsearch 5",
    ),
    (
        "ttl",
        None,
        Where::Documents,
        From::Before(6),
        To::Nothing,
        "_ttl was removed in Elasticsearch 5",
    ),
    (
        "consistency",
        None,
        Where::Everywhere,
        From::Before(6),
        To::Nothing,
        "wait_for_active_shards has its place since Elasticsearch 5",
    ),
    (
        "ignore_indices",
        None,
        Where::Everywhere,
        From::Before(2),
        To::Nothing,
        "removed in Elasticsearch 2",
    ),
    (
        "min_compatible_shard_node",
        None,
        Where::Searches,
        From::Any,
        To::Nothing,
        "Elasticsearch alone has it",
    ),
    (
        "if_version",
        None,
        Where::Everywhere,
        From::Any,
        To::Nothing,
        "Elasticsearch alone has it; the source's pipeline had that version",
    ),
    (
        "force_synthetic_source",
        None,
        Where::Everywhere,
        From::Any,
        To::Nothing,
        "Elasticsearch alone has it",
    ),
];

/// Answers of old sources have a number of hits where new ones have an object.
const TOTAL: (&str, &str) = ("rest_total_hits_as_int", "true");
const TOTAL_WHY: &str =
    "hits.total was a number before Elasticsearch 7, which clients and comparisons expect";
const TOTAL_FROM: From = From::Before(7);

impl Where {
    fn holds(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Searches => matches!(
                endpoint,
                Endpoint::Search | Endpoint::MultiSearch | Endpoint::Scroll | Endpoint::Count
            ),
            Self::Documents => matches!(endpoint, Endpoint::Document | Endpoint::Documents),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Everywhere => "?",
            Self::Searches => "_search?",
            Self::Documents => "_doc?",
        }
    }
}

pub(super) fn transform(
    endpoint: Endpoint,
    query: &str,
    source: Option<Version>,
    changes: &mut Vec<Change>,
) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut changed = |name: &str, why| {
        changes.push(Change { path: format!("?{name}"), why, deferred: false });
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let rule = PARAMETERS.iter().find(|(rule, of_value, place, from, ..)| {
            *rule == name
                && of_value.is_none_or(|of_value| of_value == value)
                && place.holds(endpoint)
                && from.holds(source)
        });
        let Some((.., to, why)) = rule else {
            kept.push(pair.to_owned());
            continue;
        };
        changed(name, why);
        match to {
            To::Nothing => {}
            To::Name(name) => kept.push(format!("{name}={value}")),
            To::Pair(name, value) => {
                let is_said = query.split('&').any(|pair| {
                    pair.split_once('=')
                        .is_some_and(|(said, _)| said == *name && name != &"search_type")
                });
                if !is_said {
                    kept.push(format!("{name}={value}"));
                }
            }
        }
    }
    let counts = matches!(endpoint, Endpoint::Search | Endpoint::MultiSearch | Endpoint::Scroll);
    if counts && TOTAL_FROM.holds(source) && !query.contains(TOTAL.0) {
        kept.push(format!("{}={}", TOTAL.0, TOTAL.1));
        changed(TOTAL.0, TOTAL_WHY);
    }
    kept.join("&")
}

pub(super) fn catalogue() -> Vec<RuleLine> {
    let line = |(name, value, place, from, to, why): &Rule| {
        let becomes = match to {
            To::Nothing => "-".to_owned(),
            To::Name(name) => (*name).to_owned(),
            To::Pair(name, value) => format!("{name}={value}"),
        };
        let value = value.map_or(String::new(), |value| format!("={value}"));
        let what = format!("{}{name}{value}", place.text());
        RuleLine::new("parameters of requests", what, from.text(), becomes, why)
    };
    let total = RuleLine::new(
        "parameters of requests",
        "_search",
        TOTAL_FROM.text(),
        format!("{}={}", TOTAL.0, TOTAL.1),
        TOTAL_WHY,
    );
    PARAMETERS.iter().map(line).chain([total]).collect()
}

//! Settings of an index: the rules that are data.

use crate::{Target, catalogue::RuleLine};

/// What to do with a setting of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingRule {
    /// The target makes its own, or refuses it.
    Drop,
    /// Belongs on the target, but only from the cut-over on.
    Defer,
    /// Only a target of this version on has it.
    Since((u32, u32)),
    /// Only a target before this version has it.
    Before((u32, u32)),
}

use SettingRule::{Before, Defer, Drop, Since};

const OWN: &str = "private to the cluster that created the index";
const RESIZED: &str = "names an index that this one was made from";
const REMOVED: &str = "removed; the target doesn't know it";
const ELASTIC: &str = "a feature of Elasticsearch that the target hasn't";
const NEWER: &str = "the target's version doesn't know it";
const LIFECYCLE: &str = "lifecycle policies are put back at the cut-over";
const PIPELINE: &str = "documents come already processed until the cut-over";
const BLOCK: &str = "a block would stop the migration itself; it is put back at the cut-over";
const MERGE: &str = "the target merges by its own policy";

/// Settings below `index.`, by name or by prefix (with a dot at the end).
pub(crate) const SETTINGS: &[(&str, SettingRule, &str)] = &[
    ("uuid", Drop, "each cluster makes its own"),
    ("creation_date", Drop, "each cluster sets its own"),
    ("creation_date_string", Drop, "each cluster sets its own"),
    ("provided_name", Drop, "set by the cluster when it creates the index"),
    ("version.", Drop, OWN),
    ("history.", Drop, OWN),
    ("metadata.", Drop, OWN),
    ("resize.", Drop, RESIZED),
    ("shrink.", Drop, RESIZED),
    ("downsample.", Drop, RESIZED),
    ("rollup.", Drop, RESIZED),
    ("verified_before_close", Drop, "private to the cluster that closed the index"),
    ("routing.allocation.", Drop, "names nodes and tiers of the source"),
    ("allocation.existing_shards_allocator", Drop, "names an allocator of the source"),
    ("data_path", Drop, "names a folder of the source"),
    ("remote_store.", Drop, "names repositories of the source"),
    ("searchable_snapshot.", Drop, "names a repository of the source"),
    ("recovery.initial_shards", Drop, REMOVED),
    ("soft_deletes.", Drop, "OpenSearch always keeps soft deletes"),
    ("frozen", Drop, "OpenSearch has no frozen indices"),
    ("search.throttled", Drop, "private setting of frozen indices"),
    ("xpack.", Drop, "OpenSearch has no x-pack"),
    ("ccr.", Drop, "follows an index of another cluster"),
    ("store.snapshot.", Drop, "OpenSearch names its searchable snapshots otherwise"),
    // Elasticsearch 7 and 8.
    ("mode", Drop, "OpenSearch has no index modes"),
    ("time_series.", Drop, ELASTIC),
    ("routing_path", Drop, ELASTIC),
    ("look_ahead_time", Drop, ELASTIC),
    ("look_back_time", Drop, ELASTIC),
    ("logsdb.", Drop, ELASTIC),
    ("dense_vector.", Drop, ELASTIC),
    ("esql.", Drop, ELASTIC),
    ("fast_refresh", Drop, ELASTIC),
    ("use_time_series_doc_values_format", Drop, ELASTIC),
    ("bloom_filter_for_id_field.", Drop, ELASTIC),
    ("recovery.use_synthetic_source", Drop, ELASTIC),
    ("mapping.source.", Drop, "the target stores each source as it came"),
    ("mapping.synthetic_source_keep", Drop, "the target stores each source as it came"),
    ("mapping.dimension_fields.", Drop, ELASTIC),
    ("mapping.semantic_text.", Drop, ELASTIC),
    ("mapping.patterned_text.", Drop, ELASTIC),
    ("mapping.exclude_source_vectors", Drop, ELASTIC),
    ("mapping.use_doc_values_skipper", Drop, ELASTIC),
    (
        "mapping.ignore_above",
        Drop,
        "the target has no limit for all keywords; say it field by field",
    ),
    ("highlight.weight_matches_mode.", Drop, ELASTIC),
    ("mapping.ignore_dynamic_beyond_limit", Drop, ELASTIC),
    ("mapping.total_fields.ignore_dynamic_beyond_limit", Drop, ELASTIC),
    ("search.slowlog.include.", Drop, ELASTIC),
    ("indexing.slowlog.include.", Drop, ELASTIC),
    // Elasticsearch 1 to 6.
    ("mapper.", Drop, "dynamic in the mapping says it now"),
    ("mapping.single_type", Drop, "there are no types any more"),
    ("mapping.allow_type_wrapper", Drop, "there are no types any more"),
    ("mapping.attachment.", Drop, "attachments are read by a pipeline now"),
    ("legacy.", Drop, "how Elasticsearch before 2 routed documents"),
    ("legacy_routing.", Drop, "how Elasticsearch before 2 routed documents"),
    ("optimize_auto_generated_id", Drop, REMOVED),
    ("merge.policy.merge_factor", Drop, MERGE),
    ("merge.policy.type", Drop, MERGE),
    ("merge.policy.use_compound_file", Drop, MERGE),
    ("merge.policy.max_merge_docs", Drop, MERGE),
    ("merge.policy.min_merge_docs", Drop, MERGE),
    ("merge.policy.min_merge_size", Drop, MERGE),
    ("merge.policy.max_merge_size", Drop, MERGE),
    ("merge.policy.max_merge_at_once_explicit", Before((2, 0)), MERGE),
    ("merge.scheduler.type", Drop, MERGE),
    ("merge.async", Drop, MERGE),
    ("merge.async_interval", Drop, MERGE),
    ("compound_on_flush", Drop, REMOVED),
    ("codec.bloom.", Drop, REMOVED),
    ("codec.postings_format.", Drop, REMOVED),
    ("codec.doc_values_format.", Drop, REMOVED),
    ("cache.", Drop, REMOVED),
    ("fielddata.cache.", Drop, REMOVED),
    ("queries.cache.everything", Drop, REMOVED),
    ("queries.cache.type", Drop, REMOVED),
    ("warmer.", Drop, REMOVED),
    ("search.slowlog.reformat", Drop, REMOVED),
    ("shard.recovery.", Drop, REMOVED),
    ("store.throttle.", Drop, REMOVED),
    ("store.compress.", Drop, REMOVED),
    ("store.distributor", Drop, REMOVED),
    ("term_index_interval", Drop, REMOVED),
    ("term_index_divisor", Drop, REMOVED),
    ("index_concurrency", Drop, REMOVED),
    ("concurrency_level", Drop, REMOVED),
    ("fail_on_corruption", Drop, REMOVED),
    ("fail_on_merge_failure", Drop, REMOVED),
    ("flush.on_close", Drop, REMOVED),
    ("gateway.", Drop, REMOVED),
    ("ttl.", Drop, "documents no longer expire by themselves"),
    ("translog.flush_threshold_ops", Drop, REMOVED),
    ("translog.flush_threshold_period", Drop, REMOVED),
    ("translog.disable_flush", Drop, REMOVED),
    ("translog.interval", Drop, REMOVED),
    ("translog.type", Drop, REMOVED),
    ("translog.fs.", Drop, REMOVED),
    ("percolator.map_unmapped_fields_as_string", Drop, "map_unmapped_fields_as_text says it now"),
    // Only some versions of OpenSearch.
    ("replication.", Since((2, 3)), NEWER),
    ("max_slices_per_pit", Since((2, 4)), NEWER),
    ("codec.compression_level", Since((2, 9)), NEWER),
    ("composite_index", Since((2, 17)), NEWER),
    ("append_only.", Since((2, 19)), NEWER),
    ("query.max_nested_depth", Since((2, 19)), NEWER),
    ("number_of_search_replicas", Since((3, 0)), NEWER),
    ("derived_source.", Since((3, 1)), NEWER),
    // Put back at the cut-over.
    ("lifecycle.", Defer, LIFECYCLE),
    ("plugins.index_state_management.", Defer, LIFECYCLE),
    ("opendistro.index_state_management.", Defer, LIFECYCLE),
    ("default_pipeline", Defer, PIPELINE),
    ("final_pipeline", Defer, PIPELINE),
    ("blocks.", Defer, BLOCK),
];

/// What rules above drop since no OpenSearch has it, and an Elasticsearch from a version on has.
const ELASTICSEARCH: &[(&str, (u32, u32))] = &[
    ("soft_deletes.", (6, 5)),
    ("mode", (8, 1)),
    ("time_series.", (8, 1)),
    ("routing_path", (8, 1)),
    ("look_ahead_time", (8, 1)),
    ("look_back_time", (8, 12)),
    ("mapping.source.", (8, 17)),
    ("mapping.synthetic_source_keep", (8, 16)),
    ("mapping.dimension_fields.", (8, 1)),
    ("mapping.semantic_text.", (8, 18)),
    ("mapping.ignore_above", (8, 16)),
    ("mapping.total_fields.ignore_dynamic_beyond_limit", (8, 14)),
    ("highlight.weight_matches_mode.", (8, 10)),
    ("search.slowlog.include.", (8, 14)),
    ("indexing.slowlog.include.", (8, 14)),
    ("bloom_filter_for_id_field.", (8, 7)),
    ("merge.policy.max_merge_at_once_explicit", (1, 0)),
];

/// What only OpenSearch has, besides what came with one of its versions.
const OPENSEARCH: &[&str] =
    &["plugins.", "opendistro.", "remote_store.", "optimize_doc_id_lookup."];

const NO_OPENSEARCH: &str = "a feature of OpenSearch that the target hasn't";

/// True where the rule's name, or prefix, is that of the setting.
fn names(rule: &str, name: &str) -> bool {
    match rule.strip_suffix('.') {
        Some(prefix) => name == prefix || name.starts_with(rule),
        None => name == rule,
    }
}

/// The rule for `name`, a setting without its leading `index.`.
fn setting(name: &str) -> Option<(SettingRule, &'static str)> {
    SETTINGS.iter().find(|(rule, ..)| names(rule, name)).map(|&(_, rule, why)| (rule, why))
}

/// What happens to `name`, a setting without its leading `index.`, on the way to this target: it is dropped, or
/// deferred, for a reason.
pub(crate) fn applies(name: &str, target: Target) -> Option<(SettingRule, &'static str)> {
    if target.is_elasticsearch() {
        let kept =
            |(rule, since): &(&str, _)| names(rule, name) && target.elasticsearch_from(*since);
        if ELASTICSEARCH.iter().any(kept) {
            return None;
        }
        if OPENSEARCH.iter().any(|rule| names(rule, name)) {
            return Some((Drop, NO_OPENSEARCH));
        }
    }
    setting(name).filter(|(rule, _)| match rule {
        Drop | Defer => true,
        Since(version) => !target.at_least(*version),
        Before(version) => target.at_least(*version),
    })
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |&(name, rule, why): &(&str, SettingRule, &'static str)| {
        let number = |(major, minor): (u32, u32)| format!("{major}.{minor}");
        let kept = ELASTICSEARCH.iter().find(|(kept, _)| *kept == name);
        let (versions, becomes) = match (rule, kept) {
            (Drop, Some((_, since))) => {
                (format!("OpenSearch, Elasticsearch before {}", number(*since)), "-")
            }
            (Drop, None) => ("all".to_owned(), "-"),
            (Defer, _) => ("all".to_owned(), "the same, at the cut-over"),
            (Since(version), _) => (format!("OpenSearch before {}", number(version)), "-"),
            (Before(version), _) => (format!("OpenSearch {} on", number(version)), "-"),
        };
        let what = format!("index.{name}{}", if name.ends_with('.') { "*" } else { "" });
        RuleLine::new("settings", what, versions, becomes.into(), why)
    };
    let theirs = OPENSEARCH.iter().map(|name| {
        let versions = "Elasticsearch".to_owned();
        RuleLine::new("settings", format!("index.{name}*"), versions, "-".into(), NO_OPENSEARCH)
    });
    SETTINGS.iter().map(line).chain(theirs).collect()
}

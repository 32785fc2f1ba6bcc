//! What isn't moved unless it is asked for: what the products around a cluster make for themselves.

use crate::catalogue::RuleLine;

/// What kind of item, in the order in which they are made: templates after the indices that a target would merge them
/// into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Index,
    Alias,
    StoredScript,
    Pipeline,
    LifecyclePolicy,
    ComponentTemplate,
    LegacyTemplate,
    IndexTemplate,
    DataStream,
}

impl Kind {
    fn is_template(self) -> bool {
        matches!(self, Self::ComponentTemplate | Self::LegacyTemplate | Self::IndexTemplate)
    }
}

const DOT: &str = "a name that begins with a dot is a system's own";
const KIBANA: &str = "made by Kibana, which the target doesn't run";
const SECURITY: &str = "made by a security plugin for itself";
const APM: &str = "made by Elastic APM, which writes to Elasticsearch only";
const AGENT: &str = "made by Elastic Agent, which writes to Elasticsearch only";
const BEATS: &str = "made by Metricbeat, which sets it up itself";
const STACK: &str = "made by Elasticsearch for its own use";
const WATCHER: &str = "made by Watcher, which the target hasn't";

/// How the indices of data streams are called.
const BACKING: &str = ".ds-";

const STREAM: &str = "an index of a data stream, which makes its own on the target";

/// (how a name begins, why), of items of every kind.
const PREFIXES: &[(&str, &str)] = &[
    (".", DOT),
    ("kibana", KIBANA),
    ("searchguard", SECURITY),
    ("sg7-", SECURITY),
    ("apm-", APM),
    ("behavioral_analytics-", STACK),
    ("elastic-connectors-", STACK),
    ("elastic_agent.", AGENT),
    ("ilm-history-", STACK),
    ("logs-elastic_agent", AGENT),
    ("logs-endpoint.", AGENT),
    ("logs-index_pattern", AGENT),
    ("logs-system.", AGENT),
    ("metricbeat-", BEATS),
    ("metrics-elastic_agent", AGENT),
    ("metrics-endpoint", AGENT),
    ("metrics-index_pattern", AGENT),
    ("metrics-metadata", AGENT),
    ("metrics-system", AGENT),
    ("profiling-", STACK),
    ("synthetics-", STACK),
    ("xpack_monitoring_", STACK),
];

/// (a whole name, why), of items of every kind.
const NAMES: &[(&str, &str)] =
    &[("triggered_watches", WATCHER), ("watches", WATCHER), ("watch_history_3", WATCHER)];

/// (a whole name, why), of templates.
const TEMPLATES: &[(&str, &str)] = &[
    ("logs", STACK),
    ("metrics", STACK),
    ("traces", STACK),
    ("synthetics", STACK),
    ("slm-history", STACK),
    ("watch-history", WATCHER),
    ("ilm-history", STACK),
    ("logstash-index-template", STACK),
    ("security-index-template", SECURITY),
    ("security_audit_log", SECURITY),
];

/// (how the name begins, why), of templates.
const TEMPLATE_PREFIXES: &[(&str, &str)] = &[
    ("logs-apm", APM),
    ("metrics-apm", APM),
    ("traces-apm", APM),
    ("logs-otel", STACK),
    ("metrics-otel", STACK),
    ("traces-otel", STACK),
    ("ecs@", STACK),
    ("data-streams-mappings", STACK),
    ("data-streams@", STACK),
];

/// (how the name begins, why), of pipelines.
const PIPELINE_PREFIXES: &[(&str, &str)] = &[
    ("apm@", APM),
    ("logs-apm", APM),
    ("metrics-apm", APM),
    ("traces-apm", APM),
    ("ent-search-generic-ingestion", STACK),
    ("search-default-ingestion", STACK),
    ("logs-default-pipeline", STACK),
    ("logs@default-pipeline", STACK),
    ("logs@json-", STACK),
];

/// Of the components that Elasticsearch makes for its own templates: `logs@settings`.
const COMPONENT_SUFFIXES: &[&str] = &[
    "@settings",
    "@mappings",
    "@lifecycle",
    "@pipeline",
    "@ilm",
    "@template",
    "@default-pipeline",
];

/// Why an item is left out by default. A list of what is wanted takes the place of all of this.
pub fn is_skipped(kind: Kind, name: &str) -> Option<&'static str> {
    if kind == Kind::Index && name.starts_with(BACKING) {
        return Some(STREAM);
    }
    if let Some((_, why)) = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Some(why);
    }
    if let Some((_, why)) = NAMES.iter().find(|(whole, _)| *whole == name) {
        return Some(why);
    }
    if kind == Kind::Pipeline {
        let found = PIPELINE_PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
        return found.map(|(_, why)| *why);
    }
    if !kind.is_template() {
        return None;
    }
    if COMPONENT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        return Some(STACK);
    }
    let whole = TEMPLATES.iter().find(|(whole, _)| *whole == name);
    let found =
        whole.or_else(|| TEMPLATE_PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)));
    found.map(|(_, why)| *why)
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |what: String, kinds: &str, why| {
        RuleLine::new("left out by default", what, kinds.to_owned(), "skipped".into(), why)
    };
    let all = "items of every kind";
    let backing = line(format!("{BACKING}*"), "indices", STREAM);
    let prefixes = PREFIXES.iter().map(|(prefix, why)| line(format!("{prefix}*"), all, *why));
    let names = NAMES.iter().map(|(name, why)| line((*name).to_owned(), all, *why));
    let templates = TEMPLATES.iter().map(|(name, why)| line((*name).to_owned(), "templates", *why));
    let begun =
        TEMPLATE_PREFIXES.iter().map(|(prefix, why)| line(format!("{prefix}*"), "templates", *why));
    let pipelines =
        PIPELINE_PREFIXES.iter().map(|(prefix, why)| line(format!("{prefix}*"), "pipelines", *why));
    let suffixes = COMPONENT_SUFFIXES.iter().map(|of| line(format!("*{of}"), "templates", STACK));
    [backing]
        .into_iter()
        .chain(prefixes)
        .chain(names)
        .chain(templates)
        .chain(begun)
        .chain(pipelines)
        .chain(suffixes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_skips_what_it_names_and_no_other() {
        for (prefix, why) in PREFIXES {
            assert_eq!(is_skipped(Kind::Index, &format!("{prefix}x")), Some(*why), "{prefix}");
        }
        for (name, why) in NAMES {
            assert_eq!(is_skipped(Kind::Alias, name), Some(*why));
            assert_eq!(is_skipped(Kind::Alias, &format!("my-{name}")), None);
        }
        for (name, why) in TEMPLATES {
            assert_eq!(is_skipped(Kind::IndexTemplate, name), Some(*why));
            let index = is_skipped(Kind::Index, name);
            assert_eq!(index, None, "{name}");
        }
        for (prefix, why) in TEMPLATE_PREFIXES {
            assert_eq!(is_skipped(Kind::LegacyTemplate, &format!("{prefix}x")), Some(*why));
            assert_eq!(is_skipped(Kind::DataStream, &format!("{prefix}x")), None);
        }
        for (prefix, why) in PIPELINE_PREFIXES {
            assert_eq!(is_skipped(Kind::Pipeline, &format!("{prefix}x")), Some(*why));
            assert_eq!(
                is_skipped(Kind::Index, &format!("{prefix}x")),
                is_skipped(Kind::Index, prefix)
            );
        }
        for suffix in COMPONENT_SUFFIXES {
            assert_eq!(is_skipped(Kind::ComponentTemplate, &format!("x{suffix}")), Some(STACK));
            assert_eq!(is_skipped(Kind::Pipeline, &format!("x{suffix}")), None);
        }
        assert_eq!(is_skipped(Kind::Index, ".ds-logs-2024.01.01-000001"), Some(STREAM));
        assert_eq!(is_skipped(Kind::Alias, ".ds-logs"), Some(DOT));
        for name in ["logs-2024", "my-index", "orders"] {
            assert_eq!(is_skipped(Kind::Index, name), None);
        }
    }

    #[test]
    fn kinds_are_in_the_order_in_which_targets_take_them() {
        assert!(Kind::ComponentTemplate < Kind::IndexTemplate);
        assert!(Kind::IndexTemplate < Kind::DataStream && Kind::Alias < Kind::ComponentTemplate);
        assert!(Kind::Index < Kind::Alias);
    }
}

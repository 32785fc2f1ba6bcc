//! Which target has which processor.

use crate::{catalogue::RuleLine, report::Rules};

pub(super) type Since = Option<(u32, u32)>;

/// (processor, the first OpenSearch, the first Elasticsearch that has it, why it can't be had otherwise). Those that
/// every target has, and those that no rule names, pass.
const PROCESSORS: &[(&str, Since, Since, &str)] = &[
    (
        "enrich",
        None,
        Some((7, 5)),
        "looks values up in an index; join them where documents are made",
    ),
    (
        "inference",
        None,
        Some((7, 6)),
        "asks a model of Elasticsearch; ml_inference asks one of OpenSearch",
    ),
    (
        "set_security_user",
        None,
        Some((6, 0)),
        "adds the user, which the target's security plugin doesn't say",
    ),
    ("circle", None, Some((7, 4)), "makes polygons of circles"),
    ("network_direction", None, Some((7, 13)), "a script may say it"),
    ("uri_parts", None, Some((7, 12)), "grok or dissect may take it apart"),
    ("registered_domain", None, Some((7, 13)), "a script may say it"),
    ("redact", None, Some((8, 7)), "gsub may replace what a pattern finds"),
    ("reroute", None, Some((8, 8)), "set _index in the document instead"),
    ("geo_grid", None, Some((8, 7)), "makes shapes of tiles and cells"),
    ("ip_location", None, Some((8, 16)), "geoip or ip2geo say where an address is"),
    ("terminate", None, Some((8, 16)), "give the later processors a condition"),
    ("recover_failure_document", None, Some((9, 0)), "the target has no failure stores"),
    ("normalize_for_stream", None, Some((9, 1)), "brings documents into the form of OpenTelemetry"),
    ("fingerprint", Some((2, 16)), Some((7, 12)), "a script may say it"),
    ("community_id", Some((2, 13)), Some((7, 12)), "a script may say it"),
    ("copy", Some((2, 12)), None, "set with copy_from may say it"),
    ("remove_by_pattern", Some((2, 12)), None, "name the fields that are to go"),
    ("ip2geo", Some((2, 10)), None, "geoip says where an address is"),
    ("text_embedding", Some((2, 4)), None, "asks a model of OpenSearch"),
    ("sparse_encoding", Some((2, 11)), None, "asks a model of OpenSearch"),
    ("text_image_embedding", Some((2, 11)), None, "asks a model of OpenSearch"),
    ("text_chunking", Some((2, 13)), None, "cuts texts for models"),
    ("ml_inference", Some((2, 14)), None, "asks a model of OpenSearch"),
];

/// False where the target has no such processor, which is then refused.
pub(super) fn has(path: &str, name: &str, rules: &mut Rules) -> bool {
    let Some((_, opensearch, elasticsearch, why)) = PROCESSORS.iter().find(|(of, ..)| *of == name)
    else {
        return true;
    };
    let has = opensearch.is_some_and(|since| rules.target.at_least(since))
        || elasticsearch.is_some_and(|since| rules.target.elasticsearch_from(since));
    if !has {
        rules.refuse(path, format!("the target has no processor [{name}]: {why}"));
    }
    has
}

/// The targets of this name that lack what came with a version.
pub(super) fn before(name: &str, since: Since) -> Option<String> {
    match since {
        None => Some(name.to_owned()),
        // No target is older.
        Some(since) if since <= (7, 0) && name == "Elasticsearch" => None,
        Some((major, minor)) => Some(format!("{name} before {major}.{minor}")),
    }
}

/// What these tables say, for the documentation.
pub(super) fn catalogue() -> Vec<RuleLine> {
    let area = "pipelines";
    let lines = PROCESSORS.iter().map(|(name, opensearch, elasticsearch, why)| {
        let versions: Vec<_> =
            [before("OpenSearch", *opensearch), before("Elasticsearch", *elasticsearch)]
                .into_iter()
                .flatten()
                .collect();
        RuleLine::new(area, format!("processor {name}"), versions.join(", "), "refused".into(), why)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn rules(target: Target) -> Rules {
        Rules::new(Some(Version::elasticsearch(8, 19)), target)
    }

    #[test]
    fn each_processor_is_where_it_is() {
        for (name, opensearch, elasticsearch, _) in PROCESSORS {
            for (since, target) in [
                (opensearch, Target::opensearch as fn(u32, u32) -> Target),
                (elasticsearch, Target::elasticsearch),
            ] {
                let (major, minor) = since.unwrap_or((9, 9));
                assert_eq!(
                    has("p", name, &mut rules(target(major, minor))),
                    since.is_some(),
                    "{name}"
                );
                let mut before = rules(target(1, 0));
                assert!(!has("p", name, &mut before) && before.refused.len() == 1, "{name}");
            }
        }
        assert!(has("p", "of_a_plugin", &mut rules(Target::default())));
    }
}

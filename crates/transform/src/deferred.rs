//! What waits for the cut-over: pipelines, blocks and lifecycle policies of an index.

use serde_json::{Map, Value};

use crate::{Change, Target, report::Rules, rules, rules::SettingRule, settings};

/// What an index, or a template, gets at the cut-over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deferred {
    /// For the target's `PUT /index/_settings`, flat.
    pub settings: Map<String, Value>,
    /// The policy that manages the index: for `POST _plugins/_ism/add/INDEX` of OpenSearch, where its name can't be
    /// said by a setting.
    pub policy: Option<String>,
    /// What has no counterpart there.
    pub changes: Vec<Change>,
}

const LIFECYCLE: &str = "lifecycle.";
const ISM: &str = "plugins.index_state_management.";
const OPEN_DISTRO: &str = "opendistro.index_state_management.";

/// The settings that [`crate::index_body`] and its like mark as deferred, as the target takes them at the cut-over.
/// `settings` are the source's, in any form.
pub fn deferred(settings: &Map<String, Value>, target: Target) -> Deferred {
    let mut made = Deferred::default();
    let mut rules = Rules::new(None, target);
    for (name, value) in settings::flat(settings) {
        let bare = name.strip_prefix("index.").unwrap_or(&name);
        let waits = matches!(rules::applies(bare, target), Some((SettingRule::Defer, _)));
        if !waits || value.is_null() {
            continue;
        }
        let said = value.as_str().map(str::to_owned);
        let ism = bare.strip_prefix(ISM).or_else(|| bare.strip_prefix(OPEN_DISTRO));
        let path = format!("settings.index.{bare}");
        match (bare.strip_prefix(LIFECYCLE), ism) {
            (Some(_), _) if target.is_elasticsearch() => {
                made.settings.insert(format!("index.{bare}"), value.clone());
            }
            (Some("name"), _) | (_, Some("policy_id")) => made.policy = said,
            (Some("rollover_alias"), _) => {
                made.settings.insert(format!("index.{ISM}rollover_alias"), value.clone());
            }
            (Some(_), _) => rules.changed(path, "a policy of OpenSearch looks at no such setting"),
            (_, Some(key)) => {
                made.settings.insert(format!("index.{ISM}{key}"), value.clone());
            }
            _ => {
                made.settings.insert(format!("index.{bare}"), value.clone());
            }
        }
    }
    made.changes = rules.changes;
    made
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(settings: Value, target: Target) -> (Value, Option<String>, usize) {
        let made = deferred(settings.as_object().unwrap(), target);
        (Value::Object(made.settings), made.policy, made.changes.len())
    }

    #[test]
    fn what_waits_comes_as_the_target_takes_it() {
        let settings = json!({"index": {
            "number_of_shards": "3", "default_pipeline": "p", "final_pipeline": null, "blocks": {"write": "true"},
            "lifecycle": {"name": "l", "rollover_alias": "a", "origination_date": "1"}}});
        assert_eq!(
            made(settings.clone(), Target::opensearch(2, 19)),
            (
                json!({"index.default_pipeline": "p", "index.blocks.write": "true",
                       "index.plugins.index_state_management.rollover_alias": "a"}),
                Some("l".to_owned()),
                1
            )
        );
        assert_eq!(
            made(settings, Target::elasticsearch(8, 19)),
            (
                json!({"index.default_pipeline": "p", "index.blocks.write": "true", "index.lifecycle.name": "l",
                       "index.lifecycle.rollover_alias": "a", "index.lifecycle.origination_date": "1"}),
                None,
                0
            )
        );
    }

    #[test]
    fn an_opensearch_hands_on_what_it_says_of_its_policies() {
        for prefix in [ISM, OPEN_DISTRO] {
            let settings = json!({format!("index.{prefix}policy_id"): "l", format!("index.{prefix}rollover_alias"): "a"});
            let alias = json!({"index.plugins.index_state_management.rollover_alias": "a"});
            assert_eq!(made(settings, Target::opensearch(3, 8)), (alias, Some("l".to_owned()), 0));
        }
    }
}

//! The rules that are data.

/// What to do with a setting of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingRule {
    /// The target makes its own, or refuses it.
    Drop,
    /// Belongs on the target, but only from the cut-over on.
    Defer,
}

/// Settings below `index.`, by name or by prefix (with a dot at the end).
pub(crate) const SETTINGS: &[(&str, SettingRule, &str)] = &[
    ("uuid", SettingRule::Drop, "each cluster makes its own"),
    ("creation_date", SettingRule::Drop, "each cluster sets its own"),
    ("provided_name", SettingRule::Drop, "set by the cluster when it creates the index"),
    ("version.", SettingRule::Drop, "private to the cluster that created the index"),
    ("history.", SettingRule::Drop, "private to the cluster that created the index"),
    ("resize.", SettingRule::Drop, "names an index that this one was shrunk or split from"),
    ("shrink.", SettingRule::Drop, "names an index that this one was shrunk or split from"),
    ("verified_before_close", SettingRule::Drop, "private to the cluster that closed the index"),
    ("routing.allocation.", SettingRule::Drop, "names nodes and tiers of the source"),
    ("soft_deletes.", SettingRule::Drop, "OpenSearch always keeps soft deletes"),
    ("frozen", SettingRule::Drop, "OpenSearch has no frozen indices"),
    ("search.throttled", SettingRule::Drop, "private setting of frozen indices"),
    ("xpack.", SettingRule::Drop, "OpenSearch has no x-pack"),
    ("store.snapshot.", SettingRule::Drop, "OpenSearch names its searchable snapshots otherwise"),
    ("lifecycle.", SettingRule::Defer, "lifecycle policies are put back at the cut-over"),
    ("default_pipeline", SettingRule::Defer, "documents come already processed until the cut-over"),
    ("final_pipeline", SettingRule::Defer, "documents come already processed until the cut-over"),
    (
        "plugins.index_state_management.",
        SettingRule::Defer,
        "lifecycle policies are put back at the cut-over",
    ),
];

/// Field types that OpenSearch names otherwise.
pub(crate) const FIELD_TYPES: &[(&str, &str, &str)] =
    &[("flattened", "flat_object", "OpenSearch calls it flat_object")];

/// The rule for `name`, a setting without its leading `index.`.
pub(crate) fn setting(name: &str) -> Option<(SettingRule, &'static str)> {
    let applies = |rule: &str| match rule.strip_suffix('.') {
        Some(prefix) => name == prefix || name.starts_with(rule),
        None => name == rule,
    };
    SETTINGS.iter().find(|(rule, ..)| applies(rule)).map(|&(_, rule, why)| (rule, why))
}

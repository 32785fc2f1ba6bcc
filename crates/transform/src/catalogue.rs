//! Every rule that is data, as a line: what the documentation is held to.

use crate::{
    alias, analysis, data_stream, lifecycle, mapping, pipeline, request, rules, script, settings,
    skipped, templates,
};

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct RuleLine {
    /// What kind of thing it is about (`settings`, `field types`…).
    pub area: &'static str,
    /// What it changes, by the name that it has in a definition.
    pub what: String,
    /// The targets (or sources) for which it does.
    pub versions: String,
    /// What the target gets instead; `-`: nothing.
    pub becomes: String,
    pub why: &'static str,
}

impl RuleLine {
    pub(crate) fn new(
        area: &'static str,
        what: impl Into<String>,
        versions: String,
        becomes: String,
        why: &'static str,
    ) -> Self {
        Self { area, what: what.into(), versions, becomes, why }
    }
}

/// All rules, by area and in the order of their tables.
pub fn catalogue() -> Vec<RuleLine> {
    [
        rules::catalogue(),
        settings::catalogue(),
        mapping::catalogue(),
        mapping::kinds::catalogue(),
        mapping::knn::catalogue(),
        mapping::root::catalogue(),
        mapping::parameters::catalogue(),
        mapping::takes::catalogue(),
        mapping::templates::catalogue(),
        analysis::catalogue(),
        alias::catalogue(),
        templates::catalogue(),
        data_stream::catalogue(),
        lifecycle::catalogue(),
        pipeline::catalogue(),
        script::catalogue(),
        skipped::catalogue(),
        request::catalogue(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_says_what_and_why_and_stands_once() {
        let lines = catalogue();
        let unique: BTreeSet<_> = lines.iter().map(|l| (l.area, &l.what, &l.versions)).collect();
        assert_eq!(unique.len(), lines.len());
        for line in &lines {
            let said = [line.area, &line.what, &line.versions, &line.becomes, line.why];
            assert!(said.iter().all(|part| !part.is_empty()), "{line:?}");
        }
    }
}

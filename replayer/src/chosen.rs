//! Which indices are replayed.

use converge::{Doubt, DoubtKind, Scope, Selection};

use settings::{BadSettings, refuse};

use crate::context::Context;

/// Why nothing is sent for an index that isn't among those that were chosen.
pub(crate) const NOT_CHOSEN: &str = "index not chosen";

/// The indices and data streams that are replayed.
#[derive(Clone, Debug, Default)]
pub struct Chosen(
    /// `None`: all.
    Option<Selection>,
);

impl Chosen {
    /// Names and patterns with `*`; `-` in front takes out, and what comes later wins. No pattern: all.
    ///
    /// # Errors
    /// For a date-math name, which means another index every day.
    pub fn parse(patterns: &[String]) -> Result<Self, BadSettings> {
        let Some(first) = patterns.first() else { return Ok(Self::default()) };
        let mut expression = patterns.join(",");
        if first.starts_with('-') {
            expression.insert_str(0, "*,");
        }
        match Selection::of_expression(&expression) {
            Some(selection) => Ok(Self(Some(selection))),
            None => Err(refuse("index", &expression, "date math means another index every day")),
        }
    }

    /// Whether some indices are left out.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an index is replayed, or the data stream that it belongs to.
    pub fn has(&self, index: &str) -> bool {
        let Some(selection) = &self.0 else { return true };
        selection.contains(index)
            || data_stream(index).is_some_and(|stream| selection.contains(stream))
    }
}

/// The data stream of a backing index, `.ds-NAME-2026.11.28-000001` or `.ds-NAME-000001`.
fn data_stream(index: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (name, generation) = index.strip_prefix(".ds-")?.rsplit_once('-')?;
    if !digits(generation) {
        return None;
    }
    match name.rsplit_once('-') {
        Some((stream, day)) if day.len() == 10 && digits(day) => Some(stream),
        _ => Some(name),
    }
}

impl Context {
    /// Whether a read or a control request names only indices that aren't replayed. What the source never had as an alias is
    /// an index, perhaps one that is gone.
    pub(crate) fn leaves_out(&self, scope: &Scope) -> bool {
        let Scope::Indices(names) = scope else { return false };
        let is_alias = |name: &str| {
            let behind = self.source.as_ref().and_then(|source| source.behind(name));
            behind.is_some_and(|indices| !indices.is_empty())
        };
        let out = |name: &String| {
            !self.settings.indices.has(name) && !name.contains('*') && !is_alias(name)
        };
        !names.is_empty() && names.iter().all(out)
    }

    /// Whether a doubt is certainly about nothing that is replayed: a name that may be an alias is looked up on the source.
    pub(crate) fn leaves_out_doubt(&self, doubt: &Doubt) -> bool {
        let out = |name: &str| {
            let is_index = self.source.as_ref().is_some_and(|source| source.uuid(name).is_some());
            is_index && !self.settings.indices.has(name)
        };
        match &doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => out(&address.index),
            DoubtKind::Sweep { index } | DoubtKind::Walk { index } => out(index),
            DoubtKind::Definition { scope: Scope::Indices(names), .. } => {
                !names.is_empty() && names.iter().all(|name| out(name))
            }
            DoubtKind::Definition { scope: Scope::All, .. } | DoubtKind::Named { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(patterns: &[&str]) -> Chosen {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        Chosen::parse(&patterns).unwrap()
    }

    #[test]
    fn later_patterns_win() {
        let all = chosen(&[]);
        assert!(all.is_all() && all.has("anything") && all.has(".kibana_1"));
        let logs = chosen(&["logs-*", "-logs-old*", "events"]);
        let has = |name: &str| logs.has(name);
        assert!(has("logs-1") && has("events") && !has("logs-old-1") && !has("events-1"));
        let but = chosen(&["-private*"]);
        assert!(but.has("logs-1") && !but.has("private-1"));
    }

    #[test]
    fn a_data_stream_brings_its_backing_indices() {
        let logs = chosen(&["logs-*"]);
        assert!(logs.has(".ds-logs-web-2026.11.28-000001") && logs.has(".ds-logs-web-000002"));
        assert!(!logs.has(".ds-metrics-web-000002") && !logs.has(".ds-logs-web"));
        assert_eq!(data_stream(".ds-a-000001"), Some("a"));
    }

    #[test]
    fn date_math_is_refused() {
        let error = Chosen::parse(&["<logs-{now/d}>".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("date math"), "{error}");
    }
}

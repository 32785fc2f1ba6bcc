//! Which templates fit an index by its name.

use std::collections::HashMap;

use serde_json::Value;
use settings::glob;

use crate::Kind;

/// Patterns of templates, by what each begins with before its first star: there may be thousands of them, and of indices.
#[derive(Debug, Default)]
pub(crate) struct Fitting(HashMap<String, Vec<(usize, String)>>);

impl Fitting {
    /// Of templates, each known by its place, with the patterns of its body.
    pub(crate) fn new(templates: impl Iterator<Item = (usize, Vec<String>)>) -> Self {
        let mut fitting = Self::default();
        for (place, patterns) in templates {
            for pattern in patterns {
                let prefix = pattern.split('*').next().unwrap_or_default().to_owned();
                fitting.0.entry(prefix).or_default().push((place, pattern));
            }
        }
        fitting
    }

    /// The places of those that fit.
    pub(crate) fn of(&self, index: &str) -> impl Iterator<Item = usize> {
        let prefixes = (0..=index.len()).filter_map(|end| index.get(..end));
        let likely = prefixes.filter_map(|prefix| self.0.get(prefix)).flatten();
        likely.filter(move |(_, glob)| glob::matches(glob, index)).map(|(place, _)| *place)
    }
}

/// It is merged into new indices by their names.
pub(crate) fn has_patterns(kind: Kind) -> bool {
    matches!(kind, Kind::IndexTemplate | Kind::LegacyTemplate)
}

/// Those of a template's `index_patterns`.
pub(crate) fn patterns(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(patterns)) => {
            patterns.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(pattern)) => vec![pattern.clone()],
        _ => Vec::new(),
    }
}

//! Which items are moved: names and patterns by kind, and the list of what belongs to clusters themselves.

use std::{collections::BTreeMap, fmt, str::FromStr};

use regex::Regex;
use settings::glob;

use crate::{Kind, rules};

/// Bytes that the program of a regular expression may take.
const REGEX_LIMIT: usize = 1 << 20;

/// What a name is compared with.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A name, with `*` for any characters.
    Glob(String),
    /// `regex:…`, which has to match the whole name.
    Regex(Regex),
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("regex:") {
            None if text.is_empty() => Err("a pattern can't be empty".into()),
            None => Ok(Self::Glob(text.to_owned())),
            Some(expression) => whole(expression).map(Self::Regex),
        }
    }
}

/// A regular expression that matches whole names.
pub(crate) fn whole(expression: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(&format!("^(?:{expression})$"))
        .size_limit(REGEX_LIMIT)
        .build()
        .map_err(|error| error.to_string())
}

impl Pattern {
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Glob(glob) => glob::matches(glob, name),
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

/// A list of patterns in which `-pattern` takes out what came before.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<(bool, Pattern)>);

impl Patterns {
    /// # Errors
    /// Which pattern is wrong, and why.
    pub fn parse(texts: &[String]) -> Result<Self, (String, String)> {
        let parse = |text: &String| {
            let (wanted, pattern) = match text.strip_prefix('-') {
                Some(pattern) => (false, pattern),
                None => (true, text.as_str()),
            };
            pattern.parse().map(|pattern| (wanted, pattern)).map_err(|why| (text.clone(), why))
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It asks for something by name, so that nothing is left to the list of what clusters have for themselves.
    fn asks(&self) -> bool {
        self.0.first().is_some_and(|(wanted, _)| *wanted)
    }

    /// What the last pattern that matches says; `None`: none does.
    fn says(&self, name: &str) -> Option<bool> {
        self.0.iter().rev().find(|(_, pattern)| pattern.matches(name)).map(|(wanted, _)| *wanted)
    }
}

/// Why an item isn't moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// It belongs to the cluster or a product.
    System(&'static str),
    NotAskedFor,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(why) => write!(f, "system: {why}"),
            Self::NotAskedFor => f.write_str("not asked for"),
        }
    }
}

/// What is asked for, kind by kind.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Empty: all.
    pub kinds: Vec<Kind>,
    pub patterns: BTreeMap<Kind, Patterns>,
}

impl Selection {
    pub(crate) fn has_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Something that only the cluster's global state holds is wanted.
    pub(crate) fn needs_global_state(&self) -> bool {
        Kind::ALL
            .into_iter()
            .any(|kind| !matches!(kind, Kind::Index | Kind::Alias) && self.has_kind(kind))
    }

    pub(crate) fn skipped(&self, kind: Kind, name: &str) -> Option<Skipped> {
        if !self.has_kind(kind) {
            return Some(Skipped::NotAskedFor);
        }
        let patterns = self.patterns.get(&kind).filter(|patterns| !patterns.is_empty());
        let system = || rules::is_skipped(kind, name).map(Skipped::System);
        let Some(patterns) = patterns else { return system() };
        match patterns.says(name) {
            Some(true) if patterns.asks() => None,
            Some(true) => system(),
            Some(false) => Some(Skipped::NotAskedFor),
            None if patterns.asks() => Some(Skipped::NotAskedFor),
            None => system(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(texts: &[&str]) -> Selection {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let patterns = Patterns::parse(&texts).unwrap();
        Selection { kinds: Vec::new(), patterns: BTreeMap::from([(Kind::Index, patterns)]) }
    }

    #[test]
    fn a_list_of_what_is_wanted_replaces_the_list_of_system_items() {
        let all = Selection::default();
        assert_eq!(all.skipped(Kind::Index, "logs"), None);
        assert!(matches!(all.skipped(Kind::Index, ".kibana_1"), Some(Skipped::System(_))));
        let some = selection(&["logs*", ".kibana*", "-logs-test"]);
        assert_eq!(some.skipped(Kind::Index, ".kibana_1"), None);
        assert_eq!(some.skipped(Kind::Index, "logs-test"), Some(Skipped::NotAskedFor));
        assert_eq!(some.skipped(Kind::Index, "other"), Some(Skipped::NotAskedFor));
        assert_eq!(some.skipped(Kind::Pipeline, "other"), None);
        let but = selection(&["-logs*"]);
        assert_eq!(but.skipped(Kind::Index, "other"), None);
        assert!(matches!(but.skipped(Kind::Index, ".x"), Some(Skipped::System(_))));
    }

    #[test]
    fn regular_expressions_match_whole_names() {
        let some = selection(&["regex:logs-[0-9]+"]);
        assert_eq!(some.skipped(Kind::Index, "logs-12"), None);
        assert_eq!(some.skipped(Kind::Index, "xlogs-12"), Some(Skipped::NotAskedFor));
        let wrong = Patterns::parse(&["regex:(".into()]).unwrap_err();
        assert_eq!(wrong.0, "regex:(");
        assert!(Patterns::parse(&["regex:a{9}{9}{9}{9}{9}{9}".into()]).is_err());
    }
}

//! Exactly the indices that an expression names, for what must not take one too many.
//!
//! [`Scope`] is a superset and right for ordering; a deletion needs the exclusions too.

use crate::scope::{Scope, patterns_meet};

/// An index expression as Elasticsearch and OpenSearch read it: `a,b*,-bc*`, `_all`, `*`.
///
/// Names and patterns take in, from the left; once a pattern has been seen, `-name` and `-pattern`
/// take out what was in before (earlier, a name can't begin with `-`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    expression: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    takes_out: bool,
    /// A name, or one with `*`.
    pattern: String,
}

impl Selection {
    /// `None` for one that only the source can tell: a date-math name (`<logs-{now/d}>`) means
    /// another index every day.
    pub fn of_expression(expression: &str) -> Option<Self> {
        let (mut parts, mut patterns) = (Vec::new(), false);
        for part in expression.split(',').filter(|part| !part.is_empty()) {
            let excluded = part.strip_prefix('-').filter(|_| patterns);
            let named = excluded.unwrap_or(part);
            if named.trim_start_matches(['+', '-']).starts_with('<') {
                return None;
            }
            let pattern = match named {
                "_all" => "*",
                name => name.strip_prefix('+').unwrap_or(name),
            };
            patterns |= pattern.contains('*');
            parts.push(Part { takes_out: excluded.is_some(), pattern: pattern.to_owned() });
        }
        if parts.is_empty() {
            parts.push(Part { takes_out: false, pattern: "*".to_owned() });
        }
        Some(Self { expression: expression.to_owned(), parts })
    }

    /// Patterns of which the last that matches counts: as an expression, in front of which stands `unnamed` where the first
    /// only takes out, or there is none. `None` as in [`Selection::of_expression`].
    pub fn of_patterns(patterns: &[String], unnamed: &str) -> Option<Self> {
        let named = patterns.join(",");
        match patterns.first().is_none_or(|first| first.starts_with('-')) {
            true => Self::of_expression(&format!("{unnamed},{named}")),
            false => Self::of_expression(&named),
        }
    }

    /// All that a scope names.
    pub fn of_scope(scope: &Scope) -> Self {
        let names = match scope {
            Scope::All => vec!["*".to_owned()],
            Scope::Indices(names) => names.clone(),
        };
        let expression = names.join(",");
        let parts = names.into_iter().map(|pattern| Part { takes_out: false, pattern }).collect();
        Self { expression, parts }
    }

    /// Whether the index is named.
    pub fn contains(&self, index: &str) -> bool {
        let meets = |part: &&Part| patterns_meet(part.pattern.as_bytes(), index.as_bytes());
        self.parts.iter().rev().find(meets).is_some_and(|part| !part.takes_out)
    }

    /// As it was given.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The names and patterns that take in.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| !part.takes_out).map(|part| part.pattern.as_str())
    }

    /// The one index that it names, when it is no pattern and no list.
    pub fn single(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [one] if !one.takes_out && !one.pattern.contains('*') => Some(&one.pattern),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_excluded_is_not_named() {
        let check = |expression: &str, inside: &[&str], outside: &[&str]| {
            let selection = Selection::of_expression(expression).unwrap();
            inside.iter().for_each(|name| assert!(selection.contains(name), "{expression} {name}"));
            outside
                .iter()
                .for_each(|name| assert!(!selection.contains(name), "{expression} {name}"));
        };
        check("a,b*,-bc*", &["a", "b", "bd"], &["bc", "bcd", "c"]);
        check("*,-keep", &["a"], &["keep"]);
        check("_all", &["a"], &[]);
        check("", &["a"], &[]);
        check("a*,-ab*,abc", &["aa", "abc"], &["ab"]);
        // Before a pattern a minus takes nothing out.
        check("-a,b", &["b"], &["a", "c"]);
    }

    #[test]
    fn date_math_is_for_the_source_to_tell() {
        for expression in ["<logs-{now/d}>", "a,<b-{now}>", "*,-<b-{now}>"] {
            assert_eq!(Selection::of_expression(expression), None);
        }
    }

    #[test]
    fn only_one_plain_name_is_single() {
        let single =
            |text: &str| Selection::of_expression(text).unwrap().single().map(str::to_owned);
        assert_eq!(single("a").as_deref(), Some("a"));
        assert_eq!((single("a*"), single("a,b"), single("_all")), (None, None, None));
    }
}

//! The reference implementation's configuration of types: which index the documents of an index and a type go to.
//!
//! ```json
//! {"index_mappings": {"activity": {"user": "users", "post": "posts"}},
//!  "regex_mappings": [{"sourceIndexPattern": "time-(.+)", "sourceTypePattern": "(cpu)", "targetIndexPattern": "time-$1-$2"}],
//!  "sourceProperties": {"version": {"major": 5, "minor": 6}}}
//! ```
//! An index that `index_mappings` names has the types that stand there, and no others. For all other indices the first
//! pattern counts that matches the whole index and the whole type. What nothing names is left out.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::Version;

/// Where documents go by a person's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeNames {
    indices: BTreeMap<String, BTreeMap<String, String>>,
    patterns: Vec<Pattern>,
    /// What the configuration says the source is.
    pub source: Option<Version>,
}

#[derive(Clone, Debug)]
struct Pattern {
    index: Regex,
    doc_type: Regex,
    target: String,
}

/// What can't be taken of a configuration of types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeNamesError {
    #[error("{0}")]
    Form(String),
    #[error("pattern `{pattern}`: {why}")]
    Pattern { pattern: String, why: String },
    #[error("`{target}`: there is no group {group} in the patterns")]
    Group { target: String, group: usize },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default, alias = "staticMappings", alias = "indexMappings")]
    index_mappings: BTreeMap<String, BTreeMap<String, String>>,
    /// Without any, each type gets an index of its own.
    #[serde(default, alias = "regexMappings")]
    regex_mappings: Option<Vec<PatternForm>>,
    #[serde(default, rename = "sourceProperties", alias = "source_properties")]
    source: Option<SourceForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PatternForm {
    source_index_pattern: String,
    source_type_pattern: String,
    target_index_pattern: String,
}

#[derive(Deserialize)]
struct SourceForm {
    version: Option<VersionForm>,
}

#[derive(Deserialize)]
struct VersionForm {
    major: u32,
    #[serde(default)]
    minor: u32,
}

impl TypeNames {
    /// Reads what stands under `TypeMappingSanitizationTransformerProvider`.
    ///
    /// # Errors
    /// [`TypeNamesError`] names the key, the pattern or the group that is wrong.
    pub fn parse(settings: &Value) -> Result<Self, TypeNamesError> {
        let form = match settings {
            // The provider's name alone.
            Value::Null => Form::default(),
            Value::Object(_) => Form::deserialize(settings)
                .map_err(|error| TypeNamesError::Form(error.to_string()))?,
            _ => return Err(TypeNamesError::Form("a map is expected".into())),
        };
        let patterns = form.regex_mappings.unwrap_or_else(|| {
            let pattern = |doc_type: &str, target: &str| PatternForm {
                source_index_pattern: "(.+)".into(),
                source_type_pattern: doc_type.into(),
                target_index_pattern: target.into(),
            };
            vec![pattern("_doc", "$1"), pattern("(.+)", "$1_$2")]
        });
        let patterns = patterns.iter().map(Pattern::parse).collect::<Result<_, _>>()?;
        let version = form.source.and_then(|source| source.version);
        let source = version.map(|of| Version::elasticsearch(of.major, of.minor));
        Ok(Self { indices: form.index_mappings, patterns, source })
    }

    /// The index that documents of a type go to; `None`: they are left out.
    pub fn target(&self, index: &str, doc_type: &str) -> Option<String> {
        if let Some(types) = self.indices.get(index) {
            return types.get(doc_type).cloned();
        }
        self.patterns.iter().find_map(|pattern| pattern.target(index, doc_type))
    }
}

impl Pattern {
    fn parse(form: &PatternForm) -> Result<Self, TypeNamesError> {
        // Not a part of a name: all of it.
        let whole = |pattern: &str| {
            Regex::new(&format!("^(?:{pattern})$")).map_err(|error| TypeNamesError::Pattern {
                pattern: pattern.to_owned(),
                why: error.to_string(),
            })
        };
        let (index, doc_type) =
            (whole(&form.source_index_pattern)?, whole(&form.source_type_pattern)?);
        let target = form.target_index_pattern.clone();
        let groups = index.captures_len() - 1 + doc_type.captures_len() - 1;
        for piece in pieces(&target) {
            if let Piece::Group(group) = piece
                && !(1..=groups).contains(&group)
            {
                return Err(TypeNamesError::Group { target, group });
            }
        }
        Ok(Self { index, doc_type, target })
    }

    /// The groups of the index are numbered first.
    fn target(&self, index: &str, doc_type: &str) -> Option<String> {
        let (of_index, of_type) = (self.index.captures(index)?, self.doc_type.captures(doc_type)?);
        let groups = of_index.iter().skip(1).chain(of_type.iter().skip(1));
        let groups: Vec<&str> =
            groups.map(|group| group.map_or("", |group| group.as_str())).collect();
        let text = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Group(group) => groups.get(group - 1).copied().unwrap_or_default(),
        };
        Some(pieces(&self.target).into_iter().map(text).collect())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let texts = |of: &Self| {
            (of.index.as_str().to_owned(), of.doc_type.as_str().to_owned(), of.target.clone())
        };
        texts(self) == texts(other)
    }
}

impl Eq for Pattern {}

enum Piece<'a> {
    Text(&'a str),
    Group(usize),
}

/// `a-$1` in pieces; a `$` without a number is one.
fn pieces(target: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = target;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let digits = after[1..].bytes().take(2).take_while(u8::is_ascii_digit).count();
        let (group, next) = after.split_at(1 + digits);
        pieces.push(Piece::Text(before));
        pieces.push(match group[1..].parse() {
            Ok(number) => Piece::Group(number),
            Err(_) => Piece::Text(group),
        });
        rest = next;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(settings: Value) -> TypeNames {
        TypeNames::parse(&settings).unwrap()
    }

    #[test]
    fn an_index_that_is_named_has_the_types_that_are_named() {
        for key in ["index_mappings", "staticMappings"] {
            let names = names(json!({
                key: {"activity": {"user": "users", "post": "posts"}, "gone": {}},
                "regex_mappings": [{"sourceIndexPattern": ".*", "sourceTypePattern": ".*", "targetIndexPattern": "rest"}],
            }));
            assert_eq!(names.target("activity", "user").as_deref(), Some("users"));
            assert_eq!(names.target("activity", "other"), None);
            assert_eq!(names.target("gone", "user"), None);
            assert_eq!(names.target("else", "user").as_deref(), Some("rest"));
        }
    }

    #[test]
    fn the_first_pattern_that_matches_counts_and_groups_go_on_through_both() {
        let names = names(json!({"regexMappings": [
            {"sourceIndexPattern": "time-(.*)", "sourceTypePattern": "(cpu)", "targetIndexPattern": "time-$1-$2"},
            {"sourceIndexPattern": "(.*)", "sourceTypePattern": "(.*)-(cpu)", "targetIndexPattern": "$2-$3-$1"},
            {"sourceIndexPattern": "all", "sourceTypePattern": "a|b", "targetIndexPattern": "$all$"},
        ]}));
        let target = |index, doc_type| names.target(index, doc_type);
        assert_eq!(target("time-nov", "cpu").as_deref(), Some("time-nov-cpu"));
        assert_eq!(target("time-nov", "host-cpu").as_deref(), Some("host-cpu-time-nov"));
        assert_eq!(target("all", "b").as_deref(), Some("$all$"));
        // The whole of a name, not a part of it.
        assert_eq!((target("all", "bc"), target("overall", "b")), (None, None));
    }

    #[test]
    fn without_patterns_each_type_has_an_index() {
        for names in [names(json!({})), names(Value::Null)] {
            assert_eq!(names.target("i", "_doc").as_deref(), Some("i"));
            assert_eq!(names.target("i", "t").as_deref(), Some("i_t"));
            assert_eq!(names.source, None);
        }
        let names = names(
            json!({"regex_mappings": [], "sourceProperties": {"version": {"major": 5, "minor": 6}}}),
        );
        assert_eq!(names.target("i", "t"), None);
        assert_eq!(names.source, Some(Version::elasticsearch(5, 6)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let pattern = |index: &str, target: &str| json!({"regex_mappings": [{"sourceIndexPattern": index, "sourceTypePattern": "(.*)", "targetIndexPattern": target}]});
        for (settings, expected) in [
            (json!({"mappings": {}}), "`mappings`"),
            (json!({"index_mappings": {"i": {"t": 1}}}), "expected a string"),
            (json!({"regex_mappings": [{"sourceIndexPattern": "a"}]}), "sourceTypePattern"),
            (pattern("(", "$1"), "pattern `(`"),
            (pattern("a", "$2"), "no group 2"),
            (pattern("a", "$0"), "no group 0"),
            (json!([]), "a map is expected"),
        ] {
            let error = TypeNames::parse(&settings).unwrap_err().to_string();
            assert!(error.contains(expected), "{settings}: {error}");
        }
    }
}

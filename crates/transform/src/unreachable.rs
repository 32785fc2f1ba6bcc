//! Files that analyzers name, and that only the nodes of the source have.

use serde_json::Value;

/// A file that the target's nodes need before they take a definition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unreachable {
    /// The part of the definition that names it, as a dotted path.
    pub path: String,
    /// Relative to a node's `config` folder, or absolute.
    pub file: String,
}

/// Keys of parts of analyzers whose value is a path.
const KEYS: &[&str] = &[
    "articles_path",
    "common_words_path",
    "hyphenation_patterns_path",
    "keep_types_path",
    "keep_words_path",
    "keywords_path",
    "mappings_path",
    "protected_words_path",
    "rules_path",
    "stem_exclusion_path",
    "stopwords_path",
    "synonyms_path",
    "tokenizer_rules_path",
    "type_table_path",
    "user_dictionary",
    "word_list_path",
];

/// `Latn:rules.rbbi, Cyrl:other.rbbi` of the ICU tokenizer.
const BY_SCRIPT: &str = "rule_files";

/// Every file named by the analysis settings in `body` (a definition, a template, or settings alone, in any form).
pub fn unreachable(body: &Value) -> Vec<Unreachable> {
    let mut found = Vec::new();
    below("", body, &mut found);
    found
}

fn below(path: &str, value: &Value, found: &mut Vec<Unreachable>) {
    let Value::Object(object) = value else { return };
    // A hunspell filter names its dictionary by language.
    let is_hunspell = object.get("type").is_some_and(|kind| kind == "hunspell");
    for (key, value) in object {
        // Analyzers are among settings.
        if key == "mappings" && matches!(path, "" | "template") {
            continue;
        }
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let of_analysis = full.starts_with("analysis.") || full.contains(".analysis.");
        let last = full.rsplit('.').next().unwrap_or(&full);
        let mut push =
            |file: &str| found.push(Unreachable { path: full.clone(), file: file.to_owned() });
        match value {
            Value::Object(_) => below(&full, value, found),
            Value::String(file) if of_analysis && KEYS.contains(&last) => push(file),
            Value::String(files) if of_analysis && last == BY_SCRIPT => {
                for file in files.split(',') {
                    push(file.trim().split_once(':').map_or(file.trim(), |(_, file)| file.trim()));
                }
            }
            Value::String(language)
                if of_analysis && is_hunspell && ["locale", "language", "lang"].contains(&last) =>
            {
                push(&format!("hunspell/{language}"));
            }
            _ => {}
        }
    }
    // The same in flat settings.
    for (key, value) in object.iter().filter(|(_, value)| *value == "hunspell") {
        let Some(part) = key.strip_suffix(".type").filter(|part| part.contains("analysis.")) else {
            continue;
        };
        let _ = value;
        for of in ["locale", "language", "lang"] {
            let named = format!("{part}.{of}");
            if let Some(language) = object.get(&named).and_then(Value::as_str) {
                let path = if path.is_empty() { named } else { format!("{path}.{named}") };
                found.push(Unreachable { path, file: format!("hunspell/{language}") });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_file_is_found_nested_and_flat() {
        for key in KEYS {
            for body in [
                json!({"settings": {"index": {"analysis": {"filter": {"f": {"type": "x", *key: "a/b.txt"}}}}}}),
                json!({"template": {"settings": {format!("index.analysis.filter.f.{key}"): "a/b.txt"}}}),
                json!({"analysis": {"filter": {"f": {*key: "a/b.txt"}}}}),
            ] {
                let found = unreachable(&body);
                assert_eq!((found.len(), &found[0].file[..]), (1, "a/b.txt"), "{key}");
                assert!(found[0].path.ends_with(&format!("analysis.filter.f.{key}")), "{found:?}");
            }
        }
    }

    #[test]
    fn dictionaries_are_named_by_language_and_rules_by_script() {
        let nested = json!({"settings": {"analysis": {"filter": {"h": {"type": "hunspell", "locale": "en_US"}}}}});
        let flat = json!({"index.analysis.filter.h.type": "hunspell", "index.analysis.filter.h.locale": "en_US"});
        for body in [nested, flat] {
            assert_eq!(unreachable(&body)[0].file, "hunspell/en_US");
        }
        let icu =
            json!({"analysis": {"tokenizer": {"t": {"rule_files": "Latn:a.rbbi, Cyrl:b.rbbi"}}}});
        let files: Vec<_> = unreachable(&icu).into_iter().map(|found| found.file).collect();
        assert_eq!(files, ["a.rbbi", "b.rbbi"]);
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let body = json!({"mappings": {"properties": {"synonyms_path": {"type": "keyword"}, "user_dictionary": {}}},
                          "settings": {"analysis": {"filter": {"f": {"synonyms": ["a, b"], "locale": "en"}}}}});
        assert_eq!(unreachable(&body), []);
    }
}

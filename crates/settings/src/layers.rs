//! The three layers: file, environment, flags.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

/// What is wrong with a program's settings. All are exit code 78.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("{place}: there is no setting `{key}`{hint}")]
    Unknown { place: String, key: String, hint: String },
    #[error("{place}: {reason}")]
    Value { place: String, reason: String },
}

/// Merges the settings of `program` (such as `capture-proxy`): `file`, then the variables
/// `GODWIT_CAPTURE_PROXY__KEY` of `environment`, then `flags`. A later layer wins, key by key.
/// `known` lists the keys there are, in kebab case.
///
/// # Errors
/// [`SettingsError`] names the layer and the key; unknown keys come with the nearest known one.
pub fn layered<T: Serialize + DeserializeOwned>(
    program: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &T,
    known: &[&str],
) -> Result<T, SettingsError> {
    let mut merged = Map::new();
    if let Some(path) = file {
        let layer = read(path)?;
        check::<T>(&path.display().to_string(), &layer, known)?;
        merged.extend(layer);
    }
    let section = program.replace('-', "_").to_ascii_uppercase();
    let prefix = format!("GODWIT_{section}__");
    for (name, value) in environment {
        let Some(key) = name.strip_prefix(&prefix) else { continue };
        let key = key.replace('_', "-").to_ascii_lowercase();
        let layer = |value: Value| Map::from_iter([(key.clone(), value)]);
        // A list has an item a line; what isn't taken as one may still be a single value.
        let list = layer(value.lines().map(str::trim).filter(|line| !line.is_empty()).collect());
        let layer = match check::<T>(&name, &list, known) {
            Ok(()) => list,
            Err(_) => layer(plain(value)),
        };
        check::<T>(&name, &layer, known)?;
        merged.extend(layer);
    }
    let typed = serde_json::to_value(flags).map_err(|error| wrong("flags", &error))?;
    if let Value::Object(layer) = typed {
        merged.extend(layer.into_iter().filter(|(_, value)| !is_unset(value)));
    }
    serde_json::from_value(Value::Object(merged)).map_err(|error| wrong("settings", &error))
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, SettingsError> {
    let fail = |reason: String| SettingsError::File { path: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let value: Option<Map<String, Value>> =
        serde_saphyr::from_str(&text).map_err(|error| fail(error.to_string()))?;
    Ok(value.unwrap_or_default())
}

/// Each key known, each value of the right kind by itself, so that the error names its place.
fn check<T: DeserializeOwned>(
    place: &str,
    layer: &Map<String, Value>,
    known: &[&str],
) -> Result<(), SettingsError> {
    for (key, value) in layer {
        if !known.contains(&key.as_str()) {
            let near = nearest(key, known.iter().copied());
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(SettingsError::Unknown { place: place.into(), key: key.clone(), hint });
        }
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        serde_json::from_value::<T>(alone)
            .map_err(|error| wrong(&format!("{place}, `{key}`"), &error))?;
    }
    Ok(())
}

fn wrong(place: &str, error: &serde_json::Error) -> SettingsError {
    SettingsError::Value { place: place.into(), reason: error.to_string() }
}

/// A variable's text as the kind of value it looks like.
fn plain(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number if number.parse::<i64>().is_ok() => {
            number.parse::<i64>().map_or(Value::Null, Value::from)
        }
        _ => Value::String(text),
    }
}

/// The word of `known` that was probably meant by one that isn't there.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.into_iter().min_by_key(|known| distance(known, word))?;
    (distance(near, word) <= word.len().div_ceil(3)).then_some(near)
}

/// Levenshtein's distance, for suggestions.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut corner = above;
        row[0] = above + 1;
        for (at, other) in right.iter().enumerate() {
            let change = corner + usize::from(letter != *other);
            corner = row[at + 1];
            row[at + 1] = change.min(corner + 1).min(row[at] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Some3 {
        listen: Option<String>,
        spill_limit: Option<Size>,
        threads: Option<usize>,
        properties: Vec<String>,
    }

    const KNOWN: [&str; 4] = ["listen", "spill-limit", "threads", "properties"];

    fn merge(file: &str, env: &[(&str, &str)], flags: &Some3) -> Result<Some3, SettingsError> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("c.yaml");
        std::fs::write(&path, file).unwrap();
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        layered("capture-proxy", Some(&path), env, flags, &KNOWN)
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = "listen: a:1\nspill-limit: 1GiB\nthreads: 1\n";
        let env =
            [("GODWIT_CAPTURE_PROXY__SPILL_LIMIT", "2GiB"), ("GODWIT_CAPTURE_PROXY__THREADS", "2")];
        let flags = Some3 { threads: Some(3), ..Some3::default() };
        let merged = merge(file, &env, &flags).unwrap();
        let expected = Some3 {
            listen: Some("a:1".into()),
            spill_limit: Some(Size(2 << 30)),
            threads: Some(3),
            properties: vec![],
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_list_in_a_variable_has_an_item_a_line() {
        let env = [("GODWIT_CAPTURE_PROXY__PROPERTIES", "a=1,2\n  b=true\n")];
        let merged = merge("properties: [x]\n", &env, &Some3::default()).unwrap();
        assert_eq!(merged.properties, ["a=1,2", "b=true"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let unknown = merge("lissten: a:1\n", &[], &Some3::default()).unwrap_err().to_string();
        assert!(unknown.ends_with("no setting `lissten`; did you mean `listen`?"), "{unknown}");
        let env = [("GODWIT_CAPTURE_PROXY__SPILL_LIMIT", "lots")];
        let value = merge("", &env, &Some3::default()).unwrap_err().to_string();
        assert!(value.starts_with("GODWIT_CAPTURE_PROXY__SPILL_LIMIT, `spill-limit`"), "{value}");
        assert!(matches!(merge("a: [", &[], &Some3::default()), Err(SettingsError::File { .. })));
    }
}

//! The names of the reference implementation's configuration, as far as they make sense here.

use serde_json::{Map, Value};

use crate::{
    RulesError,
    configuration::{Condition, ReadFile, Rule, Step, TYPES, text},
    javascript::Script,
};

/// Rules of an entry `{name: settings}`. `listed`: scripts get messages in a list, as its backfill hands them out.
pub(crate) fn rules(
    place: &str,
    name: &str,
    settings: Value,
    listed: bool,
    read: ReadFile<'_>,
) -> Result<Vec<Rule>, RulesError> {
    let refuse = |why: &str| Err(RulesError::Rule { rule: place.to_owned(), why: why.to_owned() });
    match name {
        "NoopTransformerProvider" => Ok(Vec::new()),
        "JsonJSTransformerProvider" => {
            let script = script(place, settings, listed, read)?;
            Ok(vec![Rule::Step(place.to_owned(), Step::JavaScript(script), true)])
        }
        "JsonConditionalTransformerProvider" => conditional(place, settings, listed, read),
        "FlatteningJsonArrayTransformerProvider" => {
            let (name, settings) = only(settings).ok_or_else(|| wrong(place, "one transformer"))?;
            rules(&format!("{place} {name}"), &name, settings, false, read)
        }
        "JsonJMESPathPredicateProvider" | "JsonJSPredicateProvider" => {
            refuse("a predicate is the first of the two of a JsonConditionalTransformerProvider")
        }
        "JsonJoltTransformerProvider" => refuse("there is no Jolt here: write the rule in `jq`"),
        "JsonJMESPathTransformerProvider" => {
            refuse("JMESPath is for conditions (`when`) here: write the rule in `jq`")
        }
        "JsonPythonTransformerProvider" => {
            refuse("there is no Python here: write the rule in `js` or `jq`")
        }
        "JsonJinjavaTransformerProvider" => {
            refuse("there are no templates here: write the rule in `jq`")
        }
        TYPES => refuse(
            "the replayer alone takes it, in the list itself: take it out (--types of backfill and metadata)",
        ),
        "JsonTransformerForDocumentTypeRemovalProvider" => {
            refuse("types are removed without a rule: take it out")
        }
        "SolrTransformerProvider" => refuse("Solr is no source here"),
        _ => refuse("there is no such provider here: write the rule in `jq` or `js`"),
    }
}

fn wrong(place: &str, expected: &str) -> RulesError {
    RulesError::Rule { rule: place.to_owned(), why: format!("{expected} is expected") }
}

/// A map's only member.
fn only(value: Value) -> Option<(String, Value)> {
    match value {
        Value::Object(members) if members.len() == 1 => members.into_iter().next(),
        _ => None,
    }
}

/// `[predicate, transformers]`
fn conditional(
    place: &str,
    settings: Value,
    listed: bool,
    read: ReadFile<'_>,
) -> Result<Vec<Rule>, RulesError> {
    const PAIR: &str = "a list of a predicate and a list of transformers";
    let Value::Array(pair) = settings else { return Err(wrong(place, PAIR)) };
    let Ok([predicate, transformers]) = <[Value; 2]>::try_from(pair) else {
        return Err(wrong(place, PAIR));
    };
    let (name, predicate) = only(predicate).ok_or_else(|| wrong(place, PAIR))?;
    let at = format!("{place} {name}");
    let condition = match (name.as_str(), predicate) {
        ("JsonJMESPathPredicateProvider", Value::Object(mut members)) => {
            let found = text(&mut members, "script");
            let found = found.map_err(|why| RulesError::Rule { rule: at.clone(), why })?;
            Condition::JmesPath(found.ok_or_else(|| wrong(&at, "`script`"))?)
        }
        ("JsonJSPredicateProvider", settings) => {
            Condition::JavaScript(script(&at, settings, false, read)?)
        }
        _ => return Err(wrong(&at, "JsonJMESPathPredicateProvider or JsonJSPredicateProvider")),
    };
    let transformers = match transformers {
        Value::Array(list) => list,
        one => vec![one],
    };
    let mut under = Vec::new();
    for transformer in transformers {
        let (name, settings) = only(transformer).ok_or_else(|| wrong(place, PAIR))?;
        under.extend(rules(&format!("{place} {name}"), &name, settings, listed, read)?);
    }
    Ok(vec![Rule::When(at, condition, under)])
}

fn script(
    place: &str,
    settings: Value,
    listed: bool,
    read: ReadFile<'_>,
) -> Result<Script, RulesError> {
    let refuse = |why: String| RulesError::Rule { rule: place.to_owned(), why };
    let Value::Object(mut members) = settings else {
        return Err(wrong(
            place,
            "a map with `initializationScript` or `initializationScriptFile`",
        ));
    };
    let inline = text(&mut members, "initializationScript").map_err(refuse)?;
    let file = text(&mut members, "initializationScriptFile").map_err(refuse)?;
    let source = match (inline, file) {
        (Some(source), None) => source,
        (None, Some(path)) => read(&path).map_err(|error| refuse(format!("{path}: {error}")))?,
        _ if members.contains_key("initializationResourcePath") => {
            let why = "resources are inside of the other program: save the script, and name it by \
                       `initializationScriptFile`";
            return Err(refuse(why.into()));
        }
        _ => {
            return Err(wrong(
                place,
                "exactly one of `initializationScript` and `initializationScriptFile`",
            ));
        }
    };
    let bindings = match members.remove("bindingsObject") {
        None | Some(Value::Null) => Value::Object(Map::new()).to_string(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    if let Some(name) = members.keys().next() {
        return Err(refuse(format!("`{name}` isn't known here: write it into `bindingsObject`")));
    }
    Ok(Script { source, bindings, maps: true, listed })
}

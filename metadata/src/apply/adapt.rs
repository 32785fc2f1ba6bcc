//! Which part of a body the target's words name, and the body without it.

use regex::Regex;
use serde_json::{Map, Value};

use crate::{Kind, plan::Change};

/// A part that words name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// By its full name.
    Setting(String),
    /// A parameter of a field.
    Parameter { field: String, parameter: String },
    /// A parameter of a field, whichever fields have it with this value.
    Value { parameters: &'static [&'static str], value: String },
    /// A field by its name, with what type it has.
    Field { name: String, kind: String },
    /// A parameter of the whole mapping.
    Root(String),
    /// `filter`, `tokenizer`, … and the name of one.
    Analysis { group: String, name: String },
    /// Every processor of a type.
    Processor(String),
}

impl Part {
    /// As the report has it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Setting(name) => format!("setting {name}"),
            Self::Parameter { field, parameter } => {
                format!("parameter {parameter} of field {field}")
            }
            Self::Value { parameters, value } => format!("{} {value}", parameters.join(" or ")),
            Self::Field { name, kind } => format!("field {name} of type {kind}"),
            Self::Root(name) => format!("parameter {name} of the mapping"),
            Self::Analysis { group, name } => format!("{group} {name}"),
            Self::Processor(name) => format!("processor {name}"),
        }
    }
}

const ANALYZERS: &[&str] = &["analyzer", "search_analyzer", "search_quote_analyzer"];

/// Finds the parts that words name.
pub(super) fn parts(words: &str, kind: Kind) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut each = |pattern: &str, part: &dyn Fn(&regex::Captures<'_>) -> Part| {
        // The patterns are ours, and so valid; one that weren't would find nothing.
        let found = Regex::new(pattern).ok();
        for captures in found.iter().flat_map(|regex| regex.captures_iter(words)) {
            let part = part(&captures);
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    };
    let text = |captures: &regex::Captures<'_>, at: usize| captures[at].to_owned();
    let setting = |captures: &regex::Captures<'_>| Part::Setting(text(captures, 1));
    if kind == Kind::Pipeline {
        each(r"No processor type exists with name \[([^\]]+)\]", &|c| Part::Processor(text(c, 1)));
        return parts;
    }
    each(r"unknown setting \[([^\]]+)\]", &setting);
    each(r"index setting \[([^\]]+)\]", &setting);
    each(r"for setting \[([^\]]+)\]", &setting);
    each(r"final [^\[]*setting \[([^\]]+)\]", &setting);
    each(r"unknown parameter \[([^\]]+)\] on mapper \[([^\]]+)\]", &|c| Part::Parameter {
        parameter: text(c, 1),
        field: text(c, 2),
    });
    each(r"No handler for type \[([^\]]+)\] declared on field \[([^\]]+)\]", &|c| Part::Field {
        kind: text(c, 1),
        name: text(c, 2),
    });
    each(r"Mapping definition for \[([^\]]+)\] has unsupported parameters:\s+\[([^\] ]+)", &|c| {
        Part::Parameter { field: text(c, 1), parameter: text(c, 2) }
    });
    each(r"Root mapping definition has unsupported parameters:\s+\[([^\] ]+)", &|c| {
        Part::Root(text(c, 1))
    });
    each(r"nalyzer \[([^\]]+)\] (?:not found for field|has not been configured)", &|c| {
        Part::Value { parameters: ANALYZERS, value: text(c, 1) }
    });
    each(r"[Uu]nknown [Ss]imilarity type \[([^\]]+)\]", &|c| Part::Value {
        parameters: &["similarity"],
        value: text(c, 1),
    });
    each(
        r"Unknown (filter|tokenizer|char_filter|analyzer|normalizer) type \[[^\]]+\] for \[([^\]]+)\]",
        &|c| Part::Analysis { group: text(c, 1), name: text(c, 2) },
    );
    parts
}

/// Takes a part out; what was there, with its path. Empty: it isn't there.
pub(super) fn take_out(body: &mut Value, part: &Part, why: &str) -> Vec<Change> {
    let mut taken = Vec::new();
    if let Part::Processor(name) = part {
        processors(body, "", name, &mut taken);
        return changes(taken, why);
    }
    let holder = match body.get("template") {
        Some(Value::Object(_)) => body.get_mut("template"),
        _ => Some(body),
    };
    let Some(holder) = holder.and_then(Value::as_object_mut) else { return Vec::new() };
    match part {
        Part::Setting(name) => setting(holder, name, &mut taken),
        Part::Analysis { group, name } => {
            setting(holder, &format!("index.analysis.{group}.{name}"), &mut taken);
            chains(holder, group, name, &mut taken);
        }
        Part::Root(name) => {
            if let Some(Value::Object(mappings)) = holder.get_mut("mappings")
                && let Some(value) = mappings.remove(name)
            {
                taken.push((format!("mappings.{name}"), value));
            }
        }
        Part::Field { .. } | Part::Parameter { .. } | Part::Value { .. } => {
            if let Some(Value::Object(mappings)) = holder.get_mut("mappings") {
                fields(mappings, "mappings", "", part, &mut taken);
            }
        }
        Part::Processor(_) => {}
    }
    changes(taken, why)
}

fn changes(taken: Vec<(String, Value)>, why: &str) -> Vec<Change> {
    let change = |(path, before): (String, Value)| {
        let why = format!("the target refused it: {why}");
        Change { path, before, after: Value::Null, why, deferred: false }
    };
    taken.into_iter().map(change).collect()
}

type Taken = Vec<(String, Value)>;

/// A setting with what is below its name.
fn setting(holder: &mut Map<String, Value>, name: &str, taken: &mut Taken) {
    let Some(Value::Object(settings)) = holder.get_mut("settings") else { return };
    let full = if name.starts_with("index.") { name.to_owned() } else { format!("index.{name}") };
    let below = format!("{full}.");
    settings.retain(|key, value| {
        let keep = *key != full && !key.starts_with(&below) && key != name;
        if !keep {
            taken.push((format!("settings.{key}"), value.take()));
        }
        keep
    });
}

/// Takes a filter out of the analyzers that name it.
fn chains(holder: &mut Map<String, Value>, group: &str, name: &str, taken: &mut Taken) {
    let Some(Value::Object(settings)) = holder.get_mut("settings") else { return };
    let end = format!(".{group}");
    for (key, list) in settings.iter_mut().filter(|(key, _)| key.ends_with(&end)) {
        let Value::Array(names) = list else { continue };
        let before = Value::Array(names.clone());
        names.retain(|other| other != name);
        if before != *list {
            taken.push((format!("settings.{key}"), before));
        }
    }
}

/// Fields by name or by full name: words give either.
fn fields(object: &mut Map<String, Value>, path: &str, name: &str, part: &Part, taken: &mut Taken) {
    for group in ["properties", "fields"] {
        let Some(Value::Object(members)) = object.get_mut(group) else { continue };
        members.retain(|key, member| {
            let path = format!("{path}.{group}.{key}");
            let full = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let Value::Object(field) = member else { return true };
            match part {
                Part::Field { name, kind }
                    if (key == name || full == *name)
                        && field.get("type").and_then(Value::as_str) == Some(kind) =>
                {
                    taken.push((path, member.take()));
                    return false;
                }
                Part::Parameter { field: name, parameter } if key == name || full == *name => {
                    if let Some(value) = field.remove(parameter) {
                        taken.push((format!("{path}.{parameter}"), value));
                    }
                }
                Part::Value { parameters, value } => {
                    for parameter in *parameters {
                        if field.get(*parameter).and_then(Value::as_str) == Some(value)
                            && let Some(value) = field.remove(*parameter)
                        {
                            taken.push((format!("{path}.{parameter}"), value));
                        }
                    }
                }
                _ => {}
            }
            fields(field, &path, &full, part, taken);
            true
        });
    }
}

/// Processors of a type, also those that others hold.
fn processors(value: &mut Value, path: &str, name: &str, taken: &mut Taken) {
    match value {
        Value::Array(list) => {
            let mut at = 0;
            list.retain_mut(|processor| {
                let path = format!("{path}.{at}");
                at += 1;
                let is_it =
                    processor.as_object().is_some_and(|of| of.len() == 1 && of.contains_key(name));
                if is_it {
                    taken.push((path, processor.take()));
                } else {
                    processors(processor, &path, name, taken);
                }
                !is_it
            });
        }
        Value::Object(object) => {
            for (key, inner) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                processors(inner, &path, name, taken);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The words, the part they name, and the paths that go.
    fn check(kind: Kind, words: &str, mut body: Value, paths: &[&str]) -> Value {
        let parts = parts(words, kind);
        assert!(!parts.is_empty(), "{words}");
        let mut gone = Vec::new();
        for part in &parts {
            gone.extend(take_out(&mut body, part, "w").into_iter().map(|change| change.path));
        }
        assert_eq!(gone, paths, "{words}: {parts:?}");
        body
    }

    #[test]
    fn settings_that_words_name_go() {
        for words in [
            "illegal_argument_exception: unknown setting [index.x.y] please check that any required plugins are installed",
            "validation_exception: Validation Failed: 1: private index setting [index.x.y] can not be set explicitly;",
            "illegal_argument_exception: Failed to parse value [z] for setting [index.x.y]",
        ] {
            let body = json!({"settings": {"index.x.y": 1, "index.z": 1}});
            let rest = check(Kind::Index, words, body, &["settings.index.x.y"]);
            assert_eq!(rest, json!({"settings": {"index.z": 1}}));
        }
    }

    #[test]
    fn fields_and_parameters_that_words_name_go() {
        let body = || {
            json!({"template": {"mappings": {"properties": {"o": {"properties": {
                "f": {"type": "x", "p": 1, "analyzer": "a"}}}, "g": {"type": "text", "analyzer": "a"}}}}})
        };
        check(
            Kind::ComponentTemplate,
            "mapper_parsing_exception: No handler for type [x] declared on field [f]",
            body(),
            &["mappings.properties.o.properties.f"],
        );
        check(
            Kind::ComponentTemplate,
            "mapper_parsing_exception: unknown parameter [p] on mapper [f] of type [x]",
            body(),
            &["mappings.properties.o.properties.f.p"],
        );
        check(
            Kind::ComponentTemplate,
            "mapper_parsing_exception: analyzer [a] has not been configured in mappings",
            body(),
            &["mappings.properties.g.analyzer", "mappings.properties.o.properties.f.analyzer"],
        );
        check(
            Kind::Index,
            "Root mapping definition has unsupported parameters:  [_x : {a=1}]",
            json!({"mappings": {"_x": {"a": 1}}}),
            &["mappings._x"],
        );
    }

    #[test]
    fn filters_go_from_the_chains_too() {
        let body = json!({"settings": {"index.analysis.filter.f.type": "odd",
            "index.analysis.analyzer.a.filter": ["lowercase", "f"]}});
        let words = "illegal_argument_exception: Unknown filter type [odd] for [f]";
        let paths =
            ["settings.index.analysis.filter.f.type", "settings.index.analysis.analyzer.a.filter"];
        let rest = check(Kind::Index, words, body, &paths);
        assert_eq!(rest, json!({"settings": {"index.analysis.analyzer.a.filter": ["lowercase"]}}));
    }

    #[test]
    fn processors_go_wherever_they_are() {
        let body = json!({"processors": [{"set": {"field": "a"}}, {"odd": {}},
            {"foreach": {"processor": {"set": {}}, "on_failure": [{"odd": {}}]}}]});
        let words = "parse_exception: No processor type exists with name [odd]";
        let paths = ["processors.1", "processors.2.foreach.on_failure.0"];
        let rest = check(Kind::Pipeline, words, body, &paths);
        assert_eq!(rest["processors"].as_array().unwrap().len(), 2);
    }
}

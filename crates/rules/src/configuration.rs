//! A configuration's text → rules.
//!
//! ```yaml
//! limits: {time: 1s, memory: 64MiB}
//! rules:
//!   - when: operation._index == 'logs'      # JMESPath
//!     jq: .document.host = .document.hostname | del(.document.hostname)
//!   - js: |
//!       (bindings) => (message) => message.document.level === bindings.level ? null : message
//!     bindings: {level: debug}
//!   - JsonJSTransformerProvider: {initializationScriptFile: /etc/rules/old.js}
//! ```
//! A list of rules alone will do. JSON is YAML.

use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{Engine, Limits, javascript::Script, providers};

/// Rules as they are configured: text, to be shared by threads, of which each compiles its own [`Engine`].
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Limits,
}

/// The provider whose settings say which index documents of a type go to.
pub(crate) const TYPES: &str = "TypeMappingSanitizationTransformerProvider";

/// What [`Rules::parse_with_types`] finds.
#[derive(Clone, Debug)]
pub struct WithTypes {
    /// `None`: nothing but types is configured.
    pub rules: Option<Rules>,
    /// What stands under the provider's name.
    pub types: Option<Value>,
}

#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// The last: whether it looks at what a message carries, not at its head alone.
    Step(String, Step, bool),
    /// Rules that apply only where a condition holds.
    When(String, Condition, Vec<Rule>),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Jq(String),
    JavaScript(Script),
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    JmesPath(String),
    JavaScript(Script),
}

/// A configuration that can't be taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RulesError {
    #[error("the rules can't be read: {0}")]
    Syntax(String),
    #[error("{0}: a list of rules is expected, or `rules` with such a list and perhaps `limits`")]
    NoList(&'static str),
    #[error("{rule}: {why}")]
    Rule { rule: String, why: String },
    #[error("limits.{name}: {why}")]
    Limit { name: String, why: String },
}

/// What a script in the reference implementation's form is handed: its tools differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// Messages in a list, of one: as its backfill does.
    List,
    /// The message: as its replayer and its metadata migration do.
    Message,
}

/// Reads a file that a configuration names, as text.
pub type ReadFile<'r> = &'r mut dyn FnMut(&str) -> Result<String, String>;

impl Rules {
    /// Reads a configuration, in YAML or JSON, and compiles the rules once to see that they can be.
    ///
    /// # Errors
    /// [`RulesError`] names the rule by its place in the list, and what to do.
    pub fn parse(text: &str, handed: Handed, read: ReadFile<'_>) -> Result<Self, RulesError> {
        let (list, limits) = listed(text)?;
        Self::build(list, limits, handed, read)
    }

    /// As [`Rules::parse`], with the reference implementation's configuration of types, which isn't a rule.
    ///
    /// # Errors
    /// As [`Rules::parse`].
    pub fn parse_with_types(
        text: &str,
        handed: Handed,
        read: ReadFile<'_>,
    ) -> Result<WithTypes, RulesError> {
        let (mut list, limits) = listed(text)?;
        let mut types = None;
        for (at, entry) in list.iter_mut().enumerate() {
            let Some(settings) = entry.get_mut(TYPES) else { continue };
            let place = format!("rule {} ({TYPES})", at + 1);
            let refuse = |why: &str| RulesError::Rule { rule: place.clone(), why: why.to_owned() };
            let settings = settings.take();
            if entry.as_object().is_none_or(|entry| entry.len() > 1) {
                return Err(refuse("it stands alone in its map"));
            }
            if types.replace(settings).is_some() {
                return Err(refuse("it is there twice"));
            }
            // The others keep their places.
            *entry = serde_json::json!({"NoopTransformerProvider": null});
        }
        let rules = match Self::build(list, limits, handed, read) {
            Ok(rules) => Some(rules),
            Err(RulesError::NoList(_)) if types.is_some() => None,
            Err(error) => return Err(error),
        };
        Ok(WithTypes { rules, types })
    }

    fn build(
        list: Vec<Value>,
        limits: Limits,
        handed: Handed,
        read: ReadFile<'_>,
    ) -> Result<Self, RulesError> {
        let mut rules = Vec::new();
        for (at, entry) in list.into_iter().enumerate() {
            rules.extend(rule(&format!("rule {}", at + 1), entry, handed, read)?);
        }
        if rules.is_empty() {
            return Err(RulesError::NoList("empty"));
        }
        let rules = Self { rules, limits };
        // Wherever this is called, there may be less stack.
        let stack = rules.limits.stack.min(256 << 10);
        Engine::new(&Self { limits: Limits { stack, ..rules.limits }, ..rules.clone() })?;
        Ok(rules)
    }

    /// What the rules are, files included: equal for equal rules.
    pub fn fingerprint(&self) -> String {
        // FNV-1a, twice: what has to be noticed is an edited file, not an attack.
        let text = format!("{self:?}");
        let hash = |seed: u64| {
            let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            text.bytes().fold(seed, step)
        };
        format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4))
    }

    /// What one message may cost.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// A configuration's list, and its limits.
fn listed(text: &str) -> Result<(Vec<Value>, Limits), RulesError> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => {
            serde_saphyr::from_str(text).map_err(|error| RulesError::Syntax(error.to_string()))?
        }
    };
    let (list, limits) = match value {
        Value::Array(list) => (list, Limits::default()),
        Value::Object(mut members) => {
            let limits = members.remove("limits").map(limits).transpose()?;
            let rules = members.remove("rules");
            if let Some((name, _)) = members.into_iter().next() {
                let why = "there are `rules` and `limits` beside each other".to_owned();
                return Err(RulesError::Rule { rule: format!("`{name}`"), why });
            }
            let Some(Value::Array(list)) = rules else {
                return Err(RulesError::NoList("without `rules`"));
            };
            (list, limits.unwrap_or_default())
        }
        _ => return Err(RulesError::NoList("neither a list nor a map")),
    };
    Ok((list, limits))
}

impl Rule {
    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Step(place, ..) | Self::When(place, ..) => place,
        }
    }
}

/// What an entry of a list stands for: nothing, a rule, or several.
fn rule(
    place: &str,
    entry: Value,
    handed: Handed,
    read: ReadFile<'_>,
) -> Result<Vec<Rule>, RulesError> {
    let refuse = |why: String| RulesError::Rule { rule: place.to_owned(), why };
    let Value::Object(mut members) = entry else {
        return Err(refuse("a map with `jq`, `jq-file`, `js` or `js-file` is expected".into()));
    };
    if let [name] = members.keys().collect::<Vec<_>>().as_slice()
        && name.ends_with("Provider")
    {
        let name = (*name).clone();
        let settings = members.remove(&name).unwrap_or_default();
        let place = format!("{place} ({name})");
        return providers::rules(&place, &name, settings, handed == Handed::List, read);
    }
    let when = text(&mut members, "when").map_err(refuse)?;
    let bindings = members.remove("bindings");
    let body = match (members.remove("body"), handed) {
        (None, _) => true,
        (Some(Value::Bool(body)), Handed::Message) => body,
        (Some(_), Handed::Message) => {
            return Err(refuse("`body`: true or false is expected".into()));
        }
        (Some(_), Handed::List) => return Err(refuse("`body` is for requests".into())),
    };
    let mut found = Vec::new();
    for name in ["jq", "jq-file", "js", "js-file"] {
        if let Some(value) = text(&mut members, name).map_err(refuse)? {
            found.push((name, value));
        }
    }
    if let Some(name) = members.keys().next() {
        let names = "when, jq, jq-file, js, js-file, bindings, body";
        return Err(refuse(format!("there is no `{name}`; there are {names}")));
    }
    let [(language, value)] = found.as_slice() else {
        return Err(refuse("exactly one of `jq`, `jq-file`, `js`, `js-file` is expected".into()));
    };
    let source = match language.ends_with("-file") {
        true => read(value).map_err(|error| refuse(format!("{value}: {error}")))?,
        false => value.clone(),
    };
    let step = match (language.starts_with("js"), bindings) {
        (true, bindings) => {
            let bindings = bindings.unwrap_or_else(|| Value::Object(Map::new())).to_string();
            Step::JavaScript(Script { source, bindings, maps: false, listed: false })
        }
        (false, None) => Step::Jq(source),
        (false, Some(_)) => return Err(refuse("jq takes no `bindings`".into())),
    };
    let name = match step {
        Step::Jq(_) => "jq",
        Step::JavaScript(_) => "js",
    };
    let place = format!("{place} ({name})");
    let step = Rule::Step(place.clone(), step, body);
    Ok(vec![match when {
        Some(when) => Rule::When(format!("{place}, when"), Condition::JmesPath(when), vec![step]),
        None => step,
    }])
}

pub(crate) fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}`: a string is expected")),
    }
}

fn limits(value: Value) -> Result<Limits, RulesError> {
    let mut limits = Limits::default();
    let refuse = |name: &str, why: &str| {
        Err(RulesError::Limit { name: name.to_owned(), why: why.to_owned() })
    };
    let Value::Object(members) = value else { return refuse("", "a map is expected") };
    for (name, value) in members {
        let found = match name.as_str() {
            "time" => amount(&value, &TIMES).map(|ms| limits.time = Duration::from_millis(ms)),
            "memory" => amount(&value, &SIZES).map(|bytes| limits.memory = whole(bytes)),
            "stack" => amount(&value, &SIZES).map(|bytes| limits.stack = whole(bytes)),
            "outputs" => amount(&value, &[("", 1)]).map(|count| limits.outputs = whole(count)),
            _ => return refuse(&name, "there are time, memory, stack and outputs"),
        };
        if found.is_none() {
            return refuse(
                &name,
                "a size (64MiB), a time (500ms, 2s) or a count above 0 is expected",
            );
        }
    }
    if limits.stack > MOST_STACK {
        return refuse("stack", "8MiB at most");
    }
    if limits.memory < 1 << 20 {
        return refuse("memory", "1MiB at least");
    }
    Ok(limits)
}

const MOST_STACK: usize = 8 << 20;
const TIMES: [(&str, u64); 3] = [("ms", 1), ("s", 1000), ("m", 60_000)];
const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];

/// A whole number with a unit.
fn amount(value: &Value, units: &[(&str, u64)]) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor).filter(|amount| *amount > 0)
}

fn whole(amount: u64) -> usize {
    usize::try_from(amount).unwrap_or(usize::MAX)
}

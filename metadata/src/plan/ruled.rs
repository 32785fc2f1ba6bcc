//! What a person's rules (`--rules`) make of the items that are to be made.
//!
//! A rule is given what the target would get, in the shape that scripts for other tools expect:
//! ```text
//! {"type":"index","name":"logs","body":{"settings":{"index":{"number_of_shards":"1"}},"mappings":{"properties":{…}}}}
//! ```
//! Settings are nested there, and texts. What comes back may have them in any form. Where an index comes from
//! (`_meta.godwit`) no rule sees, and none can lose.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use rules::{RuleError, Rules, Traced, Worker};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Change, Planned, State};
use crate::{Kind, Packed, inventory::flat};

/// What a rule may be late, when it has to wait for a core.
const GRACE: Duration = Duration::from_secs(30);
/// Threads that may be left behind.
const MOST_LEFT: u32 = 3;

pub(super) struct Ruled<'r> {
    rules: Option<&'r Arc<Rules>>,
    worker: Option<Worker>,
    /// Threads left behind, each in a rule that never ended.
    left: u32,
    grace: Duration,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    body: Map<String, Value>,
}

impl<'r> Ruled<'r> {
    pub(super) fn new(rules: Option<&'r Arc<Rules>>) -> Self {
        Self { rules, worker: None, left: 0, grace: GRACE }
    }

    /// Applies the rules to an item that would be made: what they change is in its changes, what they fail on isn't
    /// made.
    pub(super) fn apply(&mut self, planned: &mut Planned) {
        let Some(rules) = self.rules else { return };
        if !matches!(planned.state, State::Create | State::Deferred) {
            return;
        }
        let mut body = planned.body.open();
        let origin = take_origin(planned.kind, &mut body);
        let message = json!({
            "type": kind(planned.kind),
            "name": planned.name,
            "body": nested(planned.kind, &body),
        });
        match self.trace(rules, message.to_string().into_bytes()) {
            Ok(traced) => {
                if let Err(state) =
                    traced.iter().try_for_each(|one| changed(planned, &mut body, one))
                {
                    planned.state = state;
                }
            }
            Err(why) => planned.state = State::Unsupported(why),
        }
        if let Some(origin) = origin {
            give_origin(&mut body, origin);
        }
        planned.body = Packed::from(&body);
    }

    /// What each rule made; otherwise, why the rules can't be applied.
    fn trace(&mut self, rules: &Arc<Rules>, message: Vec<u8>) -> Result<Vec<Traced>, String> {
        if self.left >= MOST_LEFT {
            return Err(format!(
                "the rules never ended on {MOST_LEFT} items before it; correct them"
            ));
        }
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(rules).map_err(|error| error.to_string())?,
        };
        let (sender, traced) = mpsc::channel();
        let job = worker.give(move |engine| drop(sender.send(engine.trace(&message))));
        job.map_err(|error| error.to_string())?;
        match traced.recv_timeout(rules.limits().time.saturating_add(self.grace)) {
            Ok(traced) => {
                self.worker = Some(worker);
                traced.map_err(|RuleError { rule, why }| format!("{rule} failed: {why}"))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.left += 1;
                Err("a rule never ended on it, inside of one built-in function".into())
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(rules::NoWorker::Broken.to_string()),
        }
    }
}

/// Takes over what a rule made of an item; otherwise, what becomes of the item.
fn changed(planned: &mut Planned, body: &mut Value, traced: &Traced) -> Result<(), State> {
    let rule = &traced.rule;
    let fail = |why: String| State::Unsupported(format!("{rule} failed: {why}"));
    let message: Message = match traced.messages.as_slice() {
        [] => {
            planned.changes.clear();
            return Err(State::Skipped(format!("{rule} drops it")));
        }
        [one] => serde_json::from_slice(one)
            .map_err(|error| fail(format!("it gave no item with type, name and body: {error}")))?,
        several => return Err(fail(format!("it made {} items of one", several.len()))),
    };
    if message.kind != kind(planned.kind) {
        return Err(fail(format!("it made a {} of a {}", message.kind, planned.kind)));
    }
    if message.name.is_empty() {
        return Err(fail("it took the name".into()));
    }
    let made = flattened(planned.kind, message.body).map_err(fail)?;
    let mut places = Vec::new();
    compare("", body, &made, &mut places);
    let why = format!("changed by {rule}");
    if planned.name != message.name {
        places.push(("name".into(), json!(planned.name), json!(message.name)));
        planned.source_name.get_or_insert_with(|| planned.name.clone());
        planned.name = message.name;
    }
    let change = |(path, before, after)| {
        let why = why.clone();
        Change { path, before, after, why, deferred: false }
    };
    planned.changes.extend(places.into_iter().map(change));
    *body = made;
    Ok(())
}

/// As the reference implementation names them; it has none of those without a template or an index.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::ComponentTemplate => "component_template",
        Kind::IndexTemplate => "index_template",
        Kind::LegacyTemplate => "template",
        Kind::Pipeline => "pipeline",
        Kind::Script => "script",
        Kind::Index => "index",
        Kind::Alias => "alias",
        Kind::DataStream => "data_stream",
        Kind::LifecyclePolicy => "lifecycle_policy",
        Kind::IsmPolicy => "ism_policy",
    }
}

/// The part of a body that has `settings` and `mappings`.
fn definition(kind: Kind, body: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    match kind {
        Kind::Index | Kind::LegacyTemplate => Some(body),
        Kind::IndexTemplate | Kind::ComponentTemplate => body.get_mut("template")?.as_object_mut(),
        _ => None,
    }
}

/// A body with its settings nested; an item without one has an empty one.
fn nested(kind: Kind, body: &Value) -> Map<String, Value> {
    let mut body = body.as_object().cloned().unwrap_or_default();
    if let Some(settings) = definition(kind, &mut body).and_then(|of| of.get_mut("settings"))
        && let Some(flat) = settings.as_object_mut()
    {
        let mut nested = Map::new();
        for (name, value) in std::mem::take(flat) {
            if let Err(value) = nest(&mut nested, &name, value) {
                nested.insert(name, value);
            }
        }
        *flat = nested;
    }
    body
}

/// Puts a setting where its name says; otherwise, gives it back: another is in the way.
fn nest(object: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Value> {
    match name.split_once('.') {
        None if object.contains_key(name) => Err(value),
        None => {
            object.insert(name.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => {
            match object.entry(first).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(inner) => nest(inner, rest, value),
                _ => Err(value),
            }
        }
    }
}

/// A body as the plan has it.
fn flattened(kind: Kind, mut body: Map<String, Value>) -> Result<Value, String> {
    if body.get("template").is_some_and(|of| !of.is_object())
        && matches!(kind, Kind::IndexTemplate | Kind::ComponentTemplate)
    {
        return Err("`template` is no object".into());
    }
    if let Some(of) = definition(kind, &mut body) {
        for name in ["settings", "mappings"] {
            if of.get(name).is_some_and(|part| !part.is_object()) {
                return Err(format!("`{name}` is no object"));
            }
        }
        if let Some(Value::Object(settings)) = of.get_mut("settings") {
            *settings = flat(settings);
        }
    }
    // A data stream is made of its template, without a body.
    Ok(if body.is_empty() && kind == Kind::DataStream { Value::Null } else { Value::Object(body) })
}

/// The places where two bodies differ: path, before, after.
fn compare(path: &str, before: &Value, after: &Value, places: &mut Vec<(String, Value, Value)>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return places.push((path.to_owned(), before.clone(), after.clone()));
    };
    let inside = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, before) in old {
        compare(&inside(name), before, new.get(name).unwrap_or(&Value::Null), places);
    }
    for (name, after) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        places.push((inside(name), Value::Null, after.clone()));
    }
}

/// What says of which index this one is the image.
fn take_origin(kind: Kind, body: &mut Value) -> Option<Value> {
    let mappings = body.get_mut("mappings").filter(|_| kind == Kind::Index)?;
    let meta = mappings.get_mut("_meta")?.as_object_mut()?;
    let origin = meta.remove("godwit")?;
    if meta.is_empty() {
        mappings.as_object_mut()?.remove("_meta");
    }
    Some(origin)
}

fn give_origin(body: &mut Value, origin: Value) {
    let empty = || Value::Object(Map::new());
    let mut at = body;
    for name in ["mappings", "_meta"] {
        let Value::Object(object) = at else { return };
        at = object.entry(name).or_insert_with(empty);
        if !at.is_object() {
            *at = empty(); // `_meta` is free text; a rule may have made anything of it
        }
    }
    at["godwit"] = origin;
}

#[cfg(test)]
mod tests;

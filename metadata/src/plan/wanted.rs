//! What is wanted of a template, a pipeline, a script, a data stream, a policy.

use serde_json::{Map, Value, json};
use transform::{ManyTypes, Target, Version};

use super::{Change, Planned, State, change};
use crate::{Item, Kind, Packed, Refusal, Settings, Types, rules, target::Abilities};

const REPLICAS: &str = "index.number_of_replicas";
const ACCEPT: &str = "--accept-refused makes it without";

pub(super) fn plan(
    item: &Item,
    source: Version,
    abilities: Abilities,
    settings: &Settings,
) -> Planned {
    let source_body = match item.body.open() {
        Ok(body) => body,
        Err(why) => return unclear(item, &why),
    };
    let made = rules::make(item, &source_body, source, abilities.target, many_types(settings));
    let before = Value::Object(source_body);
    let mut body = made.body;
    let mut planned = Planned::new(item.kind, &item.name, State::Create);
    planned.changes = made.changes.iter().map(|one| Change::of(one, &before, &body)).collect();
    planned.deferred = deferred(&mut planned.changes, abilities.target);
    if item.kind == Kind::DataStream {
        rename(&mut planned, settings);
    }
    let holder = match body.get("template") {
        Some(Value::Object(_)) => body.get_mut("template"),
        _ => Some(&mut body),
    };
    if let Some(Value::Object(of)) = holder.and_then(|holder| holder.get_mut("settings")) {
        planned.changes.extend(zones(of, settings.awareness_attributes));
    }
    planned.changes.extend(files(&body));
    planned.body = Packed::from(&body);
    planned.state = match item.kind {
        Kind::LifecyclePolicy | Kind::IsmPolicy if !abilities.policies => State::Unsupported(
            "the target has no lifecycle policies: it lacks the plugin opensearch-index-management"
                .into(),
        ),
        Kind::LifecyclePolicy | Kind::IsmPolicy => State::Deferred,
        _ => State::Create,
    };
    refuse(&mut planned, made.refused, settings);
    planned
}

/// What a snapshot has of an item can't be understood.
pub(super) fn unclear(item: &Item, why: &str) -> Planned {
    let state = State::Unsupported(format!("the source's own can't be understood: {why}"));
    Planned::new(item.kind, &item.name, state)
}

pub(super) fn many_types(settings: &Settings) -> ManyTypes<'static> {
    match settings.types {
        Types::Split => ManyTypes::Split,
        Types::Union => ManyTypes::Union,
    }
}

/// Files that analyzers name: they aren't part of the metadata.
pub(super) fn files(body: &Value) -> Vec<Change> {
    let file = |found: transform::Unreachable| {
        Change {
        path: found.path,
        before: json!(found.file),
        after: json!(found.file),
        why: "a file of the source's nodes, which isn't moved: put it on every node of the target first".into(),
        deferred: false,
    }
    };
    rules::unreachable(body).into_iter().map(file).collect()
}

/// What is put on the target at the cut-over, by the setting's name. What has no counterpart there is lost, and the
/// change says so.
pub(super) fn deferred(changes: &mut [Change], target: Target) -> Map<String, Value> {
    let name = |path: &str| path.split_once("settings.").map(|(_, name)| name.to_owned());
    let later = changes.iter().filter(|change| change.deferred && !change.before.is_null());
    let mut settings: Map<String, Value> =
        later.filter_map(|change| Some((name(&change.path)?, change.before.clone()))).collect();
    for lost in rules::deferred(&settings, target).changes {
        let Some(lost_name) = name(&lost.path) else { continue };
        settings.remove(&lost_name);
        for change in
            changes.iter_mut().filter(|change| name(&change.path) == Some(lost_name.clone()))
        {
            change.deferred = false;
            change.why = lost.why.to_owned();
        }
    }
    settings
}

/// Another name, where a person wants one.
pub(super) fn rename(planned: &mut Planned, settings: &Settings) {
    if let Some(new) = settings.renames.of(&planned.name) {
        let (from, to) = (json!(planned.name), json!(new));
        planned.changes.push(Change::asked("name", from, to, "rename"));
        planned.source_name.get_or_insert_with(|| planned.name.clone());
        planned.name = new;
    }
}

/// Rounds replicas up, so that the zones of the target are filled evenly.
pub(super) fn zones(settings: &mut Map<String, Value>, zones: u32) -> Option<Change> {
    let expands = settings.get("index.auto_expand_replicas").and_then(Value::as_str);
    if zones < 2 || expands.is_some_and(|range| range != "false") {
        return None;
    }
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    let before = settings.get(REPLICAS)?.clone();
    let even = rules::replicas_for(zones, number(&before)?);
    let after = json!(even.to_string());
    if number(&before) == Some(even) {
        return None;
    }
    settings.insert(REPLICAS.into(), after.clone());
    let path = "settings.index.number_of_replicas";
    Some(Change::asked(path, before, after, "awareness-attributes"))
}

/// Parts that the target can't have stop the item, unless a person said to go on without them.
pub(super) fn refuse(planned: &mut Planned, refused: Vec<Refusal>, settings: &Settings) {
    let is_nothing = planned.body.is_null() && planned.kind != Kind::DataStream;
    if (is_nothing || !settings.accept_refused)
        && let Some(first) = refused.first()
        && !matches!(planned.state, State::Unsupported(_))
    {
        let more = match refused.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        let accept = if is_nothing { String::new() } else { format!(" ({ACCEPT})") };
        planned.state = State::Unsupported(format!("{}: {}{more}{accept}", first.path, first.why));
    }
    planned.unsupported = refused;
}

/// The value at a path of a body, for a change that a person asked for.
pub(super) fn value_at(body: &Value, path: &str) -> Value {
    change::at(body, path).unwrap_or_default()
}

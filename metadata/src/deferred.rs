//! What was left for the cut-over: policies, pipelines of indices, blocks, indices that are closed.

use cluster::{ClusterError, Method, Reply, encode_segment};
use serde_json::{Map, Value, json};

use crate::{
    Inventory, Kind, Plan, Planned, State, Verified,
    apply::{Outcome, Refused, Writer},
    equal::Difference,
    rules,
    target::Abilities,
};

/// Puts it on the target: policies, then templates, then indices; what became of each, in the plan's order. `None`:
/// nothing of it was deferred.
pub(crate) async fn apply(
    plan: &Plan,
    writer: &Writer<'_>,
    abilities: Abilities,
) -> Vec<Option<Outcome>> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; plan.items.len()];
    let mut order: Vec<usize> =
        (0..plan.items.len()).filter(|at| waits(&plan.items[*at])).collect();
    order.sort_by_key(|at| (plan.items[*at].state != State::Deferred, *at));
    let mut over = None;
    for at in order {
        let why = if writer.is_stopping() { Some("asked to stop") } else { over };
        outcomes[at] = Some(match why {
            Some(why) => Outcome::not_done(why),
            None => one(&plan.items[at], writer, abilities).await.unwrap_or_else(|error| {
                over = Some("the target didn't answer before");
                Outcome::Unanswered { error: error.to_string() }
            }),
        });
    }
    outcomes
}

/// Something of it was left for the cut-over.
pub(crate) fn waits(item: &Planned) -> bool {
    item.state == State::Deferred || item.state.is_moved() && !item.deferred.is_empty()
}

async fn one(
    item: &Planned,
    writer: &Writer<'_>,
    abilities: Abilities,
) -> Result<Outcome, ClusterError> {
    match item.kind {
        Kind::LifecyclePolicy | Kind::IsmPolicy => {
            let path = format!("/_plugins/_ism/policies/{}", encode_segment(&item.name));
            let reply = writer.send(Method::PUT, path, &item.body.open()).await?;
            // There is one of this name, which has a version of its own.
            Ok(if reply.status == 409 { Outcome::Kept } else { said(&reply, None) })
        }
        Kind::Index => index(item, writer, abilities).await,
        _ => template(item, writer, abilities).await,
    }
}

async fn index(
    item: &Planned,
    writer: &Writer<'_>,
    abilities: Abilities,
) -> Result<Outcome, ClusterError> {
    let name = encode_segment(&item.name);
    let (settings, policy, unknown) = settings(&item.deferred, abilities);
    if let Some(part) = unknown {
        return Ok(Outcome::Refused(no_policies(part)));
    }
    if let Some(policy) = policy {
        let body = json!({"policy_id": policy});
        let reply = writer.send(Method::POST, format!("/_plugins/_ism/add/{name}"), &body).await?;
        if !reply.is_success() {
            return Ok(said(&reply, Some("lifecycle policy".into())));
        }
    }
    if !settings.is_empty() {
        let part = settings.keys().cloned().collect::<Vec<_>>().join(", ");
        let path = format!("/{name}/_settings");
        let reply = writer.send(Method::PUT, path, &Value::Object(settings)).await?;
        if !reply.is_success() {
            return Ok(said(&reply, Some(part)));
        }
    }
    if item.deferred.get("state").is_some_and(|state| state == "close") {
        let reply = writer.send(Method::POST, format!("/{name}/_close"), &Value::Null).await?;
        return Ok(said(&reply, Some("state".into())));
    }
    Ok(Outcome::Updated)
}

async fn template(
    item: &Planned,
    writer: &Writer<'_>,
    abilities: Abilities,
) -> Result<Outcome, ClusterError> {
    // The policy that it names has the template's patterns itself, and manages what is made of it.
    let (wanted, _, unknown) = settings(&item.deferred, abilities);
    if let Some(part) = unknown {
        return Ok(Outcome::Refused(no_policies(part)));
    }
    if wanted.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    let part = wanted.keys().cloned().collect::<Vec<_>>().join(", ");
    let mut body = item.body.open();
    let holder = match (&item.kind, body.as_object_mut()) {
        (Kind::LegacyTemplate, holder) => holder,
        (_, holder) => holder.and_then(|holder| {
            let inside = holder.entry("template").or_insert_with(|| Value::Object(Map::new()));
            inside.as_object_mut()
        }),
    };
    let settings = holder.and_then(|holder| {
        let of = holder.entry("settings").or_insert_with(|| Value::Object(Map::new()));
        of.as_object_mut()
    });
    if let Some(settings) = settings {
        settings.extend(wanted);
    }
    let path = match item.kind {
        Kind::LegacyTemplate => "/_template",
        Kind::IndexTemplate => "/_index_template",
        _ => "/_component_template",
    };
    let path = format!("{path}/{}", encode_segment(&item.name));
    let reply = writer.send(Method::PUT, path, &body).await?;
    Ok(said(&reply, Some(part)))
}

/// Which policy an index follows: on OpenSearch that is no setting.
fn is_policy(name: &str) -> bool {
    name.starts_with("index.lifecycle.") || name.contains("index_state_management.")
}

/// What is set, the policy that is put on the index, and what can't be had.
fn settings(
    deferred: &Map<String, Value>,
    abilities: Abilities,
) -> (Map<String, Value>, Option<String>, Option<String>) {
    let mut deferred = deferred.clone();
    deferred.remove("state");
    let unknown = deferred.keys().find(|name| is_policy(name) && !abilities.policies).cloned();
    let made = rules::deferred(&deferred, abilities.target);
    (made.settings, made.policy, unknown)
}

fn no_policies(part: String) -> Refused {
    Refused {
        status: 400,
        words: "the target has no lifecycle policies (opensearch-index-management)".into(),
        part: Some(part),
        what_to_do: "install the plugin and run it again, or take the setting away on the source",
    }
}

fn said(reply: &Reply, part: Option<String>) -> Outcome {
    match reply.is_success() {
        true => Outcome::Updated,
        false => Outcome::Refused(Refused::of(reply, part)),
    }
}

/// Looks whether the target has what was deferred.
pub(crate) fn verify(plan: &Plan, target: &Inventory) -> Vec<Option<Verified>> {
    let held = target.by_name();
    let check = |item: &Planned| {
        if !waits(item) || item.state == State::Deferred {
            return None;
        }
        let Some(held) = held.get(&(item.kind, item.name.as_str())) else {
            return Some(Verified::Missing);
        };
        let held_body = held.body.open().unwrap_or_default();
        let inside = held_body.get("template").and_then(Value::as_object).unwrap_or(&held_body);
        let settings = inside.get("settings").and_then(Value::as_object);
        let differs = |(name, wanted): (&String, &Value)| {
            let held = match name.as_str() {
                "state" => json!(if held.is_closed { "close" } else { "open" }),
                name => settings.and_then(|of| of.get(name)).cloned().unwrap_or_default(),
            };
            let path = format!("settings.{name}");
            (held != *wanted && !is_policy(name)).then(|| Difference {
                path,
                wanted: wanted.clone(),
                held,
            })
        };
        let differences: Vec<Difference> = item.deferred.iter().filter_map(differs).collect();
        Some(match differences.is_empty() {
            true => Verified::Equal,
            false => Verified::Different { differences },
        })
    };
    plan.items.iter().map(check).collect()
}

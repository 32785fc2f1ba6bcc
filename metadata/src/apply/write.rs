//! The request that makes an item, sent until it is answered.

use std::sync::atomic::{AtomicBool, Ordering};

use cluster::{Cluster, ClusterError, Method, Rate, Repeat, Reply, Request, encode_segment};
use serde_json::{Map, Value, json};
use telemetry::Shutdown;
use transform::Origin;

use super::{Done, Outcome, Refused, adapt, refused::words};
use crate::{Difference, Kind, Planned, State, equal};

/// Writes to the target, no faster than is wanted.
#[derive(Debug)]
pub(crate) struct Writer<'w> {
    target: &'w Cluster,
    rate: Rate,
    shutdown: &'w Shutdown,
    /// Parts of an item that may be taken out.
    adapt: usize,
    stopped: AtomicBool,
}

impl<'w> Writer<'w> {
    pub(crate) fn new(
        target: &'w Cluster,
        rate: Option<u32>,
        adapt: usize,
        shutdown: &'w Shutdown,
    ) -> Self {
        let rate = Rate::per_second(rate);
        Self { target, rate, shutdown, adapt, stopped: AtomicBool::new(false) }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shutdown.is_draining()
    }

    /// Nothing new is sent.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Sends until it is answered; a repeat changes nothing more.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: String,
        body: &Value,
    ) -> Result<Reply, ClusterError> {
        self.rate.take(1).await;
        let request = match body {
            Value::Null => Request::new(method, path),
            body => Request::json(method, path, body.to_string()),
        };
        self.target.send_retrying(request, Repeat::Safe, self.target.patience()).await
    }

    /// Makes an item, or brings one that exists up to it.
    pub(super) async fn write(&self, item: &Planned) -> Done {
        let mut done = Done {
            outcome: Outcome::not_done("stopped before it"),
            changes: Vec::new(),
            body: item.body.open(),
            is_over: false,
        };
        if self.stopped.load(Ordering::Relaxed) || self.is_stopping() {
            return done;
        }
        let written = match (item.state == State::ExistsDifferent, item.kind) {
            (true, Kind::Index) => self.update_index(item).await,
            (true, Kind::DataStream) => Ok(Outcome::Kept),
            (exists, _) => self.put(item, exists, &mut done).await,
        };
        match written {
            Ok(outcome) => {
                done.is_over = matches!(&outcome, Outcome::Refused(no) if no.is_of_everything());
                done.outcome = outcome;
            }
            Err(error) => {
                done.is_over = true;
                done.outcome = Outcome::Unanswered { error: error.to_string() };
            }
        }
        done
    }

    /// Puts a whole item; what the target refuses is taken out of it as long as `--adapt` allows.
    async fn put(
        &self,
        item: &Planned,
        exists: bool,
        done: &mut Done,
    ) -> Result<Outcome, ClusterError> {
        for _ in 0..=self.adapt {
            let (method, path, body) = request(item, &done.body);
            let reply = self.send(method, path, &body).await?;
            if reply.is_success() {
                return Ok(if exists { Outcome::Updated } else { Outcome::Created });
            }
            let words = words(&reply);
            let parts = adapt::parts(&words, item.kind);
            let refused = Refused::of(&reply, parts.first().map(adapt::Part::name));
            if item.kind.is_searchable() && refused.exists_already() {
                return self.ours(item, refused).await;
            }
            let mut taken = Vec::new();
            if done.changes.len() < self.adapt {
                for part in &parts {
                    taken.extend(adapt::take_out(&mut done.body, part, &words));
                }
            }
            if taken.is_empty() {
                return Ok(Outcome::Refused(refused));
            }
            for change in &taken {
                tracing::warn!(item = %item.origin(), path = change.path, why = change.why, "taken out");
            }
            done.changes.extend(taken);
        }
        Ok(Outcome::not_done("the target refuses more parts than --adapt-limit"))
    }

    /// The target says that it is there: made by a request of ours whose answer was lost, or by somebody else.
    async fn ours(&self, item: &Planned, refused: Refused) -> Result<Outcome, ClusterError> {
        let is_ours = match item.kind {
            Kind::Index => {
                let found = self.target.index_definitions(&item.name).await?.remove(&item.name);
                let body = item.body.open();
                let wanted = body.get("mappings").and_then(Value::as_object);
                let wanted = wanted.and_then(Origin::source_uuid_of);
                let held = found.as_ref();
                held.is_some_and(|held| Origin::source_uuid_of(&held.mappings) == wanted)
            }
            // It has nothing that could differ.
            kind => kind == Kind::DataStream,
        };
        Ok(if is_ours { Outcome::Created } else { Outcome::Refused(refused) })
    }

    /// Fields that are missing, and settings that can be changed.
    async fn update_index(&self, item: &Planned) -> Result<Outcome, ClusterError> {
        let path = |what: &str| format!("/{}/{what}", encode_segment(&item.name));
        if item.differences.iter().any(|difference| difference.path == equal::ORIGIN) {
            return Ok(Outcome::Refused(Refused {
                status: 409,
                words: "the target's index is the image of another index of this name".into(),
                part: Some(equal::ORIGIN.into()),
                what_to_do: "delete the target's index, or give --rename",
            }));
        }
        let body = item.body.open();
        if let Some(mappings @ Value::Object(_)) = body.get("mappings") {
            let reply = self.send(Method::PUT, path("_mapping"), mappings).await?;
            if !reply.is_success() {
                let part = adapt::parts(&words(&reply), item.kind);
                return Ok(Outcome::Refused(Refused::of(
                    &reply,
                    part.first().map(adapt::Part::name),
                )));
            }
        }
        let settings = dynamic(&item.differences);
        if !settings.is_empty() {
            let body = Value::Object(settings);
            let reply = self.send(Method::PUT, path("_settings"), &body).await?;
            if !reply.is_success() {
                let part = body.as_object().and_then(|of| of.keys().next()).cloned();
                return Ok(Outcome::Refused(Refused::of(&reply, part)));
            }
        }
        Ok(Outcome::Updated)
    }
}

/// Settings that differ, as they are wanted; null for those that are to be the default.
fn dynamic(differences: &[Difference]) -> Map<String, Value> {
    let settings = differences.iter().filter_map(|difference| {
        let name = difference.path.strip_prefix("settings.")?;
        Some((name.to_owned(), difference.wanted.clone()))
    });
    settings.collect()
}

/// Method, path and body.
fn request(item: &Planned, body: &Value) -> (Method, String, Value) {
    let name = encode_name(&item.name);
    let put = |path: &str, body: Value| (Method::PUT, format!("{path}/{name}"), body);
    match item.kind {
        Kind::ComponentTemplate => put("/_component_template", body.clone()),
        Kind::IndexTemplate => put("/_index_template", body.clone()),
        Kind::LegacyTemplate => put("/_template", body.clone()),
        Kind::Pipeline => put("/_ingest/pipeline", body.clone()),
        Kind::Script => put("/_scripts", body.clone()),
        Kind::DataStream => put("/_data_stream", Value::Null),
        Kind::LifecyclePolicy | Kind::IsmPolicy => put("/_plugins/_ism/policies", body.clone()),
        Kind::Index => {
            // That its shards have started is nothing to wait for: nothing is written to it here.
            let path = format!("/{name}?wait_for_active_shards=0");
            (Method::PUT, path, body.clone())
        }
        Kind::Alias => {
            let actions = body.as_object().into_iter().flatten().map(|(index, says)| {
                let mut add = says.as_object().cloned().unwrap_or_default();
                add.insert("index".into(), json!(index));
                add.insert("alias".into(), json!(item.name));
                json!({"add": add})
            });
            let body = json!({"actions": actions.collect::<Vec<_>>()});
            (Method::POST, "/_aliases".to_owned(), body)
        }
    }
}

/// As [`encode_segment`], with commas and stars too: they stand for themselves in the name of one item.
fn encode_name(name: &str) -> String {
    encode_segment(name).replace(',', "%2C").replace('*', "%2A").replace('+', "%2B")
}

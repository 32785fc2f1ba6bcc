//! Capture switched off and on while the proxy runs: `POST /capture/off` and `/capture/on` on the admin listener.
//!
//! What clients write meanwhile is in no journal, so the journal says so: a heartbeat with the times, before the first request
//! that isn't recorded where the journal takes it, and as soon as it does where it doesn't.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::{get, post};
use bytes::Bytes;
use codec::record::Switched;
use journal::{Appender, Urgency};
use serde_json::json;
use tokio::sync::Mutex;

use crate::heartbeat::{heartbeat_lane, record_of};
use crate::recording::Recording;
use crate::roster::Roster;
use crate::tape::{now, readable};

/// How long a switch waits for its mark: it may be made because the journal takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a mark is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What switches.
pub(crate) struct Switch {
    pub(crate) journal: Appender,
    pub(crate) node: Arc<str>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) recording: Arc<Recording>,
    /// One at a time, and its mark before the next one's.
    pub(crate) turn: Arc<Mutex<()>>,
}

type Answer = ([(HeaderName, &'static str); 1], String);

impl Switch {
    /// The admin listener's routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/capture", get(async |State(switch): State<Arc<Switch>>| switch.says(None)))
            .route("/capture/off", post(off))
            .route("/capture/on", post(on))
            .with_state(Arc::new(self))
    }

    fn says(&self, marked: Option<bool>) -> Answer {
        let off = self.recording.off();
        let mut says = json!({"capture": if off.is_some() { "off" } else { "on" }});
        if let Some(since) = off.and_then(readable) {
            says["since"] = since.into();
        }
        if let Some(marked) = marked {
            says["marked"] = marked.into();
        }
        ([(CONTENT_TYPE, "application/json")], format!("{says}\n"))
    }

    /// Writes the mark; whether it is durable by now. What isn't is tried until it is.
    async fn mark(&self, times: Switched) -> bool {
        let record = record_of(&self.node, &self.roster.census(), Some(times));
        let (journal, node) = (self.journal.clone(), self.node.clone());
        let turn = self.turn.clone().lock_owned().await;
        let mut writing = tokio::spawn(async move {
            let _turn = turn;
            while !written(&journal, &node, record.clone()).await {
                tracing::warn!("the mark of a capture that was switched is not in the journal yet");
                tokio::time::sleep(AGAIN).await;
            }
        });
        tokio::time::timeout(PATIENCE, &mut writing).await.is_ok_and(|ended| ended.is_ok())
    }
}

async fn written(journal: &Appender, node: &str, record: Bytes) -> bool {
    let lane = heartbeat_lane(journal, 0, node);
    let appended = journal.append_with_room(&lane, 1, record, Urgency::Held).await;
    appended.is_ok() && lane.durable().reached(1).await.is_ok()
}

async fn off(State(switch): State<Arc<Switch>>) -> Answer {
    if switch.recording.off().is_some() {
        return switch.says(None);
    }
    let since = now();
    let marked = switch.mark(Switched { off: since, on: 0 }).await;
    switch.recording.switch_off(since);
    tracing::warn!(marked, "capture is off: what clients write from now on is in no journal");
    switch.says(Some(marked))
}

async fn on(State(switch): State<Arc<Switch>>) -> Answer {
    let Some(since) = switch.recording.off() else { return switch.says(None) };
    switch.recording.switch_on();
    let marked = switch.mark(Switched { off: since, on: now() }).await;
    tracing::warn!(marked, "capture is on again");
    switch.says(Some(marked))
}

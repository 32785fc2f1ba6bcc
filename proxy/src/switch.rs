//! Capture switched off and on while the proxy runs: `POST /capture/off` and `/capture/on` on the admin listener.
//!
//! What clients write meanwhile is in no journal, so the journal says so: a heartbeat with the times, before the first request
//! that isn't recorded where the journal takes it, and as soon as it does where it doesn't.
//!
//! One switch at a time, and each in a task of its own: whoever asked for it may go away, and it goes on to its end. Else a gap
//! would be marked that is none, or one that nobody closes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::{get, post};
use bytes::Bytes;
use codec::record::Switched;
use journal::{Appender, Urgency};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

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
    /// Locked by who switches.
    pub(crate) marks: Mutex<Marks>,
}

/// The mark that is being written, if one is. A switch waits for its own, for a while, so that few wait behind each other.
#[derive(Default)]
pub(crate) struct Marks(Option<JoinHandle<()>>);

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

    /// Requests that begin from now on are not recorded.
    async fn off(&self) -> Answer {
        let mut marks = self.marks.lock().await;
        if self.recording.off().is_some() {
            return self.says(None);
        }
        let since = now();
        let marked = self.mark(&mut marks, Switched { off: since, on: 0 }).await;
        self.recording.switch_off(since);
        tracing::warn!(marked, "capture is off: what clients write from now on is in no journal");
        self.says(Some(marked))
    }

    /// They are again.
    async fn on(&self) -> Answer {
        let mut marks = self.marks.lock().await;
        let Some(since) = self.recording.off() else { return self.says(None) };
        self.recording.switch_on();
        let marked = self.mark(&mut marks, Switched { off: since, on: now() }).await;
        tracing::warn!(marked, "capture is on again");
        self.says(Some(marked))
    }

    /// Writes the mark, behind the one before; whether it is durable by now. What isn't is tried until it is.
    async fn mark(&self, marks: &mut Marks, times: Switched) -> bool {
        let record = record_of(&self.node, &self.roster.census(), Some(times));
        let (journal, node) = (self.journal.clone(), self.node.clone());
        let before = marks.0.take();
        let mut writing = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            while !written(&journal, &node, record.clone()).await {
                tracing::warn!("the mark of a capture that was switched is not in the journal yet");
                tokio::time::sleep(AGAIN).await;
            }
        });
        match tokio::time::timeout(PATIENCE, &mut writing).await {
            Ok(ended) => ended.is_ok(),
            Err(_) => {
                marks.0 = Some(writing);
                false
            }
        }
    }
}

async fn written(journal: &Appender, node: &str, record: Bytes) -> bool {
    let lane = heartbeat_lane(journal, 0, node);
    let appended = journal.append_with_room(&lane, 1, record, Urgency::Held).await;
    appended.is_ok() && lane.durable().reached(1).await.is_ok()
}

async fn off(State(switch): State<Arc<Switch>>) -> Result<Answer, StatusCode> {
    to_its_end(async move { switch.off().await }).await
}

async fn on(State(switch): State<Arc<Switch>>) -> Result<Answer, StatusCode> {
    to_its_end(async move { switch.on().await }).await
}

/// Runs it though nobody should wait for it any more.
async fn to_its_end(
    switching: impl Future<Output = Answer> + Send + 'static,
) -> Result<Answer, StatusCode> {
    tokio::spawn(switching).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use journal::{AppendSettings, JournalUrl, Reader, StartFrom};

    use super::*;

    fn switch(url: &JournalUrl) -> Switch {
        Switch {
            journal: Appender::open(url, &AppendSettings::default()).unwrap(),
            node: "node".into(),
            roster: Arc::default(),
            recording: Arc::new(Recording::of(1.0)),
            marks: Mutex::default(),
        }
    }

    /// The marks in a journal that is closed.
    async fn marks(url: &JournalUrl) -> Vec<Switched> {
        let mut reader = Reader::open(url, "test", StartFrom::Beginning, &[]).await.unwrap();
        let ends = reader.ends().await.unwrap();
        let mut marks = Vec::new();
        while !reader.has_reached(&ends) {
            let record = reader.next().await.unwrap().record.unwrap();
            marks.extend(record.heartbeat.unwrap().switched);
        }
        marks
    }

    #[tokio::test]
    async fn who_switches_at_the_same_time_switches_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = JournalUrl::File(folder.path().join("j"));
        let switch = Arc::new(switch(&url));
        let _ = tokio::join!(off(State(switch.clone())), off(State(switch.clone())));
        let since = switch.recording.off().unwrap();
        let _ = tokio::join!(on(State(switch.clone())), on(State(switch.clone())));
        assert!(switch.recording.off().is_none());
        switch.journal.close(Duration::ZERO);
        let marks = marks(&url).await;
        assert_eq!(marks.len(), 2, "{marks:?}");
        assert_eq!((marks[0].off, marks[0].on, marks[1].off), (since, 0, since));
        assert!(marks[1].on > since);
    }

    #[tokio::test]
    async fn who_goes_away_has_switched_all_the_same() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = JournalUrl::File(folder.path().join("j"));
        let switch = Arc::new(switch(&url));
        // Asked for, and left before its mark can be there.
        let asked = off(State(switch.clone()));
        tokio::select! {
            biased;
            _ = asked => panic!("it waits for nothing"),
            () = std::future::ready(()) => {}
        }
        // It waits for its turn.
        let (_, said) = on(State(switch.clone())).await.unwrap();
        assert!(said.contains(r#""capture":"on","marked":true"#), "{said}");
        switch.journal.close(Duration::ZERO);
        let marks = marks(&url).await;
        assert_eq!(marks.len(), 2, "{marks:?}");
        assert_eq!(marks[1].off, marks[0].off);
    }
}

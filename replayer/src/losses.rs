//! What can't be found again: kept on the target, so that every later run says so too.
//!
//! A record that can't be read, records that never came, a connection without boundaries: nothing is left to try again,
//! so their offsets are committed, and a run that goes on behind them would know nothing of them. Each is listed in an
//! index on the target before its offset is given back, under an id made of what and where it is: read again, it is
//! the same loss. `--forget-lost` clears the list when somebody has looked into it.

use cluster::{Cluster, ClusterError, Method, Request};
use journal::JournalUrl;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{context::RunError, offsets::Place, replay::SHOWN, settings::Settings};

/// Hidden, so that no pattern of a client's request finds it.
pub(crate) const INDEX: &str = ".godwit-lost";
/// Losses of one request, about 300 KB.
const BATCH: usize = 1000;
/// Bytes of a journal's name within an id; ids end at 512.
const NAMED: usize = 300;

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// A record can't be read.
    BadRecord,
    /// Records of a connection never came.
    Gap,
    /// A connection's bytes have no boundaries any more.
    Opaque,
    /// Capture was switched off.
    CaptureOff,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadRecord => "bad-record",
            Self::Gap => "gap",
            Self::Opaque => "opaque",
            Self::CaptureOff => "capture-off",
        }
    }
}

/// One loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loss {
    pub(crate) reason: Reason,
    /// The journal, as [`name`] has it.
    pub(crate) journal: String,
    /// The record that showed it.
    pub(crate) partition: i32,
    pub(crate) offset: u64,
    /// When it was captured, as far as that is known: nanoseconds since 1970.
    pub(crate) captured: u64,
    /// In words.
    pub(crate) what: String,
    /// The run that found it.
    pub(crate) run: String,
}

impl Loss {
    fn id(&self) -> String {
        let Self { reason, journal, partition, offset, .. } = self;
        let from = journal.ceil_char_boundary(journal.len().saturating_sub(NAMED));
        let journal = journal.get(from..).unwrap_or_default();
        format!("{}:{journal}:{partition}:{offset}", reason.as_str())
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reason, partition, offset, what, run, .. } = self;
        let reason = reason.as_str();
        write!(f, "lost ({reason}) at {partition}/{offset}: {what} (found by run {run})")
    }
}

/// What a journal is known by, wherever its brokers are.
pub(crate) fn name(journal: &JournalUrl) -> String {
    match journal {
        JournalUrl::Kafka { topic, .. } => topic.clone(),
        JournalUrl::File(_) | JournalUrl::Export(_) => journal.to_string(),
    }
}

/// Where losses are listed.
#[derive(Debug)]
enum List {
    Target(Box<Cluster>),
    /// How many, and the first in words.
    Here(Mutex<(u64, Vec<String>)>),
}

/// The list of one journal's losses.
#[derive(Debug)]
pub(crate) struct Losses {
    place: List,
    journal: String,
    run: String,
}

impl Losses {
    /// Makes the index if it isn't there.
    pub(crate) async fn open(target: Cluster, journal: &JournalUrl) -> Result<Self, ClusterError> {
        let mappings = json!({"dynamic": false, "properties": {
            "journal": {"type": "keyword"}, "reason": {"type": "keyword"}, "run": {"type": "keyword"},
        }});
        target.make_index(INDEX, &mappings).await?;
        let run = format!("{:.0}-{:08x}", jiff::Timestamp::now(), rand::random::<u32>());
        Ok(Self { place: List::Target(Box::new(target)), journal: name(journal), run })
    }

    /// Of a run that sends requests as they were: the target gets no index of ours, and nothing is told later.
    pub(crate) fn unopened(journal: &JournalUrl) -> Self {
        let place = List::Here(Mutex::default());
        Self { place, journal: name(journal), run: String::new() }
    }

    pub(crate) fn loss(&self, reason: Reason, place: Place, captured: u64, what: String) -> Loss {
        let (journal, run) = (self.journal.clone(), self.run.clone());
        let Place { partition, offset, .. } = place;
        Loss { reason, journal, partition, offset, captured, what, run }
    }

    /// Lists losses; durable when it returns. One that is listed already stays as it is.
    pub(crate) async fn keep(&self, losses: &[Loss]) -> Result<(), ClusterError> {
        let target = match &self.place {
            List::Target(target) => target,
            List::Here(here) => {
                let mut here = here.lock();
                here.0 += losses.len() as u64;
                let room = SHOWN.saturating_sub(here.1.len());
                here.1.extend(losses.iter().take(room).map(Loss::to_string));
                return Ok(());
            }
        };
        for batch in losses.chunks(BATCH) {
            let mut lines = Vec::new();
            for loss in batch {
                // Texts and numbers are always JSON.
                let action = json!({"create": {"_id": loss.id()}});
                for line in [serde_json::to_vec(&action), serde_json::to_vec(loss)] {
                    lines.extend(line.unwrap_or_default());
                    lines.push(b'\n');
                }
            }
            let is_kept =
                |item: &cluster::BulkItem| item.is_success() || item.is_version_conflict();
            target.bulk_all(&format!("/{INDEX}/_bulk"), lines.into(), batch.len(), is_kept).await?;
        }
        Ok(())
    }

    /// How many there are, of this run and earlier ones, and the first in words.
    pub(crate) async fn list(&self) -> Result<(u64, Vec<String>), ClusterError> {
        let target = match &self.place {
            List::Target(target) => target,
            List::Here(here) => return Ok(here.lock().clone()),
        };
        let query = json!({"term": {"journal": self.journal}});
        let mut scan = target.scan_where(INDEX, &query, BATCH).await?;
        let (mut count, mut lines) = (0, Vec::new());
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                return Ok((count, lines));
            }
            count += page.len() as u64;
            for document in page.iter().take(SHOWN.saturating_sub(lines.len())) {
                let loss = serde_json::from_slice::<Loss>(&document.source);
                lines.push(loss.map_or_else(|_| document.id.clone(), |loss| loss.to_string()));
            }
        }
    }
}

/// Clears the list of the journal's losses on the target; says how many there were.
///
/// # Errors
/// [`RunError::Cluster`] when the target can't be reached, or refuses.
pub async fn forget_lost(settings: &Settings) -> Result<u64, RunError> {
    #[derive(Deserialize)]
    struct Answer {
        deleted: u64,
    }
    let target = Cluster::connect(settings.target.clone()).await?;
    if target.index_definitions(INDEX).await?.is_empty() {
        return Ok(0);
    }
    target.refresh(INDEX).await?;
    let path = format!("/{INDEX}/_delete_by_query?refresh=true&conflicts=proceed");
    let body = json!({"query": {"term": {"journal": name(&settings.journal)}}});
    let reply = target.call(Request::json(Method::POST, path.clone(), body.to_string())).await?;
    let answer: Answer =
        serde_json::from_slice(&reply.body).map_err(|error| target.answer_error(&path, error))?;
    Ok(answer.deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(reason: Reason, journal: &str, offset: u64, run: &str) -> Loss {
        let (journal, run) = (journal.to_owned(), run.to_owned());
        Loss { reason, journal, partition: 3, offset, captured: 7, what: "w".into(), run }
    }

    #[test]
    fn a_loss_that_is_found_again_is_the_same() {
        let first = loss(Reason::Gap, "traffic", 12, "a");
        assert_eq!(first.id(), "gap:traffic:3:12");
        assert_eq!(first.id(), loss(Reason::Gap, "traffic", 12, "b").id());
        assert_ne!(first.id(), loss(Reason::Opaque, "traffic", 12, "a").id());
        assert_ne!(first.id(), loss(Reason::Gap, "traffic", 13, "a").id());
        assert!(loss(Reason::BadRecord, &"ü".repeat(4000), 1, "a").id().len() < 512);
    }

    #[test]
    fn a_journal_is_known_without_its_brokers() {
        let name = |url: &str| name(&url.parse().unwrap());
        assert_eq!(name("kafka://a:1,b:2/t"), name("kafka://c:3/t"));
        assert_ne!(name("file:///a"), name("file:///b"));
    }
}

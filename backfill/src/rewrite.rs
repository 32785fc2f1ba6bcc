//! Documents through the rules that a user wrote (`--rules`), before they are written or printed.
//!
//! ```text
//! segment ─ a chunk's documents ─▶ a thread that has the compiled rules ─ one verdict each, in order ─▶ batch
//! ```
//! Compiled rules stay in one thread, and a rule may take its time: the runtime waits for the thread without being
//! blocked. What the rules' own limits can't end (one call of a built-in function that goes on for ever) is given up
//! by leaving the thread behind; the document that it was at has failed.

mod message;

use std::{
    sync::{Arc, mpsc as threads},
    time::Duration,
};

use codec::source::{self, Changes};
use rules::{Applied, Engine, Rules};
use tokio::sync::mpsc;

use crate::document::Document;

pub(crate) use message::Rewritten;

/// Stack of a rule's thread besides what rules may use of it.
const STACK: usize = 4 << 20;
/// What a rule may be late, when it has to wait for a core.
const GRACE: Duration = Duration::from_secs(30);
/// It is waited for in so many parts: of a pause of the whole process, the thread's too, one part is noticed.
const PARTS: u32 = 30;
/// Threads that may be left behind by one unit of work.
const MOST_LEFT: u32 = 3;

/// A document on its way through the rules: its own, because its chunk isn't.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) number: u32,
    id: String,
    /// The stored one.
    doc_type: Option<String>,
    routing: Option<String>,
    version: Option<i64>,
    sequence: Option<(i64, i64)>,
    source: Vec<u8>,
}

/// What the rules made of a document.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// No rule applies: it is what it was.
    Untouched,
    Dropped,
    Changed(Rewritten, Changes),
    /// The rules can't be applied, or give what can't be written.
    Failed(String),
    /// It can't be read.
    Unreadable(String),
}

/// The rules can't be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error("no thread for the rules: {0}")]
    Thread(String),
    #[error(
        "a rule never ended on {MOST_LEFT} documents of index {index}, the last with id {id}, where no limit can end it \
         (inside of one built-in function); correct the rule, and begin a new run"
    )]
    Hung { index: String, id: String },
}

/// The rules, at work for one index.
pub(crate) struct Rewriter {
    rules: Arc<Rules>,
    place: Arc<Place>,
    limits: source::Limits,
    thread: Option<threads::Sender<Job>>,
    left: u32,
    grace: Duration,
}

/// What all documents of an index have in common.
#[derive(Debug)]
struct Place {
    index: String,
    /// The type that the mapping has, for documents that have none stored.
    doc_type: Option<String>,
}

struct Job {
    documents: Arc<[Candidate]>,
    /// The first one to be done.
    from: usize,
    verdicts: mpsc::UnboundedSender<Verdict>,
}

impl Candidate {
    pub(crate) fn new(document: &Document<'_>) -> Self {
        Self {
            number: document.number,
            id: document.id.to_owned(),
            doc_type: document.doc_type.map(str::to_owned),
            routing: document.routing.map(str::to_owned),
            version: document.version,
            sequence: document.sequence,
            source: document.source.to_vec(),
        }
    }

    /// As it was read.
    pub(crate) fn document(&self) -> Document<'_> {
        Document {
            number: self.number,
            id: &self.id,
            doc_type: self.doc_type.as_deref(),
            routing: self.routing.as_deref(),
            version: self.version,
            sequence: self.sequence,
            source: &self.source,
        }
    }
}

impl Rewriter {
    pub(crate) fn new(
        rules: Arc<Rules>,
        index: &str,
        doc_type: Option<String>,
        limits: source::Limits,
    ) -> Self {
        let place = Arc::new(Place { index: index.to_owned(), doc_type });
        Self { rules, place, limits, thread: None, left: 0, grace: GRACE }
    }

    /// One verdict for each document, in their order.
    ///
    /// # Errors
    /// When there is no thread to be had, or too many had to be left behind.
    pub(crate) async fn apply(
        &mut self,
        documents: Arc<[Candidate]>,
    ) -> Result<Vec<Verdict>, RewriteError> {
        let mut done = Vec::with_capacity(documents.len());
        while done.len() < documents.len() {
            let mut verdicts = self.begin(Arc::clone(&documents), done.len())?;
            let patience = self.rules.limits().time.saturating_add(self.grace);
            let mut waited = 0;
            let why = loop {
                match tokio::time::timeout(patience / PARTS, verdicts.recv()).await {
                    Ok(Some(verdict)) => {
                        done.push(verdict);
                        waited = 0;
                    }
                    Ok(None) if done.len() == documents.len() => return Ok(done),
                    Ok(None) => break "the rules' engine broke on it; this is a bug",
                    Err(_) if waited < PARTS => waited += 1,
                    Err(_) => break "a rule never ended, and had to be left behind",
                }
            };
            self.thread = None;
            self.left += 1;
            let id = &documents[done.len()].id;
            tracing::error!(index = self.place.index, id, why, "a rule can't be applied");
            if self.left >= MOST_LEFT {
                return Err(RewriteError::Hung { index: self.place.index.clone(), id: id.clone() });
            }
            done.push(Verdict::Failed(why.to_owned()));
        }
        Ok(done)
    }

    /// Hands out documents to the thread, or to a new one.
    fn begin(
        &mut self,
        documents: Arc<[Candidate]>,
        from: usize,
    ) -> Result<mpsc::UnboundedReceiver<Verdict>, RewriteError> {
        // Never holds more than the job has.
        let (verdicts, received) = mpsc::unbounded_channel();
        let thread = match &self.thread {
            Some(thread) => thread,
            None => self.thread.insert(self.spawn()?),
        };
        let job = Job { documents, from, verdicts };
        thread.send(job).map_err(|error| RewriteError::Thread(error.to_string()))?;
        Ok(received)
    }

    fn spawn(&self) -> Result<threads::Sender<Job>, RewriteError> {
        let (sender, jobs) = threads::channel();
        let (rules, place) = (Arc::clone(&self.rules), Arc::clone(&self.place));
        let limits = self.limits.clone();
        let thread = std::thread::Builder::new()
            .name("rules".into())
            .stack_size(rules.limits().stack.saturating_add(STACK))
            .spawn(move || work(&rules, &place, &limits, &jobs));
        thread.map_err(|error| RewriteError::Thread(error.to_string()))?;
        Ok(sender)
    }
}

fn work(rules: &Rules, place: &Place, limits: &source::Limits, jobs: &threads::Receiver<Job>) {
    let mut engine = Engine::new(rules);
    while let Ok(Job { documents, from, verdicts }) = jobs.recv() {
        for document in &documents[from..] {
            let verdict = match &mut engine {
                Ok(engine) => judge(engine, place, limits, document),
                Err(error) => Verdict::Failed(error.to_string()),
            };
            if verdicts.send(verdict).is_err() {
                break; // nobody waits for it any more
            }
        }
    }
}

fn judge(
    engine: &mut Engine,
    place: &Place,
    limits: &source::Limits,
    document: &Candidate,
) -> Verdict {
    let line = match source::line(&document.source, limits) {
        Ok(line) => line,
        Err(error) => return Verdict::Unreadable(error.to_string()),
    };
    let mut changes = Changes::default();
    let mut applied = engine.apply(&message::of(place, document, &line.json));
    // Names given twice or without quotes, as old servers took them.
    if applied.as_ref().is_err_and(|error| error.is_of_message())
        && let Ok(normal) = source::normalise(&document.source, limits)
    {
        changes = normal.changes;
        applied = engine.apply(&message::of(place, document, &normal.json));
    }
    match applied {
        Ok(Applied::Untouched) => Verdict::Untouched,
        Ok(Applied::Messages(messages)) => match messages.as_slice() {
            [] => Verdict::Dropped,
            [one] => match Rewritten::read(one) {
                Ok(rewritten) => Verdict::Changed(rewritten, changes),
                Err(why) => Verdict::Failed(why),
            },
            several => Verdict::Failed(format!(
                "the rules made {} documents of one, and backfill writes one for each it reads",
                several.len()
            )),
        },
        Err(error) => Verdict::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rules::Handed;
    use serde_json::json;

    use super::*;

    fn rewriter(rules: &serde_json::Value) -> Rewriter {
        let rules =
            Rules::parse(&rules.to_string(), Handed::List, &mut |name| Err(name.into())).unwrap();
        Rewriter::new(Arc::new(rules), "i", None, source::Limits::default())
    }

    fn candidates(sources: &[&str]) -> Arc<[Candidate]> {
        let document = |(number, source): (usize, &&str)| {
            let id = number.to_string();
            let (number, source) = (number as u32, source.as_bytes());
            let (doc_type, routing, version, sequence) = (None, None, None, None);
            let id = id.as_str();
            Candidate::new(&Document { number, id, doc_type, routing, version, sequence, source })
        };
        sources.iter().enumerate().map(document).collect()
    }

    #[tokio::test]
    async fn sources_that_are_no_strict_json_are_made_so_for_a_rule() {
        let mut rewriter = rewriter(&json!([{"when": "document.n", "jq": ".document.m = 1"}]));
        let sources = candidates(&[
            r#"{"n":1,"n":2}"#,
            r#"{n:1.0} "#,
            "{\"n\":\n 3}",
            r#"{"a":1,"a":2}"#,
            "{\"n\":",
        ]);
        let verdicts = rewriter.apply(Arc::clone(&sources)).await.unwrap();
        let shown = |verdict: &Verdict| match verdict {
            Verdict::Changed(rewritten, changes) => {
                let source = String::from_utf8(rewritten.source.to_vec()).unwrap();
                let changes: Vec<&str> = changes.iter().map(|change| change.label()).collect();
                format!("{source} {}", changes.join(","))
            }
            Verdict::Untouched => "untouched".into(),
            other => format!("{other:?}"),
        };
        let shown: Vec<String> = verdicts.iter().map(shown).collect();
        assert!(shown[0].starts_with(r#"{"n":2,"m":1} "#) && shown[0].len() > 15, "{shown:?}");
        assert!(shown[1].starts_with(r#"{"n":1.0,"m":1} "#) && shown[1].len() > 17, "{shown:?}");
        assert_eq!((&*shown[2], &*shown[3]), (r#"{"n":3,"m":1} "#, "untouched"));
        assert!(matches!(verdicts[4], Verdict::Failed(_) | Verdict::Unreadable(_)), "{shown:?}");
    }

    #[tokio::test]
    async fn what_no_limit_ends_is_left_behind() {
        // A search in a long text is one step to the engine.
        let script = "() => m => {
            if (m.document.hang) 'a'.repeat(20000000).indexOf('a'.repeat(10000000) + 'b');
            return m;
        }";
        let rules = json!({"limits": {"time": "100ms"}, "rules": [{"js": script}]});
        let mut rewriter = rewriter(&rules);
        rewriter.grace = Duration::from_millis(200);
        let sources = candidates(&["{}", r#"{"hang":true}"#, "{}"]);
        let verdicts = rewriter.apply(sources).await.unwrap();
        let [Verdict::Changed(..), Verdict::Failed(why), Verdict::Changed(..)] = &*verdicts else {
            panic!("{verdicts:?}")
        };
        assert!(why.contains("left behind"), "{why}");
        rewriter.left = MOST_LEFT - 1;
        let hung = rewriter.apply(candidates(&[r#"{"hang":true}"#])).await.unwrap_err();
        assert!(hung.to_string().contains("index i, the last with id 0"), "{hung}");
    }
}

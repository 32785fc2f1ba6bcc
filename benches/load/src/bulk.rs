//! A `_bulk` request, item by item, and what its answer means for the ledger.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::answer::{BulkAnswer, WriteAnswer};
use crate::ledger::{Key, Ledger, State, Writers, fingerprint};

/// How much of a bulk's answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// All of it: ids and versions.
    Full,
    /// What Logstash and Beats ask for: errors and statuses, no ids, no versions.
    Statuses,
    /// Errors only: without one there are no items at all.
    Errors,
}

impl Answer {
    /// The query that asks for it.
    #[must_use]
    pub fn query(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Statuses => "?filter_path=errors,items.*.error,items.*.status",
            Self::Errors => "?filter_path=errors,took,items.*.error,items.*.*.status",
        }
    }
}

/// Something that can be written: one item, or one request.
#[derive(Debug, Clone)]
pub struct Write {
    pub index: &'static str,
    /// `None`: the cluster makes one up.
    pub id: Option<String>,
    pub routing: Option<String>,
    pub writers: Writers,
    pub action: Action,
}

/// What to do with the document.
#[derive(Debug, Clone)]
pub enum Action {
    Index(Value),
    Create(Value),
    Delete,
    /// The body of an `_update`.
    Update(Value),
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Index(_) => "index",
            Self::Create(_) => "create",
            Self::Delete => "delete",
            Self::Update(_) => "update",
        }
    }
}

impl Write {
    /// The state that it asks for; an update's result only its answer can tell.
    #[must_use]
    pub fn intended(&self) -> State {
        match &self.action {
            Action::Index(document) | Action::Create(document) => {
                State::Document(fingerprint(document, self.routing.as_deref()))
            }
            Action::Delete => State::Absent,
            Action::Update(_) => State::Anything,
        }
    }

    /// Notes that it may or may not have happened.
    pub fn unanswered(&self, ledger: &mut Ledger) {
        match (&self.id, self.intended()) {
            (Some(id), state) => ledger.unanswered(self.key(id), state),
            (None, State::Document(fingerprint)) => ledger.unanswered_nameless(fingerprint),
            (None, _) => {}
        }
    }

    /// Notes a success.
    ///
    /// # Errors
    /// When the answer names another id than was asked for.
    pub fn acknowledged(&self, answer: &WriteAnswer, ledger: &mut Ledger) -> anyhow::Result<()> {
        if let (Some(asked), Some(told)) = (&self.id, &answer.id) {
            ensure!(asked == told, "asked for {asked}, the answer is about {told}");
        }
        let state = match (&self.action, self.intended()) {
            (Action::Update(_), _) => answer.updated(self.routing.as_deref()),
            (_, state) => Some(state),
        };
        match (self.id.as_ref().or(answer.id.as_ref()), state) {
            // A noop was read at some moment, and nothing was written.
            (_, None) => {}
            (Some(id), Some(state)) => {
                ledger.acknowledge(self.key(id), self.writers, answer.version(), state);
            }
            (None, Some(State::Document(fingerprint))) => ledger.acknowledge_nameless(fingerprint),
            (None, Some(_)) => bail!("a success without an id for a write that isn't a document"),
        }
        Ok(())
    }

    /// Notes a delete of what wasn't there: it still has a place in the shard's history.
    pub fn not_found(&self, answer: &WriteAnswer, ledger: &mut Ledger) {
        match (&self.action, &self.id, answer.version()) {
            (Action::Delete, Some(id), Some(version)) => {
                ledger.acknowledge(self.key(id), self.writers, Some(version), State::Absent);
            }
            _ => ledger.refuse(),
        }
    }

    fn key(&self, id: &str) -> Key {
        Key { index: self.index, id: id.to_owned() }
    }
}

/// A request of several writes.
#[derive(Debug, Default)]
pub struct Bulk {
    pub writes: Vec<Write>,
}

impl Bulk {
    /// The body; with `names_index` false, the index is that of the path.
    ///
    /// # Errors
    /// Never for the documents of this program: JSON values always serialize.
    pub fn body(&self, names_index: bool) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        for write in &self.writes {
            let mut about = serde_json::Map::new();
            if names_index {
                about.insert("_index".into(), write.index.into());
            }
            if let Some(id) = &write.id {
                about.insert("_id".into(), id.as_str().into());
            }
            if let Some(routing) = &write.routing {
                about.insert("routing".into(), routing.as_str().into());
            }
            serde_json::to_writer(&mut body, &json!({ write.action.name(): about }))?;
            body.push(b'\n');
            if let Action::Index(line) | Action::Create(line) | Action::Update(line) = &write.action
            {
                serde_json::to_writer(&mut body, line)?;
                body.push(b'\n');
            }
        }
        Ok(body)
    }

    /// Notes in the ledger what the answer says of each item.
    ///
    /// # Errors
    /// When the answer doesn't fit the request.
    pub fn record(&self, body: &[u8], ledger: &mut Ledger) -> anyhow::Result<()> {
        let answer = BulkAnswer::parse(body)?;
        let errors = answer.errors;
        let Some(items) = answer.into_items(self.writes.len())? else {
            let nothing = WriteAnswer::default();
            for write in &self.writes {
                if errors {
                    write.unanswered(ledger);
                } else {
                    write.acknowledged(&nothing, ledger)?;
                }
            }
            return Ok(());
        };
        for (write, item) in self.writes.iter().zip(&items) {
            match item.status.context("a bulk's item without a status")? {
                200..=299 => write.acknowledged(item, ledger)?,
                404 => write.not_found(item, ledger),
                409 | 429 => ledger.refuse(),
                500.. => write.unanswered(ledger),
                status => bail!("an item was refused with {status}: {:?}", item.error),
            }
        }
        Ok(())
    }
}

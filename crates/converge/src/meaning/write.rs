//! Writes of one document, and what an item of a bulk has in common with them.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Change, Doubt, DoubtKind, DoubtReason, Item, Meaning, NothingReason, Operation, Read, Refresh,
    Shape, Write,
};
use crate::address::Address;
use crate::answer::{self, WriteAnswer};
use crate::endpoint::{DocumentAction, ReadKind};
use crate::exchange::{Answer, BodyState, Exchange};
use crate::facts::{Facts, Versioning};
use crate::target::Target;
use crate::text::Text;
use crate::version::Version;

/// What a path says of one document.
pub(super) struct Named {
    pub(super) index: String,
    pub(super) doc_type: Option<String>,
    pub(super) id: Option<String>,
    pub(super) action: DocumentAction,
}

/// What one write asked for, from a path and parameters or from a bulk's action line.
pub(super) struct Asked {
    pub(super) action: DocumentAction,
    /// As the request names it; `None` in a bulk that names none.
    pub(super) index: Option<Arc<str>>,
    pub(super) doc_type: Option<Arc<str>>,
    pub(super) id: Option<String>,
    pub(super) routing: Option<String>,
    /// Whether the request says all about the routing, so that without one there is none.
    pub(super) routing_is_known: bool,
    pub(super) pipeline: Option<String>,
    /// A `version_type` other than `internal`.
    pub(super) external: bool,
    /// The document, or why it can't be known.
    pub(super) source: Result<Bytes, DoubtReason>,
    pub(super) dynamic_templates: Option<Bytes>,
}

/// A write of one document.
pub(super) fn single(exchange: &Exchange, target: &Target, named: Named, facts: &Facts) -> Write {
    let asked = Asked {
        action: named.action,
        index: Some(Arc::from(named.index)),
        doc_type: named.doc_type.map(Arc::from),
        id: named.id,
        routing: target.parameter("routing").or(target.parameter("parent")).map(str::to_owned),
        routing_is_known: true,
        pipeline: target.parameter("pipeline").map(str::to_owned),
        external: target.parameter("version_type").is_some_and(is_external),
        source: source(exchange, named.action),
        dynamic_templates: None,
    };
    let item = match &exchange.answer {
        None => asked.doubt(None, no_answer(exchange), facts),
        Some(given) => asked.judge_single(given, facts),
    };
    Write { shape: Shape::Single, refresh: refresh(target), items: vec![item] }
}

/// `POST /{index}/_doc/_search` and its like: the answer of a write names what it did.
pub(super) fn read_or_document(
    exchange: &Exchange,
    target: &Target,
    kind: ReadKind,
    index: String,
    id: String,
    facts: &Facts,
) -> Meaning {
    let wrote = match &exchange.answer {
        None => true,
        Some(given) if is_refusal(given.status) => {
            return Meaning::Nothing(NothingReason::Refused(given.status));
        }
        Some(given) if !(200..300).contains(&given.status) => true,
        Some(given) => answer::read::<WriteAnswer<'_>>(&given.body)
            .is_some_and(|answer| answer.result.is_some() || answer.seq_no.is_some()),
    };
    if !wrote {
        return Meaning::Read(Read::of(kind, target));
    }
    let named = Named { index, doc_type: None, id: Some(id), action: DocumentAction::Index };
    Meaning::Write(single(exchange, target, named, facts))
}

impl Asked {
    fn judge_single(&self, given: &Answer, facts: &Facts) -> Item {
        let answer = if given.body_is_json() { answer::read(&given.body) } else { None };
        match answer {
            Some(answer) => self.judge(given.status, &answer, facts),
            // A refusal needs no words.
            None if is_refusal(given.status) => Item::Nothing(NothingReason::Refused(given.status)),
            None if given.status >= 500 => self.doubt(None, DoubtReason::ServerError, facts),
            None => self.doubt(None, DoubtReason::UnreadableAnswer, facts),
        }
    }

    /// What a write means that the source answered so.
    pub(super) fn judge(&self, status: u16, answer: &WriteAnswer<'_>, facts: &Facts) -> Item {
        // A delete of a document that isn't there takes a sequence number too.
        let deleted_nothing = status == 404
            && self.action == DocumentAction::Delete
            && answer.result() == "not_found"
            && answer.seq_no.is_some();
        if !deleted_nothing {
            if is_refusal(status) {
                return Item::Nothing(NothingReason::Refused(status));
            }
            if !(200..300).contains(&status) || answer.error.is_some() {
                return self.doubt(Some(answer), DoubtReason::ServerError, facts);
            }
        }
        if answer.result() == "noop" {
            return Item::Nothing(NothingReason::Noop);
        }
        match self.operation(answer, facts) {
            Ok(operation) => Item::Operation(operation),
            Err(reason) => self.doubt(Some(answer), reason, facts),
        }
    }

    /// The operation that a success proves, or why it proves none.
    fn operation(&self, answer: &WriteAnswer<'_>, facts: &Facts) -> Result<Operation, DoubtReason> {
        let change = self.change(answer, facts)?;
        if self.names_another(answer) {
            return Err(DoubtReason::OtherId);
        }
        let (Some(index), Some(id)) = (answer.index(), answer.id()) else {
            return Err(DoubtReason::NoSequence);
        };
        let version = self.version(index, answer, facts)?;
        let address = Address {
            index: self.shared(index),
            doc_type: self.doc_type(answer),
            id: id.to_owned(),
            routing: self.routing_into(index, facts),
        };
        Ok(Operation { address, version, change })
    }

    /// What was stored, where the request says it.
    fn change(&self, answer: &WriteAnswer<'_>, facts: &Facts) -> Result<Change, DoubtReason> {
        let source = self.source.as_ref().map_err(|reason| *reason)?;
        match self.action {
            DocumentAction::Delete => Ok(Change::Delete),
            DocumentAction::Update if answer.result() == "deleted" => Ok(Change::Delete),
            DocumentAction::Update => Err(DoubtReason::Update),
            DocumentAction::Index | DocumentAction::Create
                if self.pipeline_ran(answer.index(), facts) =>
            {
                Err(DoubtReason::Pipeline)
            }
            DocumentAction::Index | DocumentAction::Create => Ok(Change::Index {
                source: source.clone(),
                dynamic_templates: self.dynamic_templates.clone(),
            }),
        }
    }

    /// Whether the answer names another document than the request: a pipeline that isn't known of has changed it, or it
    /// is another request's answer.
    fn names_another(&self, answer: &WriteAnswer<'_>) -> bool {
        self.id.as_deref().zip(answer.id()).is_some_and(|(asked, answered)| asked != answered)
    }

    fn version(
        &self,
        index: &str,
        answer: &WriteAnswer<'_>,
        facts: &Facts,
    ) -> Result<Version, DoubtReason> {
        let known = facts.index(index);
        let version = match known.versioning {
            Versioning::Version => {
                Version::of_external(answer.version.ok_or(DoubtReason::NoSequence)?)
            }
            Versioning::Sequence if self.external => return Err(DoubtReason::ExternalVersion),
            Versioning::Sequence => match (answer.primary_term, answer.seq_no) {
                // A negative number: the shard was made before there were sequence numbers.
                (Some(term), Some(seq_no)) if seq_no >= 0 && !facts.unnumbered => {
                    Version::of_sequence(known.epoch, term, seq_no)
                }
                _ => return Err(DoubtReason::NoSequence),
            },
        };
        version.map_err(|_| DoubtReason::VersionRange)
    }

    /// Doubt about this write: by id where one is known, else a sweep.
    pub(super) fn doubt(
        &self,
        answer: Option<&WriteAnswer<'_>>,
        reason: DoubtReason,
        facts: &Facts,
    ) -> Item {
        Item::Doubt(Doubt { kind: self.doubt_kind(answer, facts), reason })
    }

    fn doubt_kind(&self, answer: Option<&WriteAnswer<'_>>, facts: &Facts) -> DoubtKind {
        let nothing = WriteAnswer::default();
        let answer = answer.unwrap_or(&nothing);
        // A pipeline may have given the document another index, id and routing.
        let makes = matches!(self.action, DocumentAction::Index | DocumentAction::Create);
        let pipelined = makes && self.pipeline_ran(answer.index(), facts);
        let strange = !pipelined && self.names_another(answer);
        let index = match answer.index() {
            // Either of two documents, and they need not be in one index.
            Some(index) if strange && self.index.as_deref() != Some(index) => any(),
            Some(index) => self.shared(index),
            // Date math stands for another index tomorrow.
            None => match &self.index {
                Some(index) if !pipelined && !index.starts_with('<') => Arc::clone(index),
                _ => any(),
            },
        };
        let id = answer.id().or(self.id.as_deref().filter(|_| !pipelined));
        let (Some(id), false) = (id, strange || &*index == "*") else {
            // A sweep doesn't find what was deleted.
            return if makes { DoubtKind::Sweep { index } } else { DoubtKind::Walk { index } };
        };
        let routing = self.routing_into(&index, facts);
        let by_alias = routing.is_none() && facts.alias_routing.contains_key(&*index);
        let doc_type = self.doc_type(answer);
        let address = Address { index, doc_type, id: id.to_owned(), routing };
        if self.routing_is_known && !pipelined && !by_alias {
            DoubtKind::ById(address)
        } else {
            DoubtKind::ByIdAnywhere(address)
        }
    }

    fn pipeline_ran(&self, written: Option<&str>, facts: &Facts) -> bool {
        let named = self.index.as_deref().unwrap_or_default();
        facts.pipeline_ran(self.pipeline.as_deref(), named, written.unwrap_or(named))
    }

    fn routing_into(&self, written: &str, facts: &Facts) -> Option<String> {
        let given = self.routing.clone().filter(|routing| !routing.is_empty());
        given.or_else(|| facts.alias_routing(self.index.as_deref()?, written).map(str::to_owned))
    }

    /// The mapping type, unless it is the one that says nothing.
    fn doc_type(&self, answer: &WriteAnswer<'_>) -> Option<Arc<str>> {
        let answered = answer.doc_type.as_ref().map(Text::as_str);
        let asked = self.doc_type.as_ref();
        match (answered, asked) {
            (Some("_doc"), _) => None,
            (Some(answered), Some(asked)) if **asked == *answered => Some(Arc::clone(asked)),
            (Some(answered), _) => Some(Arc::from(answered)),
            (None, asked) => asked.filter(|asked| &***asked != "_doc").cloned(),
        }
    }

    /// The name as a shared string, the request's own where it is the same.
    fn shared(&self, name: &str) -> Arc<str> {
        match &self.index {
            Some(index) if **index == *name => Arc::clone(index),
            _ => Arc::from(name),
        }
    }
}

/// Whether the source said no before it changed anything. 408 is what a server says whose answer
/// comes too late.
pub(super) fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && status != 408
}

/// Why an exchange without an answer is in doubt.
pub(super) fn no_answer(exchange: &Exchange) -> DoubtReason {
    match exchange.body_state {
        BodyState::Whole => DoubtReason::NoAnswer,
        BodyState::Cut => DoubtReason::IncompleteRequest,
        BodyState::Unreadable => DoubtReason::UnreadableBody,
    }
}

/// The `refresh` parameter; without a value it means `true`.
pub(super) fn refresh(target: &Target) -> Refresh {
    match target.parameter("refresh") {
        Some("" | "true") => Refresh::Now,
        Some("wait_for") => Refresh::WaitFor,
        _ => Refresh::No,
    }
}

pub(super) fn is_external(version_type: &str) -> bool {
    version_type != "internal"
}

/// Any index.
pub(super) fn any() -> Arc<str> {
    Arc::from("*")
}

/// The document of a single write, or why it can't be known.
fn source(exchange: &Exchange, action: DocumentAction) -> Result<Bytes, DoubtReason> {
    match (action, exchange.body_state) {
        (DocumentAction::Delete, _) => Ok(Bytes::new()),
        (_, BodyState::Cut) => Err(DoubtReason::IncompleteRequest),
        (DocumentAction::Update, _) => Ok(Bytes::new()),
        _ if exchange.body_is_json() => Ok(exchange.body.clone()),
        _ => Err(DoubtReason::UnreadableBody),
    }
}

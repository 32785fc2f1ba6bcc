//! What an exchange means for the target.

mod bulk;
mod control;
mod query;
mod write;

use std::sync::Arc;

use bytes::Bytes;

use crate::address::Address;
use crate::endpoint::{ControlKind, Endpoint, ReadKind};
use crate::exchange::{BodyState, Exchange};
use crate::facts::Facts;
use crate::scope::Scope;
use crate::selection::Selection;
use crate::target::Target;
use crate::version::Version;

/// What an exchange means for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing to do: counted by reason.
    Nothing(NothingReason),
    /// Sent as it is, with the ids that the source made up replaced by the target's.
    Read(Read),
    /// A write of one document or a bulk: what each item means.
    Write(Write),
    /// Ordered across connections, through the transforms, and sent once.
    Control(Control),
    /// Nothing is sent; each of these is read from the source.
    Doubt(Vec<Doubt>),
    /// Not sent as it is, unless asked for: counted by the class of its endpoint, one of a fixed
    /// few.
    NotSent(&'static str),
}

/// A request that changes no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub kind: ReadKind,
    /// The indices in its path, for [`crate::order`]; those in a body aren't looked at.
    pub scope: Scope,
}

/// A write request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub shape: Shape,
    pub refresh: Refresh,
    /// In the order of the request. Of a bulk that was cut off or not understood, a last item may
    /// stand for all that couldn't be read.
    pub items: Vec<Item>,
}

/// What kind of request a write came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Single,
    Bulk,
}

/// The `refresh` parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    #[default]
    No,
    Now,
    WaitFor,
}

/// What one item of a write means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Operation(Operation),
    Nothing(NothingReason),
    Doubt(Doubt),
}

/// A proven change of one document: safe to send in any order and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The index is the concrete one that the answer names.
    pub address: Address,
    pub version: Version,
    pub change: Change,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Index {
        /// The document, untouched: a slice of the captured request.
        source: Bytes,
        /// The bulk action's `dynamic_templates`, a JSON object, untouched.
        dynamic_templates: Option<Bytes>,
    },
    Delete,
}

/// Something that the journal doesn't prove: the source is read before anything is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub kind: DoubtKind,
    pub reason: DoubtReason,
}

/// What has to be read from the source, once [`crate::order::Order::doubt_ready`] says so.
///
/// What is found is written with the version of its sequence number, what is gone is deleted on the
/// target with the version that the target has. That version has to be read *before* the source is:
/// a document that is made after the source was read could otherwise reach the target, lend its
/// version, and be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DoubtKind {
    /// One document. Its index may be an alias or a data stream, as the request named it.
    ById(Address),
    /// One document whose routing isn't known for certain: a pipeline may have set another, or the
    /// request couldn't be read. An `ids` search finds it, on both sides; the routing of the
    /// address is what the request gave.
    ByIdAnywhere(Address),
    /// The documents of an index, alias or pattern (`*`: any) that were indexed since the last
    /// sweep. Never stands for a delete. How far an index was swept is to be forgotten when the
    /// *target's* index is deleted or made anew: a replay that is behind may sweep documents that
    /// the source has of the next index of the name into one that it is yet to delete.
    Sweep { index: Arc<str> },
    /// Every document of an index, alias or pattern (`*`: any), deletes included.
    Walk { index: Arc<str> },
    /// The same, once the source is done with what changes them: it may have answered long before.
    WalkAfter { index: Arc<str>, task: Task },
    /// Not documents: whether the indices exist, and with which UUID, mapping, settings, aliases.
    ///
    /// With `deletes`, a deletion is in doubt. Then the indices are made anew on the target
    /// ([`crate::order::Role::Control`]) and walked: the UUID that the target's index is labelled
    /// with doesn't tell which documents it has, when a replay that is behind made it.
    Definition { scope: Scope, deletes: bool },
    /// A template, pipeline, script or data stream, by the segments of its path, decoded: whether there is one,
    /// and what is in it. The last segment may be a pattern.
    Named { path: Vec<String> },
}

/// What the source may still be doing after a request's end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// The client didn't wait for it (`wait_for_completion=false`): its id, from the answer.
    Named(Arc<str>),
    /// The journal doesn't have the end of a by-query or a reindex: any that began before the exchange ended.
    Unnamed,
}

/// Why there is doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DoubtReason {
    /// The document was made by the source from the update and what it had.
    Update,
    /// An ingest pipeline changed the document, and perhaps its index, id and routing.
    Pipeline,
    /// A success without id, sequence number or primary term: `filter_path`, or a source before
    /// Elasticsearch 6.
    NoSequence,
    /// The answer has not as many items as the request, or of other documents.
    ItemsDiffer,
    /// The answer names another document than the request.
    OtherId,
    /// 5xx, 408, or any other status that says neither yes nor no.
    ServerError,
    /// A bulk that a recent Elasticsearch refused while it executed it.
    RefusedMidway,
    /// A deletion whose indices only the source can tell: a date-math name, a body that can't be
    /// read.
    Unnamed,
    NoAnswer,
    UnreadableAnswer,
    IncompleteRequest,
    /// An encoding that isn't known, a body that isn't of its content type, or lines that aren't a bulk's.
    UnreadableBody,
    /// A client's own external version in an index whose versions come from sequence numbers. The
    /// index should be stopped with a message: only `versioning` = version gets it right.
    ExternalVersion,
    /// A sequence number or primary term that doesn't fit a version.
    VersionRange,
    UpdateByQuery,
    DeleteByQuery,
    Reindex,
    Restore,
    Resize,
    /// The write overlapped a deletion of its index.
    OverlapsDeletion,
    /// Its record came into the journal long after it was made: the target may have forgotten what was deleted after it.
    Late,
    /// An index that isn't on the source any more: a lifecycle policy, or somebody past the proxy, may have deleted it.
    Around,
    /// The target refused the operation with a version conflict where that proves nothing.
    Conflict,
    /// A data stream takes no versions.
    DataStream,
    /// The target refused a control request that the source carried out: the index there is another one by now.
    RefusedByTarget,
    /// A control request for an index whose types are indices of their own on the target.
    Types,
}

/// Why there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NothingReason {
    /// The source refused it with this status, 4xx.
    Refused(u16),
    /// The source found nothing to change.
    Noop,
    /// A read or a control request that the source never got whole.
    Incomplete,
}

/// A proven change of something other than documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub kind: ControlKind,
    /// What it touches, for [`crate::order`]. Aliases and data streams are as the request names
    /// them.
    pub scope: Scope,
    /// The indices that it deletes; each is what one expression names.
    pub deletes: Vec<Selection>,
    /// The index that it made, as the answer names it: of `CreateIndex` and `Rollover`.
    pub created: Option<String>,
    /// The index that `Rollover` rolled away from.
    pub rolled_from: Option<String>,
}

/// Says what an exchange means. Total: any bytes have a meaning.
pub fn interpret(exchange: &Exchange, facts: &Facts) -> Meaning {
    let target = Target::parse(&exchange.target);
    match Endpoint::parse(exchange.method, &target) {
        Endpoint::Document { index, doc_type, id, action } => {
            let named = write::Named { index, doc_type, id, action };
            Meaning::Write(write::single(exchange, &target, named, facts))
        }
        Endpoint::Bulk { index, doc_type } => {
            Meaning::Write(bulk::bulk(exchange, &target, index, doc_type, facts))
        }
        Endpoint::ReadOrDocument { kind, index, id } => {
            write::read_or_document(exchange, &target, kind, index, id, facts)
        }
        Endpoint::Read(_) if exchange.body_state != BodyState::Whole => {
            Meaning::Nothing(NothingReason::Incomplete)
        }
        Endpoint::Read(kind) => Meaning::Read(Read::of(kind, &target)),
        Endpoint::ByQuery { index, action } => query::by_query(exchange, &index, action),
        Endpoint::Reindex => query::reindex(exchange),
        Endpoint::Restore => query::restore(exchange),
        Endpoint::Resize { created } => query::resize(exchange, &created),
        Endpoint::Control { kind, index } => {
            control::control(exchange, &target, kind, index.as_deref())
        }
        Endpoint::Other(class) => Meaning::NotSent(class),
    }
}

/// The indices whose writes a request puts in doubt where they overlap: it may delete them, or have a pipeline run
/// over their documents that didn't before. A superset; its answer isn't looked at, so that this can be asked before
/// there is one.
pub fn unsettles(exchange: &Exchange) -> Option<Scope> {
    let target = Target::parse(&exchange.target);
    match Endpoint::parse(exchange.method, &target) {
        Endpoint::Control { kind, index } => {
            let touched = control::touched(exchange, &target, kind, index.as_deref());
            match kind {
                ControlKind::PutSettings | ControlKind::PutTemplate | ControlKind::CreateIndex => {
                    control::may_set_pipeline(exchange).then_some(touched.scope)
                }
                _ => touched.may_delete(),
            }
        }
        _ => None,
    }
}

impl Meaning {
    /// What an exchange means when what it changed may have been changed since by what was replayed before it: its
    /// operations, and what else it changes, are doubt. Reads stay what they are.
    pub fn into_doubt(self, exchange: &Exchange, reason: DoubtReason) -> Self {
        match self {
            Self::Write(write) => Self::Write(write.into_doubt(reason)),
            Self::Control(control) => {
                let deletes = !control.deletes.is_empty();
                let target = Target::parse(&exchange.target);
                let kind = control::doubt_kind(control.kind, &target, control.scope, deletes);
                Self::Doubt(vec![Doubt { kind, reason }])
            }
            same => same,
        }
    }
}

impl Operation {
    /// Whether it deletes.
    pub fn is_delete(&self) -> bool {
        matches!(self.change, Change::Delete)
    }
}

impl Read {
    fn of(kind: ReadKind, target: &Target) -> Self {
        let index =
            target.segments.first().filter(|name| *name == "_all" || !name.starts_with('_'));
        let scope = index.map_or(Scope::All, |index| Scope::of_expression(index));
        Self { kind, scope }
    }
}

impl Write {
    /// The same write with every operation in doubt by id, for one that overlapped what
    /// [`unsettles`] its index.
    pub fn into_doubt(mut self, reason: DoubtReason) -> Self {
        for item in &mut self.items {
            if let Item::Operation(operation) = item {
                let address = operation.address.clone();
                let kind = match operation.change {
                    Change::Delete => DoubtKind::ById(address),
                    // A pipeline may have set another routing.
                    Change::Index { .. } => DoubtKind::ByIdAnywhere(address),
                };
                *item = Item::Doubt(Doubt { kind, reason });
            }
        }
        self
    }

    /// The operations, each with its place among the items.
    pub fn operations(&self) -> impl Iterator<Item = (usize, &Operation)> {
        self.items.iter().enumerate().filter_map(|(place, item)| match item {
            Item::Operation(operation) => Some((place, operation)),
            _ => None,
        })
    }

    /// The doubts, in order.
    pub fn doubts(&self) -> impl Iterator<Item = &Doubt> {
        self.items.iter().filter_map(|item| match item {
            Item::Doubt(doubt) => Some(doubt),
            _ => None,
        })
    }

    /// The indices that it touches, for [`crate::order`]; in doubt, as the request names them.
    pub fn scope(&self) -> Scope {
        let mut names: Vec<&str> = Vec::new();
        for item in &self.items {
            let index = match item {
                Item::Operation(operation) => &operation.address.index,
                Item::Doubt(doubt) => match &doubt.kind {
                    DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => &address.index,
                    DoubtKind::Sweep { index }
                    | DoubtKind::Walk { index }
                    | DoubtKind::WalkAfter { index, .. } => index,
                    DoubtKind::Definition { .. } | DoubtKind::Named { .. } => continue,
                },
                Item::Nothing(_) => continue,
            };
            if &**index == "*" {
                return Scope::All;
            }
            if !names.contains(&&**index) {
                names.push(index);
            }
        }
        Scope::Indices(names.into_iter().map(str::to_owned).collect())
    }
}

impl DoubtReason {
    /// A counter's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Pipeline => "pipeline",
            Self::NoSequence => "no sequence number",
            Self::ItemsDiffer => "items differ",
            Self::OtherId => "other id",
            Self::ServerError => "server error",
            Self::RefusedMidway => "refused midway",
            Self::Unnamed => "indices not named",
            Self::NoAnswer => "no answer",
            Self::UnreadableAnswer => "unreadable answer",
            Self::IncompleteRequest => "incomplete request",
            Self::UnreadableBody => "unreadable body",
            Self::ExternalVersion => "external version",
            Self::VersionRange => "version out of range",
            Self::UpdateByQuery => "update by query",
            Self::DeleteByQuery => "delete by query",
            Self::Reindex => "reindex",
            Self::Restore => "restore",
            Self::Resize => "resize",
            Self::OverlapsDeletion => "overlaps deletion",
            Self::Late => "late",
            Self::Around => "around the proxy",
            Self::Conflict => "conflict",
            Self::DataStream => "data stream",
            Self::RefusedByTarget => "refused by the target",
            Self::Types => "types",
        }
    }
}

impl NothingReason {
    /// A counter's label; the status is not in it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Noop => "noop",
            Self::Incomplete => "incomplete",
        }
    }
}

#[cfg(test)]
mod tests;

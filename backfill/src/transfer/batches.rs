//! Documents as they were read → bulk requests, with the accounts of what they hold.

use std::{borrow::Cow, sync::Arc};

use codec::source;
use converge::Version;

use crate::{
    accounts::Accounts,
    action::{Action, Operation},
    document::{Document, Entry},
    read::doc_type,
    rewrite::{Candidate, RewriteError, Rewriter, Rewritten, Verdict},
    send::{Batch, BatchBuilder, Place},
    settings::{RunSettings, Versioning},
    target::{IndexPlan, Targets},
    work::Position,
};

/// Documents that can't be read, gathered at most.
const MOST_UNREAD: usize = 10_000;
/// Documents between two checkpoints at most: long runs of deleted ones make no request.
const MOST_PASSED: u64 = 1 << 20;

/// Gathers documents until there are enough for a request.
pub(super) struct Batches<'p> {
    plan: &'p IndexPlan,
    targets: &'p Targets,
    versioning: Versioning,
    limits: &'p source::Limits,
    builder: BatchBuilder,
    filled: Filled,
    rewriter: Option<Rewriter>,
    /// What the rules have still to be asked about, with the position behind each.
    pending: Vec<(Position, Candidate)>,
}

/// A batch, and what became of everything read for it that isn't in it.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) batch: Batch,
    /// Without what the target will say of the batch.
    pub(super) accounts: Accounts,
    /// Where to go on when the batch is accounted for; `None`: nothing was read.
    pub(super) position: Option<Position>,
    pub(super) unread: Vec<Unread>,
}

/// A live document that can't be sent.
pub(super) struct Unread {
    pub(super) place: Place,
    pub(super) id: Option<String>,
    pub(super) why: String,
    /// It was read, and the rules are why it can't be sent.
    pub(super) is_ruled_out: bool,
}

impl<'p> Batches<'p> {
    pub(super) fn new(
        plan: &'p IndexPlan,
        targets: &'p Targets,
        settings: &'p RunSettings,
    ) -> Self {
        let limits = &settings.read.source;
        let index = &plan.source.metadata;
        // What isn't written anyway is left alone.
        let rules = settings.read.rules.as_ref().filter(|_| !plan.is_superseded());
        let rewriter = rules.map(|rules| {
            Rewriter::new(Arc::clone(rules), &index.name, doc_type(index), limits.clone())
        });
        // A rule may name another index than that of the path.
        let index = plan.only_index().filter(|_| rewriter.is_none());
        Self {
            plan,
            targets,
            versioning: settings.versioning,
            limits,
            builder: BatchBuilder::new(index.map(str::to_owned)),
            filled: Filled::default(),
            rewriter,
            pending: Vec::new(),
        }
    }

    /// There is enough for a request of so many bytes; or, of what makes no bytes, for a checkpoint.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.builder.bytes() >= bytes
            || self.filled.unread.len() >= MOST_UNREAD
            || self.filled.accounts.passed() >= MOST_PASSED
    }

    /// Takes the next entry of a segment; `position` is behind it.
    pub(super) fn add(&mut self, position: Position, entry: Entry<'_>) {
        self.filled.position = Some(position);
        let accounts = &mut self.filled.accounts;
        match entry {
            Entry::Deleted => accounts.skip("deleted", 1),
            Entry::Nested => accounts.skip("nested", 1),
            Entry::Document(document) if self.rewriter.is_some() => {
                self.pending.push((position, Candidate::new(&document)));
            }
            Entry::Document(document) => self.document(position, &document, None),
            Entry::Unreadable { number, id, why } => {
                let place = Place { segment: position.segment, document: number };
                self.unread(place, id, why.class(), why.to_string());
            }
        }
    }

    /// Takes what the rules make of the documents since it was last called. Without rules there are none.
    pub(super) async fn apply_rules(&mut self) -> Result<(), RewriteError> {
        let Some(rewriter) = self.rewriter.as_mut().filter(|_| !self.pending.is_empty()) else {
            return Ok(());
        };
        let (positions, candidates): (Vec<_>, Vec<_>) = self.pending.drain(..).unzip();
        let candidates: Arc<[Candidate]> = candidates.into();
        let verdicts = rewriter.apply(Arc::clone(&candidates)).await?;
        for ((position, candidate), verdict) in
            positions.into_iter().zip(candidates.iter()).zip(verdicts)
        {
            let document = candidate.document();
            let place = Place { segment: position.segment, document: document.number };
            let id = Some(document.id);
            match verdict {
                Verdict::Untouched => self.document(position, &document, None),
                Verdict::Dropped => self.filled.accounts.skip("rule", 1),
                Verdict::Changed(rewritten, changes) => {
                    changes.iter().for_each(|change| self.filled.accounts.repair(change.label()));
                    self.document(position, &document, Some(&rewritten));
                }
                Verdict::Failed(why) => self.unread(place, id, "rule", why),
                Verdict::Unreadable(why) => self.unread(place, id, "unreadable", why),
            }
        }
        Ok(())
    }

    fn unread(&mut self, place: Place, id: Option<&str>, class: &str, why: String) {
        self.filled.accounts.read += 1;
        self.filled.accounts.fail(class, 1);
        let (id, is_ruled_out) = (id.map(str::to_owned), class == "rule");
        self.filled.unread.push(Unread { place, id, why, is_ruled_out });
    }

    /// Adds a document, as it is stored or as the rules left it.
    fn document(
        &mut self,
        position: Position,
        document: &Document<'_>,
        rewritten: Option<&Rewritten>,
    ) {
        let place = Place { segment: position.segment, document: document.number };
        let id = Some(document.id);
        let line = match rewritten {
            Some(rewritten) => Cow::Borrowed(&*rewritten.source),
            None => match source::line(document.source, self.limits) {
                Ok(line) => line.json,
                Err(error) => return self.unread(place, id, "unreadable", error.to_string()),
            },
        };
        let version = match self.version(document) {
            Ok(version) => version,
            Err(error) => return self.unread(place, id, "version", error.to_string()),
        };
        let Some(index) = self.plan.index_of(document.doc_type) else {
            let why = format!("no index is planned for type {:?}", document.doc_type);
            return self.unread(place, id, "unplanned_type", why);
        };
        let index = match rewritten.map(|rewritten| self.index_by_rule(rewritten, index)) {
            None => index,
            Some(Ok(index)) => index,
            Some(Err(why)) => return self.unread(place, id, "rule", why),
        };
        let (id, routing) = match rewritten {
            Some(rewritten) => (&*rewritten.id, rewritten.routing.as_deref()),
            None => (document.id, document.routing),
        };
        let named = self.rewriter.is_some() || self.plan.only_index().is_none();
        let action = Action {
            operation: match self.plan.is_stream() {
                true => Operation::Create,
                false => Operation::Index,
            },
            index: named.then_some(index),
            id,
            routing,
            version,
        };
        self.builder.push(&action, &line, place);
        self.filled.accounts.read += 1;
        self.filled.accounts.bytes += document.source.len() as u64;
    }

    /// Where a document goes that a rule has seen; `planned`, unless the rule names another index.
    fn index_by_rule(&self, rewritten: &Rewritten, planned: &'p str) -> Result<&'p str, String> {
        let planned_type = if self.plan.is_stream() { "create" } else { "index" };
        if let Some(op_type) = rewritten.op_type.as_deref().filter(|asked| *asked != planned_type) {
            return Err(format!(
                "a rule asks for op_type {op_type}, and it is {planned_type} here"
            ));
        }
        let wanted = rewritten.index.as_str();
        if wanted == self.plan.source.metadata.name || wanted == planned {
            return Ok(planned);
        }
        if self.plan.is_stream() {
            let why = format!("a rule moves it from a data stream to index {wanted}: it can't");
            return Err(why);
        }
        self.targets.written(wanted).ok_or_else(|| {
            format!("a rule moves it to {wanted}, which is no index that this run writes")
        })
    }

    fn version(&self, document: &Document<'_>) -> Result<Option<u64>, converge::VersionError> {
        if self.plan.is_stream() {
            return Ok(None);
        }
        let version = match (self.versioning, document.sequence) {
            (Versioning::None, _) => return Ok(None),
            (Versioning::Sequence, None) => Version::ZERO,
            (Versioning::Sequence, Some((seq_no, primary_term))) => {
                Version::of_sequence(0, primary_term, seq_no)?
            }
        };
        // A version is never negative.
        Ok(u64::try_from(version.get()).ok())
    }

    /// Gives out what was gathered and begins anew.
    pub(super) fn take(&mut self) -> Filled {
        let batch = self.builder.take();
        Filled { batch, ..std::mem::take(&mut self.filled) }
    }
}

//! Documents as they were read → bulk requests, with the accounts of what they hold.

use codec::source;
use converge::Version;

use crate::{
    accounts::Accounts,
    action::{Action, Operation},
    document::{Document, Entry},
    send::{Batch, BatchBuilder, Place},
    settings::Versioning,
    target::IndexPlan,
    work::Position,
};

/// Documents that can't be read, gathered at most.
const MOST_UNREAD: usize = 10_000;
/// Documents between two checkpoints at most: long runs of deleted ones make no request.
const MOST_PASSED: u64 = 1 << 20;

/// Gathers documents until there are enough for a request.
pub(super) struct Batches<'p> {
    plan: &'p IndexPlan,
    versioning: Versioning,
    limits: &'p source::Limits,
    builder: BatchBuilder,
    filled: Filled,
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
}

impl<'p> Batches<'p> {
    pub(super) fn new(
        plan: &'p IndexPlan,
        versioning: Versioning,
        limits: &'p source::Limits,
    ) -> Self {
        let builder = BatchBuilder::new(plan.only_index().map(str::to_owned));
        Self { plan, versioning, limits, builder, filled: Filled::default() }
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
            Entry::Document(document) => self.document(position, &document),
            Entry::Unreadable { number, id, why } => {
                let place = Place { segment: position.segment, document: number };
                self.unread(place, id, why.class(), why.to_string());
            }
        }
    }

    fn unread(&mut self, place: Place, id: Option<&str>, class: &str, why: String) {
        self.filled.accounts.read += 1;
        self.filled.accounts.fail(class, 1);
        self.filled.unread.push(Unread { place, id: id.map(str::to_owned), why });
    }

    fn document(&mut self, position: Position, document: &Document<'_>) {
        let place = Place { segment: position.segment, document: document.number };
        let id = Some(document.id);
        let line = match source::line(document.source, self.limits) {
            Ok(line) => line,
            Err(error) => return self.unread(place, id, "unreadable", error.to_string()),
        };
        let version = match self.version(document) {
            Ok(version) => version,
            Err(error) => return self.unread(place, id, "version", error.to_string()),
        };
        let Some(index) = self.plan.index_of(document.doc_type) else {
            let why = format!("no index is planned for type {:?}", document.doc_type);
            return self.unread(place, id, "unplanned_type", why);
        };
        let action = Action {
            operation: match self.plan.is_stream() {
                true => Operation::Create,
                false => Operation::Index,
            },
            index: self.plan.only_index().is_none().then_some(index),
            id: document.id,
            routing: document.routing,
            version,
        };
        self.builder.push(&action, &line.json, place);
        self.filled.accounts.read += 1;
        self.filled.accounts.bytes += document.source.len() as u64;
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

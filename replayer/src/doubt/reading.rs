//! Reading a batch of doubts from the source, index by index, and writing what was found.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cluster::{ClusterError, Document, DocumentId, Found, IndexDefinition, Wanted};
use converge::{
    Address, Change, DoubtKind, Item, Operation, Refresh, Scope, Shape, Task, Version, Write,
};
use deletes::Delete;

use super::{Later, Swept, bulks, named};
use crate::{
    context::Context,
    indices, noted,
    operations::{self, Occasion},
    source::Source,
};

/// What a batch of doubts reads.
pub(super) struct Reading<'a> {
    pub(super) context: &'a Context,
    pub(super) source: &'a Source,
    /// What could not be resolved: documents by `index/id`, indices by name, scopes; with why.
    pub(super) failures: HashMap<String, String>,
    /// The same of what only can't be resolved now.
    pub(super) unavailable: HashMap<String, String>,
    /// Tasks of the source that aren't over, or may not be.
    pub(super) not_over: HashMap<Task, Later>,
    /// Those that nobody will tell of, with why.
    pub(super) untold: HashMap<Task, String>,
    /// The concrete indices that were read for a name or a scope.
    pub(super) behind: HashMap<String, Vec<String>>,
    /// Indices whose image turned out to be another one's while it was written to, and is empty now.
    pub(super) replaced: BTreeSet<String>,
    /// Data streams of the target that were read to their end.
    pub(super) walked: BTreeSet<Arc<str>>,
    /// Indices whose types were looked at.
    pub(super) looked: BTreeSet<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(context: &'a Context, source: &'a Source) -> Self {
        Self {
            context,
            source,
            failures: HashMap::new(),
            unavailable: HashMap::new(),
            not_over: HashMap::new(),
            untold: HashMap::new(),
            behind: HashMap::new(),
            replaced: BTreeSet::new(),
            walked: BTreeSet::new(),
            looked: BTreeSet::new(),
        }
    }

    /// Only a cluster that says nothing ends a reading: what one index can't answer now, or never will, says nothing of
    /// the others.
    pub(super) fn bear(
        &mut self,
        what: String,
        done: Result<(), ClusterError>,
    ) -> Result<(), ClusterError> {
        match done {
            Err(error @ ClusterError::Unavailable { .. }) => {
                self.unavailable.insert(what, error.to_string());
                Ok(())
            }
            Err(error) if !error.is_transient() => {
                self.failures.insert(what, error.to_string());
                Ok(())
            }
            done => done,
        }
    }

    /// The concrete indices behind a name.
    pub(super) async fn behind(&mut self, name: &str) -> Result<Vec<String>, ClusterError> {
        let mut indices = self.source.concrete(name).await?;
        indices.retain(|index| self.context.settings.indices.has(index));
        self.behind.insert(name.to_owned(), indices.clone());
        Ok(indices)
    }

    pub(super) async fn by_id(
        &mut self,
        name: &str,
        documents: BTreeSet<Address>,
    ) -> Result<(), ClusterError> {
        let asked = |address: Address| DocumentId {
            id: address.id,
            routing: address.routing,
            doc_type: address.doc_type.map(|name| name.to_string()),
        };
        let ids: Vec<DocumentId> = documents.into_iter().map(asked).collect();
        let all: Vec<&str> = ids.iter().map(|one| one.id.as_str()).collect();
        // An index that is gone took its documents with it.
        for index in self.outside_streams(name, &all).await? {
            if self.has_parts(&index, &all).await? {
                self.by_id_in_parts(&index, &ids).await?;
                continue;
            }
            for ids in ids.chunks(self.context.settings.doubt_batch) {
                let gone = self.read(&index, ids).await?;
                let notes = gone.iter().map(|id| Delete::Gone { id: id.id.clone() });
                noted::note(self.context, &index, notes.collect()).await?;
                // What a backfill wrote between that and the note, it won't find again.
                self.read(&index, &gone).await?;
            }
        }
        Ok(())
    }

    /// Reads documents of an index and does to the target's what is found. Gives those that the source hasn't.
    async fn read(
        &mut self,
        index: &str,
        ids: &[DocumentId],
    ) -> Result<Vec<DocumentId>, ClusterError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.source.rate.take(ids.len()).await;
        // Before the source is read: a document that is made after that could otherwise reach the target, lend its
        // version to the delete, and be lost.
        let versions = self.context.sender.target.versions(index, ids).await?;
        let found = self.source.cluster.multi_get(index, ids).await?;
        let (mut live, mut gone, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for ((id, version), found) in ids.iter().zip(versions).zip(found) {
            match found {
                Found::Live(document) => live.push(document),
                Found::Gone => {
                    gone.push(id.clone());
                    deleted.extend(version.map(|version| (id.clone(), version)));
                }
                Found::NoIndex => {}
                Found::Unreadable(why) => {
                    self.failures.insert(format!("{index}/{}", id.id), why);
                }
            }
        }
        self.write(index, live, "id").await?;
        self.delete(index, deleted, "id").await?;
        Ok(gone)
    }

    /// Documents whose routing isn't known, on both sides.
    pub(super) async fn anywhere(
        &mut self,
        name: &str,
        ids: BTreeSet<String>,
    ) -> Result<(), ClusterError> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for index in self.outside_streams(name, &ids).await? {
            if self.has_parts(&index, &ids).await? {
                self.anywhere_in_parts(&index, &ids).await?;
                continue;
            }
            for ids in ids.chunks(self.context.settings.doubt_batch) {
                let notes = ids.iter().map(|id| Delete::Gone { id: (*id).to_owned() });
                noted::note(self.context, &index, notes.collect()).await?;
                self.source.rate.take(ids.len()).await;
                let there = self.context.sender.target.find_ids(&index, ids).await?;
                let live = self.source.cluster.find_ids(&index, ids).await?;
                let gone = cluster::not_among(there, &live);
                self.write(&index, live, "id").await?;
                self.delete(&index, gone, "id").await?;
            }
        }
        Ok(())
    }

    /// Indices whose creation, change or deletion isn't proven.
    pub(super) async fn definition(
        &mut self,
        scope: &Scope,
        deletes: bool,
        swept: &mut Swept,
    ) -> Result<(), ClusterError> {
        let reconciled = self.context.indices.reconcile(scope, deletes).await;
        let names = match operations::settle(reconciled)? {
            Ok(names) => names,
            Err(why) => {
                self.failures.insert(format!("{scope:?}"), why);
                return Ok(());
            }
        };
        self.behind.insert(format!("{scope:?}"), names.iter().cloned().collect());
        let replaced = names.iter().filter(|index| self.context.indices.take_replaced(index));
        self.replaced.extend(replaced.cloned());
        if deletes {
            // Made anew, and empty.
            for index in names {
                let done = self.sweep(&index, swept, "walk").await;
                self.bear(index, done)?;
            }
        }
        Ok(())
    }

    /// An index that the source hasn't any more.
    pub(super) async fn gone(&mut self, index: &str) -> Result<(), ClusterError> {
        let followed = self.context.indices.follow_deletion(index).await;
        if let Err(why) = operations::settle(followed)?.and_then(|followed| followed) {
            self.failures.insert(format!("{:?}", Scope::of_index(index)), why);
        }
        Ok(())
    }

    /// Templates, pipelines, scripts, data streams.
    pub(super) async fn named(&mut self, path: &[String]) -> Result<(), ClusterError> {
        if let Err(why) = named::follow(self.context, &self.source.cluster, path).await? {
            self.failures.insert(path.join("/"), why);
        }
        Ok(())
    }

    /// Compares ids and versions of an index, on both sides. What was swept into this very index of the target is
    /// there; what may be gone is looked for in all of it.
    pub(super) async fn walk(
        &mut self,
        index: &str,
        swept: &mut Swept,
    ) -> Result<(), ClusterError> {
        self.sweep(index, swept, "walk").await?;
        self.find_gone(index).await
    }

    pub(super) async fn sweep(
        &mut self,
        index: &str,
        swept: &mut Swept,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        let Some(original) = self.original(index).await? else { return Ok(()) };
        if self.has_parts(index, &[]).await? {
            return self.compare_parts(index, how).await;
        }
        let prepared = self.context.indices.prepare(index, u64::MAX).await;
        if let Err(why) = operations::settle(prepared)? {
            self.failures.insert(index.to_owned(), why);
            return Ok(());
        }
        if self.source.facts().unnumbered {
            return self.compare(index, how).await;
        }
        // Before anything is read: what is made again meanwhile counts as not swept.
        let image = self.context.indices.image(index).await?;
        let both = (original.uuid().unwrap_or_default().to_owned(), image.unwrap_or_default());
        let since = swept.get(&both).cloned().unwrap_or_default();
        let page = self.context.settings.doubt_batch;
        // What is walked is there for the most part.
        let wanted = if how == "walk" { Wanted::Numbers } else { Wanted::Document };
        let begun = self.source.cluster.sweep(index, original.shards(), &since, page, wanted);
        let begun = begun.await?;
        let Some(mut sweep) = begun else { return Ok(()) };
        let failed = self.failures.len();
        while let Some(documents) = sweep.next_page().await? {
            self.source.rate.take(documents.len()).await;
            let mut missing = self.missing(index, documents).await?;
            if wanted == Wanted::Numbers {
                missing = self.whole(index, missing).await?;
            }
            self.write(index, missing, how).await?;
        }
        if self.failures.len() > failed {
            self.failures
                .insert(index.to_owned(), "some of its documents could not be written".into());
            return Ok(());
        }
        // Into another index than at the beginning: swept from the beginning next time.
        if self.context.indices.image(index).await?.is_some_and(|uuid| uuid == both.1) {
            swept.entry(both).or_default().advance(sweep.reached());
        }
        Ok(())
    }

    /// Of a source without sequence numbers: reads the whole index, and writes what the target has otherwise.
    async fn compare(&mut self, index: &str, how: &'static str) -> Result<(), ClusterError> {
        let page = self.context.settings.doubt_batch;
        let mut scan = self.source.cluster.scan(index, page).await?;
        loop {
            let documents = scan.next_page().await?;
            if documents.is_empty() {
                return Ok(());
            }
            self.source.rate.take(documents.len()).await;
            let ids: Vec<DocumentId> = documents.iter().map(id_of).collect();
            let there = self.context.sender.target.multi_get(index, &ids).await?;
            let differs = |(document, found): &(Document, Found)| !matches!(found, Found::Live(found) if found.source == document.source);
            let pairs = documents.into_iter().zip(there).filter(differs);
            self.write(index, pairs.map(|(document, _)| document).collect(), how).await?;
        }
    }

    async fn original(&self, index: &str) -> Result<Option<IndexDefinition>, ClusterError> {
        Ok(self.source.cluster.index_definitions(index).await?.remove(index))
    }

    /// Those that the target doesn't have with this version.
    async fn missing(
        &self,
        index: &str,
        documents: Vec<Document>,
    ) -> Result<Vec<Document>, ClusterError> {
        let ids: Vec<DocumentId> = documents.iter().map(id_of).collect();
        let versions = self.context.sender.target.versions(index, &ids).await?;
        let there = |document: &Document, version: Option<i64>| {
            version.is_some() && version == version_of(document).ok().map(Version::get)
        };
        let pairs = documents.into_iter().zip(versions);
        Ok(pairs.filter(|(d, version)| !there(d, *version)).map(|(d, _)| d).collect())
    }

    /// Documents with their sources, as the source has them now; those that are gone are left out.
    async fn whole(
        &mut self,
        index: &str,
        documents: Vec<Document>,
    ) -> Result<Vec<Document>, ClusterError> {
        let ids: Vec<DocumentId> = documents.iter().map(id_of).collect();
        let mut live = Vec::with_capacity(ids.len());
        for (id, found) in ids.iter().zip(self.source.cluster.multi_get(index, &ids).await?) {
            match found {
                Found::Live(document) => live.push(document),
                // Its own delete says so, or what looks for it next.
                Found::Gone | Found::NoIndex => {}
                Found::Unreadable(why) => {
                    self.failures.insert(format!("{index}/{}", id.id), why);
                }
            }
        }
        Ok(live)
    }

    /// Deletes what the target has and the source hasn't.
    async fn find_gone(&mut self, index: &str) -> Result<(), ClusterError> {
        if let Some(stream) = self.stream(index).await? {
            return self.find_gone_in_stream(index, stream).await;
        }
        if self.has_parts(index, &[]).await? {
            return self.find_gone_in_parts(index).await;
        }
        if self.context.sender.target.index_definitions(index).await?.is_empty() {
            return Ok(());
        }
        noted::note(self.context, index, vec![Delete::Walk]).await?;
        let page = self.context.settings.doubt_batch;
        let mut scan = self.context.sender.target.scan_numbers(index, page).await?;
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            self.source.rate.take(page.len()).await;
            let gone = self.source.cluster.lacking(index, page).await?;
            self.delete(index, gone, "walk").await?;
        }
    }

    pub(super) async fn write(
        &mut self,
        index: &str,
        documents: Vec<Document>,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        if documents.is_empty() {
            return Ok(());
        }
        if let Some(stream) = self.stream(index).await? {
            self.context.ahead.note(index, indices::now());
            let ids = documents.into_iter().map(|document| document.id).collect();
            return self.in_stream(index, &stream, ids, how).await;
        }
        self.write_to(index, index, documents, how).await
    }

    /// Writes documents of an index to one of the target's that stands for it.
    pub(super) async fn write_to(
        &mut self,
        index: &str,
        name: &str,
        documents: Vec<Document>,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        if documents.is_empty() {
            return Ok(());
        }
        self.context.ahead.note(index, indices::now());
        let versions = self.versions_for(name, &documents).await?;
        let mut operations = Vec::with_capacity(documents.len());
        for (document, version) in documents.into_iter().zip(versions) {
            match version {
                Ok(version) => operations.push(Operation {
                    address: address(index, document.id, document.routing, document.doc_type),
                    version,
                    change: Change::Index { source: document.source, dynamic_templates: None },
                }),
                Err(why) => drop(self.failures.insert(format!("{index}/{}", document.id), why)),
            }
        }
        self.apply(operations, how).await
    }

    /// The versions that documents get on the target: those of their sequence numbers. Without such, those that
    /// the target has: nobody else writes meanwhile.
    async fn versions_for(
        &self,
        index: &str,
        documents: &[Document],
    ) -> Result<Vec<Result<Version, String>>, ClusterError> {
        if !self.source.facts().unnumbered {
            return Ok(documents.iter().map(version_of).collect());
        }
        let ids: Vec<DocumentId> = documents.iter().map(id_of).collect();
        let there = self.context.sender.target.versions(index, &ids).await?;
        let same = |version: Option<i64>| {
            Version::of_external(version.unwrap_or(0)).map_err(|error| error.to_string())
        };
        Ok(there.into_iter().map(same).collect())
    }

    /// Deletes documents with the versions that the target had.
    pub(super) async fn delete(
        &mut self,
        index: &str,
        gone: Vec<(DocumentId, i64)>,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        let delete = |(DocumentId { id, routing, doc_type }, version)| {
            let version = Version::of_external(version).ok()?;
            let address = address(index, id, routing, doc_type);
            Some(Operation { address, version, change: Change::Delete })
        };
        self.apply(gone.into_iter().filter_map(delete).collect(), how).await
    }

    async fn apply(
        &mut self,
        operations: Vec<Operation>,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        for part in bulks::of(operations) {
            let items = part.into_iter().map(Item::Operation).collect();
            let write = Write { shape: Shape::Bulk, refresh: Refresh::No, items };
            // What the source has now is younger than any deletion of its index.
            let applied =
                operations::apply(self.context, &write, u64::MAX, Occasion::Noted).await?;
            self.context.metrics.operations.with_label_values(&[how]).inc_by(applied.done);
            let walks = applied.doubts.into_iter().filter_map(|doubt| match doubt.kind {
                DoubtKind::Walk { index } => Some(index.to_string()),
                _ => None,
            });
            self.replaced.extend(walks);
            for (address, why) in applied.failed {
                self.failures.insert(format!("{}/{}", address.index, address.id), why);
            }
        }
        Ok(())
    }
}

pub(super) fn address(
    index: &str,
    id: String,
    routing: Option<String>,
    doc_type: Option<String>,
) -> Address {
    Address { index: Arc::from(index), doc_type: doc_type.map(Arc::from), id, routing }
}

pub(super) fn id_of(document: &Document) -> DocumentId {
    DocumentId {
        id: document.id.clone(),
        routing: document.routing.clone(),
        doc_type: document.doc_type.clone(),
    }
}

pub(super) fn version_of(document: &Document) -> Result<Version, String> {
    Version::of_sequence(0, document.primary_term, document.seq_no).map_err(|e| e.to_string())
}
